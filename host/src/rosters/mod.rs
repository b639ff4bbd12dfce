//! The use cases of one virtual host: a user connects (first fetch), the application says what changed (refresh).
//!
//! The promises, and where they are kept:
//!
//! - any number of callers costs one fetch per user at a time, and each is answered by one that began after it asked; a
//!   fetch that hangs holds up nobody who comes later: [`single_flight`](user::single_flight), run by [`flights`];
//! - per user, versions only grow and an older answer never replaces a newer one: a flight that succeeds ends the older
//!   ones, and the store compares versions ([`update`]);
//! - a failed fetch never touches the roster that is kept ([`update`]);
//! - sinks hear of a change, in version order, before the refresh that found it is answered ([`update`]), and those that
//!   pass it on to somebody else's server have its word that it has done so, or the answer says otherwise ([`unconfirmed`]);
//! - a refresh request is answered within its deadline ([`refresh`]);
//! - at each connect after the grace time the application is asked; what is kept is served only if it cannot be ([`user`]);
//! - while a session lacks its roster, or has an old one, the application is asked again ([`upkeep`]).

mod connect;
mod directory;
mod error;
mod flights;
mod owners;
mod refresh;
mod schedule;
mod tuning;
mod unconfirmed;
mod update;
mod upkeep;
mod user;

use std::hash::RandomState;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arc_swap::ArcSwap;

use crate::config::{LimitsConfig, StoreConfig};
use crate::metrics::Metrics;
use crate::model::{Snapshot, Username};
use crate::plugin::RosterPlugin;
use crate::sharded::Sharded;
use crate::sinks::RosterSink;
use crate::store::{RosterStore, StoreUsage};

pub use connect::LoadedRoster;
pub use directory::{Known, Online};
pub use error::{RequestError, RosterError};
pub use owners::{NotNow, Owners, Spread};
pub use user::sessions::{ATTACHED, CLIENT, CLUSTER, Present, SessionId, Via};
pub use user::update_result::Update;

use schedule::Schedule;
use tuning::Tuning;
use user::User;

/// The rosters of one virtual host.
pub struct Rosters {
    domain: Arc<str>,
    plugin: Arc<dyn RosterPlugin>,
    store: Arc<dyn RosterStore>,
    sinks: Vec<Arc<dyn RosterSink>>,
    metrics: Arc<Metrics>,
    /// With several nodes: who is asked in the place of the application.
    owners: Option<Arc<dyn Owners>>,
    /// Whoever is connected, is being asked for, or has a roster in the store.
    users: Sharded<User>,
    tuning: ArcSwap<Tuning>,
    /// When the rosters of those who are away are dropped.
    expiries: Arc<Schedule>,
    /// When the application is asked without anybody asking for it.
    renewals: Arc<Schedule>,
    next_flight: AtomicU64,
    spread: RandomState,
}

/// What a virtual host's rosters are made of.
pub struct Parts {
    /// The XMPP domain.
    pub domain: Arc<str>,
    /// Who fetches.
    pub plugin: Arc<dyn RosterPlugin>,
    /// Who keeps.
    pub store: Arc<dyn RosterStore>,
    /// Who is told.
    pub sinks: Vec<Arc<dyn RosterSink>>,
    /// Who counts.
    pub metrics: Arc<Metrics>,
    /// With several nodes: the owners of these rosters. `plugin` asks them, too.
    pub owners: Option<Arc<dyn Owners>>,
}

/// What is cached of one user, for the operator.
#[derive(Clone, Debug)]
pub struct Cached {
    /// The roster.
    pub snapshot: Arc<Snapshot>,
    /// The user's sessions; none during the grace time.
    pub sessions: Vec<SessionId>,
}

