//! A node that has users: where their rosters come from (their owners), and what owners tell of them.
//!
//! What an owner tells is kept until the rosters of this node ask for it, as they would ask the application. So all else is theirs:
//! order, versions, sessions, sinks.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::time::{Instant, timeout_at};
use tracing::{debug, warn};

use super::link::CallFailed;
use super::link::message::{Applied, Content, Left, OneContact, OwnerRoster, Reply, Request, RosterClaim};
use super::member::Member;
use super::{Cluster, Served};
use crate::model::{Change, Contact, ContactRef, Contacts, Snapshot, Username};
use crate::plugin::{
    BadRequest, CallError, Delta, FetchFailure, FetchedRoster, Outcome, Refreshed, Reply as Answer, RosterPlugin,
};
use crate::rosters::Rosters;

/// How long an owner may take for a roster: longer than the application may.
const FETCH: Duration = Duration::from_secs(60);
/// How long sessions, and attached servers, may take to be told.
const TELL: Duration = Duration::from_secs(5);
/// How long to wait before an owner is asked again.
const AGAIN: Duration = Duration::from_millis(50);

/// The users of one virtual host who are at this node.
#[derive(Default)]
pub(super) struct Holder {
    here: Mutex<Here>,
}

#[derive(Default)]
struct Here {
    /// The view in which owners know whom they are said to know; 0: none.
    view: u64,
    users: HashMap<Username, LocalRoster>,
}

/// What to do with what an owner has told.
enum Note {
    /// It is to be applied.
    New,
    /// Something newer is known.
    Known,
    /// The owner has not heard yet that the roster here may be newer than its own.
    TooEarly,
}

/// What is known of one of them, beside the roster.
#[derive(Default)]
struct LocalRoster {
    /// The owner that knows that the user is here.
    at: Option<Member>,
    /// What was said last of the user, see [`super::link::message::RosterClaim::number`].
    number: u64,
    /// Something may have been missed, until an owner has told what it has: one that could not be asked may have known better.
    unsure: bool,
    /// What an owner says that has not heard this of the user may be older than what is here.
    least: u64,
    /// Of what was told or asked last: the view, and the owner's number of it.
    newest: (u64, u64),
    /// What was told and is not applied yet.
    told: Option<(u64, Content)>,
}

impl Holder {
    /// What was told of `user` and is not applied: its content version, and what it is.
    fn told(&self, user: &Username) -> Option<(u64, Content)> {
        self.here.lock().users.get(user)?.told.clone()
    }

    /// Takes note of what an owner has told.
    fn tell(&self, user: &Username, view: u64, told: OwnerRoster) -> Note {
        let mut here = self.here.lock();
        let held = here.users.entry(user.clone()).or_default();
        if held.newest > (view, told.stamp) {
            return Note::Known;
        }
        if told.number < held.least {
            return Note::TooEarly;
        }
        held.newest = (view, told.stamp);
        held.told = Some((told.version, told.content));
        Note::New
    }

    /// What was told is applied.
    fn applied(&self, user: &Username, version: u64) {
        if let Some(held) = self.here.lock().users.get_mut(user)
            && held.told.as_ref().is_some_and(|(told, _)| *told == version)
        {
            (held.told, held.unsure) = (None, false);
        }
    }

    /// An owner has replied, of the view and with the number in `stamp`. False if something newer is known, or there is another view: an
    /// owner of an earlier one may have forgotten who is here, also if it is the owner again.
    fn replied(&self, user: &Username, at: &Member, number: u64, stamp: (u64, u64)) -> bool {
        let Here { view, users } = &mut *self.here.lock();
        let held = users.entry(user.clone()).or_default();
        if held.newest > stamp || number < held.least || *view != stamp.0 {
            return false;
        }
        let number = held.number.max(number);
        *held =
            LocalRoster { at: Some(at.clone()), number, newest: stamp, least: held.least, ..LocalRoster::default() };
        true
    }

    /// The roster of `user` is asked for, or was, without an owner. `number`: what is said of the user from now on has that or a greater.
    fn alone(&self, user: &Username, number: u64) {
        let mut here = self.here.lock();
        let held = here.users.entry(user.clone()).or_default();
        (held.at, held.unsure, held.least, held.told) = (None, true, number, None);
    }

