//! One update per user at a time.
//!
//! An update that runs is a *flight*. Whoever wants the roster brought up to date while one is in the air waits for the
//! next, together with everybody else who asks meanwhile: the one in the air may have asked the application before the
//! change that this caller speaks of. So any number of refreshes costs at most two requests, and each caller is answered
//! by a request that began after it asked.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use futures::FutureExt;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tracing::{Instrument, error, error_span};

use super::sessions::Sessions;
use super::{RosterError, Rosters, Update};
use crate::model::Username;
use crate::sinks::EventKind;

const SHARDS: usize = 32;

/// How an update ended, for everybody who waited for it.
pub(super) type Landing = Result<Update, RosterError>;
type Waiters = Vec<oneshot::Sender<Landing>>;

/// What is known of one user beside the roster. Exists while the user is connected, in the grace time, or in the air.
#[derive(Default)]
pub(super) struct User {
    pub(super) sessions: Sessions,
    /// When the last session left.
    pub(super) left: Option<Instant>,
    /// What is kept may be old: the application is asked before it is served.
    pub(super) revalidate: bool,
    /// The user stands in the grace queue, which names nobody twice.
    pub(super) in_grace_queue: bool,
    running: Option<Waiters>,
    next: Option<Waiters>,
    /// The roster was dropped while a flight was in the air: what that flight brings is of no use to anybody who
    /// connects from now on.
    outdated: bool,
    /// The version that was dropped meanwhile, and of which sinks are told when the flight has landed.
    dropped: Option<u64>,
}

impl User {
    pub(super) fn is_forgotten(&self) -> bool {
        self.sessions.is_empty() && !self.in_grace_queue && self.running.is_none()
    }
}

/// Everybody, in shards.
pub(super) struct Users {
    shards: Vec<Mutex<HashMap<Username, User>>>,
    hasher: RandomState,
}

impl Default for Users {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), hasher: RandomState::new() }
    }
}

impl Users {
    pub(super) fn with_shard<R>(&self, user: &Username, work: impl FnOnce(&mut HashMap<Username, User>) -> R) -> R {
        let index = self.hasher.hash_one(user) as usize % SHARDS;
        match self.shards.get(index) {
            Some(shard) => work(&mut shard.lock()),
            // `index` is always in range; an empty map is the answer that harms nobody.
            None => work(&mut HashMap::new()),
        }
    }

    /// Looks at or changes what is known of `user`, and forgets it if there is nothing left to know.
    pub(super) fn with_known<R>(&self, user: &Username, work: impl FnOnce(&mut User) -> R) -> Option<R> {
        self.with_shard(user, |shard| {
            let known = shard.get_mut(user)?;
            let result = work(known);
            if known.is_forgotten() {
                shard.remove(user);
            }
            Some(result)
        })
    }

    /// Connected, in the grace time, or in the air.
    pub(super) fn is_known(&self, user: &Username) -> bool {
        self.with_shard(user, |shard| shard.contains_key(user))
    }

    /// The application is to be asked before what is kept of `user` is served.
    pub(super) fn is_to_be_revalidated(&self, user: &Username) -> bool {
        self.with_shard(user, |shard| shard.get(user).is_some_and(|known| known.revalidate))
    }

    pub(super) fn is_online(&self, user: &Username) -> bool {
        self.with_shard(user, |shard| shard.get(user).is_some_and(|known| !known.sessions.is_empty()))
    }

    pub(super) fn online(&self) -> usize {
        self.shards.iter().map(|s| s.lock().values().filter(|known| !known.sessions.is_empty()).count()).sum()
    }
}

/// Which flight will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Board {
    /// Any that has not landed: the caller wants a roster at all.
    Any,
    /// One that takes off after now: the caller knows of a change.
    Next,
}

impl Rosters {
    /// Waits for an update of `user`, who must be connected; `None` if nothing is known of the user.
    pub(super) fn board(self: &Arc<Self>, user: &Username, board: Board) -> Option<oneshot::Receiver<Landing>> {
        let (sender, receiver) = oneshot::channel();
        let takes_off = self.users.with_shard(user, |shard| {
            let known = shard.get_mut(user).filter(|known| !known.sessions.is_empty())?;
            match (&mut known.running, board) {
                (Some(running), Board::Any) if !known.outdated => running.push(sender),
                (Some(_), _) => known.next.get_or_insert_default().push(sender),
                (empty @ None, _) => {
                    *empty = Some(vec![sender]);
                    return Some(true);
                }
            }
            Some(false)
        })?;
        if takes_off {
            self.take_off(user);
        }
        Some(receiver)
    }