impl Rosters {
    /// Nobody is connected yet. Must be called within a Tokio runtime: a task drops rosters after the grace time, for as
    /// long as the result lives.
    pub fn new(parts: Parts, limits: &LimitsConfig, store: &StoreConfig) -> Arc<Self> {
        let Parts { domain, plugin, store: kept, sinks, metrics, owners } = parts;
        let rosters = Arc::new(Self {
            domain,
            plugin,
            store: kept,
            sinks,
            metrics,
            owners,
            users: Sharded::default(),
            tuning: ArcSwap::from_pointee(Tuning::new(limits, store)),
            expiries: Arc::default(),
            renewals: Arc::default(),
            next_flight: AtomicU64::new(1),
            spread: RandomState::new(),
        });
        upkeep::start(&rosters);
        rosters
    }

    /// From now on these limits hold; what runs ends under those with which it began. When a user's roster expires is looked at
    /// again when something happens to the user.
    pub fn retune(&self, limits: &LimitsConfig, store: &StoreConfig) {
        self.tuning.rcu(|before| Tuning::new(limits, store).after(before));
    }

    /// Looks at or changes what is known of `user`, and forgets it if there is nothing left to know. None if nothing is.
    fn with_known<R>(&self, user: &Username, work: impl FnOnce(&mut User) -> R) -> Option<R> {
        self.users.with_shard(user, |shard| {
            let known = shard.get_mut(user)?;
            let result = work(known);
            if self.settle(user, known) {
                shard.remove(user);
            }
            Some(result)
        })
    }

    /// The same for somebody who may be new.
    fn with_user<R>(&self, user: &Username, work: impl FnOnce(&mut User) -> R) -> R {
        self.users.with_shard(user, |shard| {
            let known = shard.entry(user.clone()).or_default();
            let result = work(known);
            if self.settle(user, known) {
                shard.remove(user);
            }
            result
        })
    }

    /// The XMPP domain.
    pub fn domain(&self) -> &Arc<str> {
        &self.domain
    }

    /// What is cached of `user`; `None` if nothing is.
    pub fn cached(&self, user: &Username) -> Option<Cached> {
        let snapshot = self.store.get(user)?;
        let sessions = self.with_known(user, |known| known.sessions.all()).unwrap_or_default();
        Some(Cached { snapshot, sessions })
    }

    /// Everybody of whom anything is known.
    pub(crate) fn known_users(&self) -> Vec<Username> {
        let mut known = Vec::new();
        self.users.for_each(|user, _| known.push(user.clone()));
        known
    }

    /// Whether anything is known of `user`.
    pub(crate) fn is_known(&self, user: &Username) -> bool {
        self.users.with_shard(user, |shard| shard.contains_key(user))
    }

    /// The content version of the roster of `user`, if one is kept.
    pub(crate) fn version_of(&self, user: &Username) -> Option<u64> {
        self.store.get(user).map(|kept| kept.content_version())
    }

    /// The sessions of `user` are over, and the roster is dropped.
    pub(crate) async fn forget(self: &Arc<Self>, user: &Username) {
        self.disconnect_all(user);
        self.drop_roster(user, |_, _| true).await;
    }

    /// Whether `user` has a session here.
    pub(crate) fn is_online(&self, user: &Username) -> bool {
        self.with_known(user, |known| !known.is_away()).unwrap_or_default()
    }

    /// Users with a session now.
    pub fn online(&self) -> usize {
        let mut online = 0;
        self.users.for_each(|_, known| online += usize::from(!known.is_away()));
        online
    }

    /// Users of whom anything is known: they are connected, are being asked for, or have a roster in the store.
    pub fn known(&self) -> usize {
        let mut known = 0;
        self.users.for_each(|_, _| known += 1);
        known
    }

    /// Users with a session whose roster is missing or known to be old, and for whom the application is asked again.
    pub fn awaiting_retry(&self) -> usize {
        let mut waiting = 0;
        self.users.for_each(|_, known| waiting += usize::from(known.failures() > 0));
        waiting
    }

    /// What the store holds.
    pub fn usage(&self) -> StoreUsage {
        self.store.usage()
    }

    /// Waits until no update runs. The caller sets the deadline.
    pub async fn idle(&self) {
        self.tuning.load_full().idle().await;
    }
}