    /// There is another view: who is not the owner in it knows nobody any more.
    pub(super) fn entered(&self, view: u64, owner: impl Fn(&str) -> Option<Member>) {
        let mut here = self.here.lock();
        here.view = view;
        for (user, held) in &mut here.users {
            if held.at.is_some() && held.at != owner(user.as_str()) {
                held.at = None;
            }
        }
    }

    /// `member` may have forgotten whom it was told of.
    pub(super) fn unregister(&self, member: &Member) {
        for held in self.here.lock().users.values_mut().filter(|held| held.at.as_ref() == Some(member)) {
            held.at = None;
        }
    }

    /// The user has left; what the owner is to be told.
    fn left(&self, user: &Username) -> Option<(Member, u64)> {
        let held = self.here.lock().users.remove(user)?;
        Some((held.at?, held.number))
    }

    /// `member` knows that the user is here, since it was said with `number` in that view.
    pub(super) fn registered(&self, user: &str, view: u64, member: &Member, number: u64) {
        let Here { view: now, users } = &mut *self.here.lock();
        if let Some(held) = users.get_mut(user).filter(|held| number >= held.least && *now == view) {
            held.at = Some(member.clone());
            held.number = held.number.max(number);
        }
    }

    /// This node is in no view any more: no owner knows of anybody here, and things may have been missed.
    pub(super) fn unregister_all(&self) {
        let mut here = self.here.lock();
        here.view = 0;
        for held in here.users.values_mut() {
            *held = LocalRoster { unsure: true, least: held.least, ..LocalRoster::default() };
        }
    }

    /// Whether an owner knows that `user` is here.
    #[cfg(test)]
    pub(super) fn is_registered(&self, user: &Username) -> bool {
        self.here.lock().users.get(user).is_some_and(|held| held.at.is_some())
    }

    /// Whether there is somebody of whom no owner knows.
    pub(super) fn has_unregistered(&self) -> bool {
        self.here.lock().users.values().any(|held| held.at.is_none())
    }

    /// Of those here that `member` owns: whom it does not know of.
    pub(super) fn missing(
        &self,
        domain: &str,
        here: &Rosters,
        member: &Member,
        owned: impl Fn(&str) -> bool,
        number: impl Fn() -> u64,
    ) -> Vec<RosterClaim> {
        let mut missing = Vec::new();
        for user in here.known_users() {
            if !owned(user.as_str()) || !here.is_online(&user) {
                continue;
            }
            let mut locked = self.here.lock();
            let held = locked.users.entry(user.clone()).or_default();
            if held.at.as_ref() == Some(member) {
                continue;
            }
            missing.push(RosterClaim {
                domain: domain.to_owned(),
                user: user.as_str().to_owned(),
                version: here.version_of(&user),
                sure: !held.unsure,
                number: number(),
            });
        }
        missing
    }
}

/// What the rosters of a node ask in the place of the application: the owners of one virtual host's, wherever they are. What the plugin says of requests and replies it says
/// here.
pub(super) struct Source {
    pub(super) cluster: Arc<Cluster>,
    pub(super) index: usize,
    pub(super) plugin: Arc<dyn RosterPlugin>,
}

/// Why no owner has given a roster.
enum NoRoster {
    /// The owner could not have it.
    Call(CallError),
    /// No owner can be asked.
    NoOwner(String),
}

impl Source {
    fn host(&self) -> Result<&Served, CallError> {
        let stopping = || CallError::Node { reason: "this node starts or stops".to_owned() };
        self.cluster.host(self.index).ok_or_else(stopping)
    }

    /// The roster as its owner has it; none, if that has the content version `have`. Waits for an owner, but not for ever.
    async fn ask(&self, user: &Username, have: Option<u64>) -> Result<Option<Vec<OneContact>>, NoRoster> {
        let patient_until = Instant::now() + self.cluster.config.node_timeout / 2;
        let mut views = self.cluster.views.subscribe();
        loop {
            views.borrow_and_update();
            let reason = match self.ask_once(user, have).await {
                Ok(roster) => return Ok(roster),
                Err(NoRoster::NoOwner(reason)) => reason,
                Err(error) => return Err(error),
            };
            if Instant::now() >= patient_until || !self.cluster.is_live() {
                return Err(NoRoster::NoOwner(reason));
            }
            // A new view, or a little later.
            let _ = timeout_at(Instant::now() + AGAIN, views.changed()).await;
        }
    }