    /// Starts the flight that stands in the user's `running`, as a task of its own: a caller that gives up (its
    /// connection closed, say) takes nothing away from the others.
    fn take_off(self: &Arc<Self>, user: &Username) {
        // Of the highest level, so that every line says whose roster it is about, whatever is logged.
        let span = error_span!("update", domain = %self.domain, user = %user);
        tokio::spawn(Arc::clone(self).fly(user.clone()).instrument(span));
    }

    async fn fly(self: Arc<Self>, user: Username) {
        loop {
            let landing = AssertUnwindSafe(self.update(&user)).catch_unwind().await.unwrap_or_else(|_| {
                error!("updating the roster panicked; this is a defect of the host");
                Err(RosterError::Internal)
            });
            if !self.land(&user, &landing).await {
                return;
            }
        }
    }

    /// Tells what is left to tell; true if another flight is to take off at once.
    async fn land(self: &Arc<Self>, user: &Username, landing: &Landing) -> bool {
        if let Some(Some(version)) = self.users.with_known(user, |known| known.dropped.take()) {
            self.tell(user, EventKind::Dropped { version }).await;
        }
        // `Left`: the user went before the application was asked, so nothing was heard of it.
        let current = matches!(landing, Ok(update) if !matches!(update, Update::Left));
        let (waiters, again) = self.users.with_known(user, |known| known.land(current)).unwrap_or_default();
        for waiter in waiters {
            // Whoever no longer waits needs no answer.
            let _ = waiter.send(landing.clone());
        }
        again
    }

    /// The roster of a user who has no session is out of date: it is dropped, or, where `stale_if_error` allows, kept for
    /// the case that the application cannot be asked when the user returns. False if the user has a session (again).
    pub(super) async fn give_up(self: &Arc<Self>, user: &Username) -> bool {
        let kept = self.stale_until(user).is_some_and(|until| until > Instant::now());
        if !kept {
            return self.drop_roster(user).await;
        }
        self.users.with_shard(user, |shard| {
            let Some(known) = shard.get_mut(user) else { return true };
            if !known.sessions.is_empty() {
                return false;
            }
            known.revalidate = true;
            known.outdated = known.running.is_some();
            true
        })
    }

    /// Drops the roster of a user who has no session. False if the user has one (again).
    ///
    /// This is a flight too, so that sinks hear of it in turn; if one is in the air, that one tells them.
    pub(super) async fn drop_roster(self: &Arc<Self>, user: &Username) -> bool {
        enum Fate {
            Online,
            Nothing,
            Later,
            Now(u64),
        }
        let fate = self.users.with_shard(user, |shard| {
            if shard.get(user).is_some_and(|known| !known.sessions.is_empty()) {
                return Fate::Online;
            }
            // Under the lock, so that a user who connects meanwhile either keeps the roster or fetches a new one.
            let version = self.store.remove(user);
            let known = shard.entry(user.clone()).or_default();
            let fate = match (version, &known.running) {
                (None, None) => Fate::Nothing,
                (version, Some(_)) => {
                    known.outdated = true;
                    known.dropped = version.or(known.dropped);
                    Fate::Later
                }
                (Some(version), None) => {
                    known.running = Some(Waiters::new());
                    Fate::Now(version)
                }
            };
            if known.is_forgotten() {
                shard.remove(user);
            }
            fate
        });
        if let Fate::Now(version) = fate {
            self.tell(user, EventKind::Dropped { version }).await;
            if self.land(user, &Ok(Update::Left)).await {
                self.take_off(user);
            }
        }
        !matches!(fate, Fate::Online)
    }
}

impl User {
    /// Those to be told, and whether another flight takes off at once. `current`: the application has been heard.
    fn land(&mut self, current: bool) -> (Waiters, bool) {
        let waiters = self.running.take().unwrap_or_default();
        self.running = self.next.take();
        if current && !self.outdated {
            self.revalidate = false;
        }
        self.outdated = false;
        (waiters, self.running.is_some())
    }
}
