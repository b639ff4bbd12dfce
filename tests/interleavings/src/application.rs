//! An application whose roster of everybody is one contact with a number for a name, and which fails now and then: the plugin of
//! the scenarios. It is the sink too, and holds what it is told against the promises.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use shuttle::rand::{Rng, thread_rng};

use crate::model::{Change, Contact, Snapshot, Username};
use crate::plugin::{
    BadRequest, CallError, Delta, FetchError, FetchedRoster, Outcome, Refreshed, Reply, RosterPlugin, contact,
};
use crate::sinks::{EventKind, RosterEvent, RosterSink, Undelivered};

/// The number that the application's rosters have.
pub type Truth = u64;

/// See the module.
pub struct Application {
    truth: AtomicU64,
    /// Of ten requests, so many fail.
    failures: u32,
    told: Mutex<HashMap<Username, Told>>,
}

/// What a sink was told of a user.
#[derive(Clone, Copy, Default)]
struct Told {
    version: u64,
    truth: Truth,
    kept: bool,
}

impl Application {
    /// Of ten requests, so many fail.
    pub fn new(failures: u32) -> Arc<Self> {
        Arc::new(Self { truth: AtomicU64::new(1), failures, told: Mutex::default() })
    }

    /// The rosters change; what they are now.
    pub fn change(&self) -> Truth {
        self.truth.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// What a roster says.
    pub fn read(snapshot: &Snapshot) -> Truth {
        snapshot.contacts().get("marie@example.com").and_then(|contact| contact.name?.parse().ok()).expect("a number")
    }

    /// A request: it takes time, and what it says was true at some moment of that time.
    async fn ask(&self) -> Result<Contact, CallError> {
        tokio::task::yield_now().await;
        let truth = self.truth.load(Ordering::Relaxed);
        tokio::task::yield_now().await;
        if thread_rng().gen_range(0..10) < self.failures {
            return Err(FetchError::Status(503).into());
        }
        Ok(contact(&truth.to_string()))
    }
}

#[async_trait]
impl RosterPlugin for Application {
    async fn fetch(&self, _user: &Username) -> Result<FetchedRoster, CallError> {
        let contact = self.ask().await?;
        Ok(FetchedRoster { contacts: vec![contact], tag: None, warnings: Vec::new() })
    }

    async fn changed_users(&self, _body: Bytes) -> Result<Result<Vec<String>, BadRequest>, CallError> {
        Ok(Ok(Vec::new()))
    }

    async fn refresh(&self, _user: &Username, known: Arc<Snapshot>) -> Result<Refreshed, CallError> {
        let contact = self.ask().await?;
        if contact.name.as_ref().is_some_and(|name| *name == Self::read(&known).to_string()) {
            // Now and then it has a new tag for what is the same.
            return Ok(match thread_rng().gen_range(0..3) {
                0 => Refreshed::Changed(Delta {
                    changes: Vec::new(),
                    tag: Some(b"tag".to_vec().into()),
                    warnings: Vec::new(),
                }),
                1 => Refreshed::Changed(Delta { changes: vec![Change::Put(contact)], tag: None, warnings: Vec::new() }),
                _ => Refreshed::Unchanged,
            });
        }
        Ok(Refreshed::Changed(Delta { changes: vec![Change::Put(contact)], tag: None, warnings: Vec::new() }))
    }

    async fn summary(&self, _outcome: Outcome) -> Result<Reply, CallError> {
        Ok(Reply { status: 200, content_type: String::new(), body: Vec::new() })
    }
}

#[async_trait]
impl RosterSink for Application {
    fn name(&self) -> &'static str {
        "application"
    }

    /// Per user, versions only grow, an older answer never replaces a newer one, and what is dropped is what was kept.
    async fn deliver(&self, event: Arc<RosterEvent>) -> Result<(), Undelivered> {
        // A sink may take its time; nobody tells it of the same user meanwhile.
        for _ in 0..thread_rng().gen_range(1..12) {
            tokio::task::yield_now().await;
        }
        let mut told = self.told.lock();
        let last = told.entry(event.user.clone()).or_default();
        *last = match &event.kind {
            EventKind::Loaded(snapshot) | EventKind::Changed { snapshot, .. } => {
                let is_load = matches!(event.kind, EventKind::Loaded(_));
                let (version, truth) = (snapshot.version(), Self::read(snapshot));
                assert_eq!(is_load, !last.kept, "a roster is loaded once, and changes while it is kept");
                assert!(version > last.version, "version {version} is told after {}", last.version);
                assert!(truth >= last.truth, "roster {truth} is told after {}", last.truth);
                Told { version, truth, kept: true }
            }
            EventKind::Dropped { version } => {
                assert!(last.kept, "what is not kept is dropped");
                assert_eq!(*version, last.version, "another version is dropped than is kept");
                Told { kept: false, ..*last }
            }
        };
        Ok(())
    }
}