    async fn ask_once(&self, user: &Username, have: Option<u64>) -> Result<Option<Vec<OneContact>>, NoRoster> {
        let host = self.host().map_err(NoRoster::Call)?;
        let no_owner = |reason: &str| NoRoster::NoOwner(reason.to_owned());
        let view = self.cluster.live_view().ok_or_else(|| no_owner("this node is cut off"))?;
        let owner = view.owner(&host.domain, user.as_str()).ok_or_else(|| no_owner("there are no nodes"))?;
        let number = self.cluster.number();
        let sure = !host.holder.here.lock().users.get(user).is_some_and(|held| held.unsure);
        let held = RosterClaim {
            domain: host.domain.to_string(),
            user: user.as_str().to_owned(),
            version: have,
            sure,
            number,
        };
        match self.cluster.call(view.number, owner, Request::Fetch(held), Instant::now() + FETCH).await {
            Ok(Reply::Roster { stamp, contacts, .. }) => {
                if host.holder.replied(user, owner, number, (view.number, stamp)) {
                    return Ok(contacts);
                }
                Err(no_owner("something newer was told meanwhile"))
            }
            Ok(_) => Err(no_owner("the owner's reply makes no sense")),
            Err(CallFailed::Refused(refused)) => match refused.as_fetch_error() {
                Some(error) => {
                    let failure = FetchFailure::told(error, refused.to_string());
                    Err(NoRoster::Call(CallError::Fetch(failure)))
                }
                None => Err(no_owner(&refused.to_string())),
            },
            Err(error) => Err(no_owner(&error.to_string())),
        }
    }

    /// No owner can be asked: the application is, by this node with `ask`, and owners will hear of it. Before and after: what an owner
    /// says that has not heard of it may be older.
    async fn alone<T>(
        &self,
        user: &Username,
        reason: &str,
        ask: impl Future<Output = T> + Send,
    ) -> Result<T, CallError> {
        self.cluster.counts.alone.fetch_add(1, Ordering::Relaxed);
        warn!(%user, reason, "no node can be asked for the roster: this one asks the application itself, and may miss changes until it is among the others again");
        self.doubt(user)?;
        self.cluster.look.notify_one();
        let answer = ask.await;
        self.doubt(user)?;
        Ok(answer)
    }

    fn doubt(&self, user: &Username) -> Result<(), CallError> {
        self.host()?.holder.alone(user, self.cluster.number());
        self.cluster.bump.store(true, Ordering::Relaxed);
        Ok(())
    }
}

#[async_trait]
impl RosterPlugin for Source {
    async fn fetch(&self, user: &Username) -> Result<FetchedRoster, CallError> {
        let roster = |contacts: Vec<OneContact>| FetchedRoster {
            contacts: contacts.into_iter().map(Contact::from).collect(),
            tag: None,
            warnings: Vec::new(),
        };
        if let Some((_, Content::Whole(contacts))) = self.host()?.holder.told(user) {
            return Ok(roster(contacts));
        }
        match self.ask(user, None).await {
            Ok(contacts) => Ok(roster(contacts.unwrap_or_default())),
            Err(NoRoster::Call(error)) => Err(error),
            Err(NoRoster::NoOwner(reason)) => {
                // A tag says something to the module that made it, and owners have their own.
                let fetched = self.alone(user, &reason, self.plugin.fetch(user)).await?;
                fetched.map(|fetched| FetchedRoster { tag: None, ..fetched })
            }
        }
    }

    async fn changed_users(&self, body: Bytes) -> Result<Result<Vec<String>, BadRequest>, CallError> {
        self.plugin.changed_users(body).await
    }

    async fn refresh(&self, user: &Username, known: Arc<Snapshot>) -> Result<Refreshed, CallError> {
        let have = known.content_version();
        let changed = |changes: Vec<Change>| match changes.is_empty() {
            true => Refreshed::Unchanged,
            false => Refreshed::Changed(Delta { changes, tag: None, warnings: Vec::new() }),
        };
        match self.host()?.holder.told(user) {
            Some((version, _)) if version == have => return Ok(Refreshed::Unchanged),
            Some((_, Content::Delta { from, changes })) if from == have => {
                return Ok(changed(changes.into_iter().map(Change::from).collect()));
            }
            Some((_, Content::Whole(contacts))) => return Ok(changed(difference(known.contacts(), contacts))),
            Some((_, Content::Delta { .. })) | None => {}
        }
        match self.ask(user, Some(have)).await {
            Ok(None) => Ok(Refreshed::Unchanged),
            Ok(Some(contacts)) => Ok(changed(difference(known.contacts(), contacts))),
            Err(NoRoster::Call(error)) => Err(error),
            Err(NoRoster::NoOwner(reason)) => {
                Ok(match self.alone(user, &reason, self.plugin.refresh(user, known)).await?? {
                    Refreshed::Unchanged => Refreshed::Unchanged,
                    Refreshed::Changed(delta) => Refreshed::Changed(Delta { tag: None, ..delta }),
                })
            }
        }
    }

