//! An application whose rosters say how often they have changed, in the place of a plugin; and who is told of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::time::sleep;

use super::network::Random;
use crate::model::{Change, Contact, Snapshot, Subscription, Username};
use crate::plugin::{BadRequest, CallError, Delta, FetchError, FetchedRoster, Outcome, Refreshed, Reply, RosterPlugin};
use crate::sinks::{EventKind, RosterEvent, RosterSink, Undelivered};

/// What the contact is called that says which version it is.
const COUNTER: &str = "counter@example.com";

/// See the module.
pub(super) struct Application(Mutex<Inner>);

struct Inner {
    random: Random,
    versions: BTreeMap<Username, u64>,
    /// One request in so many fails; 0: none.
    failures: u64,
    requests: u64,
}

fn contact(version: u64) -> Contact {
    Contact {
        jid: COUNTER.into(),
        name: Some(version.to_string()),
        subscription: Subscription::Both,
        ask: false,
        groups: Vec::new(),
    }
}

/// Which version it is.
pub(super) fn version(snapshot: &Snapshot) -> u64 {
    let counter = snapshot.contacts().get(COUNTER).and_then(|contact| contact.name);
    counter.and_then(|name| name.parse().ok()).unwrap_or_default()
}

impl Application {
    pub(super) fn new(seed: u64) -> Arc<Self> {
        let inner = Inner { random: Random::new(seed), versions: BTreeMap::new(), failures: 0, requests: 0 };
        Arc::new(Self(Mutex::new(inner)))
    }

    /// The roster of `user` changes; its version from now on.
    pub(super) fn change(&self, user: &Username) -> u64 {
        let mut inner = self.0.lock();
        let version = inner.versions.entry(user.clone()).or_default();
        *version += 1;
        *version
    }

    pub(super) fn version(&self, user: &Username) -> u64 {
        self.0.lock().versions.get(user).copied().unwrap_or_default()
    }

    pub(super) fn fail(&self, one_in: u64) {
        self.0.lock().failures = one_in;
    }

    pub(super) fn requests(&self) -> u64 {
        self.0.lock().requests
    }

    async fn ask(&self, user: &Username) -> Result<u64, CallError> {
        let (there, back, fails) = {
            let mut inner = self.0.lock();
            inner.requests += 1;
            let failures = inner.failures;
            (inner.random.below(20), inner.random.below(20), failures > 0 && inner.random.one_in(failures))
        };
        sleep(Duration::from_millis(there)).await;
        let version = self.version(user);
        sleep(Duration::from_millis(back)).await;
        if fails { Err(FetchError::Status(500).into()) } else { Ok(version) }
    }
}

#[async_trait]
impl RosterPlugin for Application {
    async fn fetch(&self, user: &Username) -> Result<FetchedRoster, CallError> {
        let version = self.ask(user).await?;
        Ok(FetchedRoster { contacts: vec![contact(version)], tag: None, warnings: Vec::new() })
    }

    async fn changed_users(&self, _body: Bytes) -> Result<Result<Vec<String>, BadRequest>, CallError> {
        Ok(Ok(Vec::new()))
    }

    async fn refresh(&self, user: &Username, known: Arc<Snapshot>) -> Result<Refreshed, CallError> {
        let found = self.ask(user).await?;
        if found == version(&known) {
            return Ok(Refreshed::Unchanged);
        }
        let changes = vec![Change::Put(contact(found))];
        Ok(Refreshed::Changed(Delta { changes, tag: None, warnings: Vec::new() }))
    }

    async fn summary(&self, _outcome: Outcome) -> Result<Reply, CallError> {
        Ok(Reply { status: 200, content_type: "text/plain".into(), body: Vec::new() })
    }
}

/// The clients at one node: what each user's were told last, and every time that went back.
#[derive(Default)]
pub(super) struct Clients(Mutex<Told>);

#[derive(Default)]
struct Told {
    versions: BTreeMap<Username, u64>,
    went_back: Vec<String>,
}

impl Clients {
    pub(super) fn version(&self, user: &Username) -> Option<u64> {
        self.0.lock().versions.get(user).copied()
    }

    /// A client logs in, and is given this.
    pub(super) fn logged_in(&self, user: &Username, version: u64) {
        let mut told = self.0.lock();
        let known = told.versions.entry(user.clone()).or_insert(version);
        *known = version.max(*known);
    }

    pub(super) fn logged_out(&self, user: &Username) {
        self.0.lock().versions.remove(user);
    }

    pub(super) fn went_back(&self) -> Vec<String> {
        self.0.lock().went_back.clone()
    }
}

#[async_trait]
impl RosterSink for Clients {
    fn name(&self) -> &'static str {
        "clients"
    }

    async fn deliver(&self, event: Arc<RosterEvent>) -> Result<(), Undelivered> {
        let mut told = self.0.lock();
        match &event.kind {
            EventKind::Loaded(snapshot) | EventKind::Changed { snapshot, .. } => {
                let new = version(snapshot);
                let old = told.versions.insert(event.user.clone(), new);
                if let Some(old) = old.filter(|old| *old > new) {
                    told.went_back.push(format!("{}: from {old} to {new}", event.user));
                }
            }
            EventKind::Dropped { .. } => {
                told.versions.remove(&event.user);
            }
        }
        Ok(())
    }
}
