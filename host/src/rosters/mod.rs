//! The use cases of one virtual host: a user connects (first fetch), the application says what changed (refresh).
//!
//! The promises, and where they are kept:
//!
//! - one fetch per user at a time, and every caller is answered by one that began after it asked: [`flights`];
//! - per user, versions only grow and an older answer never replaces a newer one: one flight at a time, and the store
//!   compares versions ([`update`]);
//! - a failed fetch never touches the roster that is kept ([`update`]);
//! - sinks hear of a change, in version order, before the refresh that found it is answered ([`update`]);
//! - a refresh request is answered within its deadline ([`refresh`]);
//! - a roster is served without asking until the user's last session has been gone for the grace time, and for a while
//!   longer if the application cannot be asked ([`grace`]).

mod error;
mod flights;
mod grace;
mod refresh;
mod sessions;
mod update;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::config::{LimitsConfig, StoreConfig};
use crate::metrics::Metrics;
use crate::model::{Snapshot, Username};
use crate::plugin::RosterPlugin;
use crate::sinks::RosterSink;
use crate::store::{RosterStore, StoreUsage};

pub use error::RosterError;
pub use sessions::SessionId;
pub use update::Update;

use flights::Users;
use grace::GraceQueue;

/// The rosters of one virtual host.
pub struct Rosters {
    domain: Arc<str>,
    plugin: Arc<dyn RosterPlugin>,
    store: Arc<dyn RosterStore>,
    sinks: Vec<Arc<dyn RosterSink>>,
    metrics: Arc<Metrics>,
    users: Users,
    grace: Arc<GraceQueue>,
    /// One permit for every user's update that runs. The other hooks do not wait for it: an application that hangs must
    /// not keep the refresh route from answering.
    turns: Semaphore,
    /// One permit for every update that is about to begin, as many as there are threads.
    starts: Semaphore,
    concurrency: usize,
    queue_timeout: Duration,
    max_contacts: usize,
    stale_if_error: Duration,
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
        let Parts { domain, plugin, store: kept, sinks, metrics } = parts;
        let rosters = Arc::new(Self {
            domain,
            plugin,
            store: kept,
            sinks,
            metrics,
            users: Users::default(),
            grace: Arc::new(GraceQueue::new(store.grace)),
            turns: Semaphore::new(limits.max_concurrent_calls),
            starts: Semaphore::new(tokio::runtime::Handle::current().metrics().num_workers()),
            concurrency: limits.max_concurrent_calls,
            queue_timeout: limits.queue_timeout,
            max_contacts: store.max_contacts,
            stale_if_error: store.stale_if_error,
        });
        grace::start_sweeper(&rosters);
        rosters
    }

    /// The XMPP domain.
    pub fn domain(&self) -> &Arc<str> {
        &self.domain
    }

    /// What is cached of `user`; `None` if nothing is.
    pub fn cached(&self, user: &Username) -> Option<Cached> {
        let snapshot = self.store.get(user)?;
        Some(Cached { snapshot, sessions: self.users.sessions(user) })
    }

    /// Users with a session now.
    pub fn online(&self) -> usize {
        self.users.online()
    }

    /// What the store holds.
    pub fn usage(&self) -> StoreUsage {
        self.store.usage()
    }

    /// Waits until no update runs. The caller sets the deadline.
    pub async fn idle(&self) {
        let all = u32::try_from(self.concurrency).unwrap_or(u32::MAX);
        // Every permit back means that nothing holds one; the semaphore is never closed.
        let _ = self.turns.acquire_many(all).await;
    }
}