    async fn summary(&self, outcome: Outcome) -> Result<Answer, CallError> {
        self.plugin.summary(outcome).await
    }
}

impl Cluster {
    /// Brings the rosters here to what their owners have told.
    pub(super) async fn apply(self: &Arc<Self>, view: u64, told: Vec<OwnerRoster>) -> Applied {
        let mut applied = Applied::default();
        let mut by_host: BTreeMap<usize, Vec<(Username, u64)>> = BTreeMap::new();
        for one in told {
            let Some((whose, host)) = self.whose(&one.domain, &one.user) else {
                applied.gone.push((one.domain, one.user));
                continue;
            };
            let version = one.version;
            if host.here.upgrade().is_none_or(|here| !here.is_online(&whose.1)) {
                applied.gone.push((one.domain, one.user));
                continue;
            }
            let name = (one.domain.clone(), one.user.clone());
            match host.holder.tell(&whose.1, view, one) {
                Note::New => by_host.entry(whose.0).or_default().push((whose.1, version)),
                Note::Known => {}
                Note::TooEarly => applied.whole.push(name),
            }
        }
        for (index, users) in by_host {
            let Some((host, here)) = self.host(index).and_then(|host| Some((host, host.here.upgrade()?))) else {
                continue;
            };
            let names: Vec<Username> = users.iter().map(|(user, _)| user.clone()).collect();
            let (failed, unconfirmed) = here.refresh_and_tell(&names, Instant::now() + TELL).await;
            applied.unconfirmed.extend(unconfirmed.iter().map(ToString::to_string));
            for (user, version) in users {
                let name = (host.domain.to_string(), user.as_str().to_owned());
                let now = here.version_of(&user);
                if !here.is_online(&user) {
                    host.holder.left(&user);
                    applied.gone.push(name);
                } else if now == Some(version) {
                    host.holder.applied(&user, version);
                } else if failed.contains(&user) {
                    applied.failed.push(name);
                } else {
                    debug!(%user, "a roster that was told does not fit the one that is here");
                    applied.whole.push(name);
                }
            }
        }
        applied
    }

    /// The last session of `user` at this node has left.
    pub(super) fn user_left(self: &Arc<Self>, index: usize, user: &Username) {
        let Some(host) = self.host(index) else { return };
        let Some((owner, number)) = host.holder.left(user) else { return };
        let left = Left { domain: host.domain.to_string(), user: user.as_str().to_owned(), number };
        let cluster = Arc::clone(self);
        tokio::spawn(async move {
            let view = *cluster.views.borrow();
            let request = Request::Leave { users: vec![left] };
            // An owner that does not hear of it finds out when it has something to tell.
            let _ = cluster.call(view, &owner, request, Instant::now() + TELL).await;
        });
    }
}

/// What turns `known` into `contacts`.
fn difference(known: &Contacts, contacts: Vec<OneContact>) -> Vec<Change> {
    let mut open: HashMap<&str, ContactRef<'_>> = known.iter().map(|contact| (contact.jid, contact)).collect();
    let mut changes = Vec::new();
    for contact in contacts.into_iter().map(Contact::from) {
        match open.remove(contact.jid.as_str()) {
            Some(before) if same(&before, &contact) => {}
            Some(_) | None => changes.push(Change::Put(contact)),
        }
    }
    changes.extend(known.iter().filter(|one| open.contains_key(one.jid)).map(|one| Change::Remove(one.jid.to_owned())));
    changes
}

/// The order of groups does not count, as in content versions.
fn same(before: &ContactRef<'_>, now: &Contact) -> bool {
    let groups = || {
        let (mut before, mut now): (Vec<&str>, Vec<&str>) =
            (before.groups().collect(), now.groups.iter().map(String::as_str).collect());
        before.sort_unstable();
        now.sort_unstable();
        before == now
    };
    before.name == now.name.as_deref() && before.subscription == now.subscription && before.ask == now.ask && groups()
}
