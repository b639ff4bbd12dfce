//! Users connect and want their rosters, and leave again.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

use super::user::sessions::{SessionId, Sessions};
use super::user::single_flight::Wanted;
use super::{RosterError, Rosters, Update};
use crate::model::{Snapshot, Username};

/// A flight may have ended without a roster because all other sessions left; the next one is for this one.
const CONNECT_ATTEMPTS: usize = 3;

/// A roster, and how far it is to be believed.
#[derive(Clone, Debug)]
pub struct LoadedRoster {
    /// The roster.
    pub snapshot: Arc<Snapshot>,
    /// The application could not be asked; so long ago it confirmed this one.
    pub stale: Option<Duration>,
}

impl Rosters {
    /// `user` has connected and wants the roster: from memory if it is there, else from the application. Connecting the
    /// same session again only asks for the roster again.
    ///
    /// If the application cannot be asked, a roster that it confirmed no longer than `stale_if_error` ago is the answer;
    /// the next connect and the next refresh ask again. On an error the session stays: it can ask again, and the next
    /// refresh fetches the roster too.
    pub async fn connect(self: &Arc<Self>, user: &Username, session: SessionId) -> Result<Arc<Snapshot>, RosterError> {
        self.arrive(user, session)?;
        self.current(user).await.map(|found| found.snapshot)
    }

    /// The part of [`connect`](Self::connect) that waits for nobody: `session` is there from now on. It wants its roster with
    /// [`current`](Self::current) soon.
    pub fn arrive(self: &Arc<Self>, user: &Username, session: SessionId) -> Result<(), RosterError> {
        let abandoned =
            self.with_user(user, |known| known.connect(session, &self.tuning.load().times, Instant::now()))?;
        if let Some(abandoned) = abandoned {
            self.tell_callers(abandoned, &Ok(Update::Left));
        }
        Ok(())
    }

    /// The rest of [`connect`](Self::connect): the roster of `user`, who has a session.
    pub async fn current(self: &Arc<Self>, user: &Username) -> Result<LoadedRoster, RosterError> {
        let found = |snapshot| Ok(LoadedRoster { snapshot, stale: None });
        for _ in 0..CONNECT_ATTEMPTS {
            let current = self.with_known(user, |known| self.store.get(user).filter(|_| !known.is_old())).flatten();
            if let Some(snapshot) = current {
                return found(snapshot);
            }
            match self.ask(user, Wanted::Any).await.ok_or(RosterError::Left)? {
                Ok(update) => {
                    if let Some(snapshot) = update.into_snapshot() {
                        return found(snapshot);
                    }
                }
                Err(error) => return self.stale(user, error),
            }
        }
        Err(RosterError::Left)
    }

    /// Whether [`current`](Self::current) would not have to ask the application.
    pub fn is_current(&self, user: &Username) -> bool {
        self.with_known(user, |known| !known.is_old() && self.store.get(user).is_some()).unwrap_or_default()
    }

    /// What there is when the application cannot be asked.
    fn stale(&self, user: &Username, error: RosterError) -> Result<LoadedRoster, RosterError> {
        let kept = self.store.get(user).filter(|kept| kept.age() <= self.tuning.load().times.stale_if_error);
        let Some(kept) = kept.filter(|_| matches!(error, RosterError::Call(_))) else { return Err(error) };
        let stale = Duration::from_secs(kept.age().as_secs());
        let age = humantime::format_duration(stale);
        warn!(%user, %age, "a stale roster is served (store.stale_if_error)");
        Ok(LoadedRoster { snapshot: kept, stale: Some(stale) })
    }

    /// `session` of `user` has left. With the last one the grace time of the roster begins. False if there was no such
    /// session.
    pub fn disconnect(self: &Arc<Self>, user: &Username, session: &SessionId) -> bool {
        self.leave(user, |sessions| sessions.remove(session))
    }

    /// Those sessions of `user` have left whose names do not make `stays` true; how many those are.
    pub fn disconnect_but(self: &Arc<Self>, user: &Username, stays: impl Fn(&SessionId) -> bool) -> usize {
        let mut gone = 0;
        self.leave(user, |sessions| {
            gone = sessions.retain(stays);
            gone > 0
        });
        gone
    }

    /// All sessions of `user` have left. False if there were none.
    pub fn disconnect_all(self: &Arc<Self>, user: &Username) -> bool {
        self.leave(user, Sessions::clear)
    }

    fn leave(self: &Arc<Self>, user: &Username, remove: impl FnOnce(&mut Sessions) -> bool) -> bool {
        let left = self.with_known(user, |known| {
            let removed = remove(&mut known.sessions);
            if removed {
                known.left(Instant::now());
            }
            (removed, known.is_away())
        });
        let (removed, away) = left.unwrap_or_default();
        if let Some(owners) = self.owners.as_ref().filter(|_| removed && away) {
            owners.left(user);
        }
        removed
    }
}
