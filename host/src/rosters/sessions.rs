//! Who is connected: the user's sessions (RFC 6120 calls them connected resources).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;
use tracing::warn;

use super::single_flight::Wanted;
use super::{RosterError, Rosters, Update};
use crate::model::{Snapshot, Username};

/// Sessions one user may have at once. Far above what people have, and low enough that nobody fills memory by
/// connecting.
const MAX_SESSIONS: usize = 100;

/// A flight may have ended without a roster because all other sessions left; the next one is for this one.
const CONNECT_ATTEMPTS: usize = 3;

/// Names one session of a user, such as the resource part of its address. Unique per user, not beyond.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionId(Arc<str>);

/// What the names of XMPP clients' sessions begin with.
pub const CLIENT: &str = "xmpp/";
/// What the names of sessions begin with that a server of other make has, or its requests.
pub const ATTACHED: [&str; 2] = ["attach/", "attach-fetch/"];

/// What the names of sessions begin with that another node of the cluster holds.
pub const CLUSTER: &str = "cluster/";

/// Who has a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Via {
    /// A client of the XMPP endpoint.
    Xmpp,
    /// A server of other make that is attached.
    Attached,
    /// Another node of the cluster.
    Cluster,
    /// Whoever has said so to the admin listener, or embeds the host.
    Admin,
}

impl Via {
    /// It is another server that knows of the session itself.
    pub fn is_elsewhere(self) -> bool {
        matches!(self, Self::Attached | Self::Cluster)
    }
}

/// A session, as the operator may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Present {
    /// Its name.
    pub id: SessionId,
    /// How long it is there.
    pub age: Duration,
}

impl SessionId {
    /// A session called `name`.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// Who has it, as its name says.
    pub fn via(&self) -> Via {
        let begins = |prefix: &str| self.0.starts_with(prefix);
        match () {
            () if begins(CLIENT) => Via::Xmpp,
            () if ATTACHED.into_iter().any(begins) => Via::Attached,
            () if begins(CLUSTER) => Via::Cluster,
            () => Via::Admin,
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One user's sessions, in the order they came. A few, so a list does.
#[derive(Default)]
pub(super) struct Sessions(Vec<(SessionId, Instant)>);

impl Sessions {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// False if there was no such session.
    pub(super) fn remove(&mut self, session: &SessionId) -> bool {
        let before = self.0.len();
        self.0.retain(|(one, _)| one != session);
        before != self.0.len()
    }

    /// Only those stay of which `stays` is true; how many went.
    pub(super) fn retain(&mut self, stays: impl Fn(&SessionId) -> bool) -> usize {
        let before = self.0.len();
        self.0.retain(|(one, _)| stays(one));
        before - self.0.len()
    }

    /// False if there were none.
    pub(super) fn clear(&mut self) -> bool {
        !std::mem::take(&mut self.0).is_empty()
    }

    /// All of them, the first to come first.
    pub(super) fn all(&self) -> Vec<SessionId> {
        self.0.iter().map(|(id, _)| id.clone()).collect()
    }

    /// The same, with how long each is there.
    pub(super) fn present(&self, now: Instant) -> Vec<Present> {
        let present = |(id, since): &(SessionId, Instant)| Present { id: id.clone(), age: now.duration_since(*since) };
        self.0.iter().map(present).collect()
    }

    pub(super) fn add(&mut self, session: SessionId) -> Result<(), RosterError> {
        if self.0.iter().any(|(one, _)| *one == session) {
            return Ok(());
        }
        if self.0.len() >= MAX_SESSIONS {
            return Err(RosterError::TooManySessions { limit: MAX_SESSIONS });
        }
        self.0.push((session, Instant::now()));
        Ok(())
    }
}

/// A roster, and how far it is to be believed.
#[derive(Clone, Debug)]
pub struct Found {
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

    /// The half of [`connect`](Self::connect) that waits for nobody: `session` is there from now on. It wants its roster with
    /// [`current`](Self::current) soon.
    pub fn arrive(self: &Arc<Self>, user: &Username, session: SessionId) -> Result<(), RosterError> {
        let abandoned =
            self.with_user(user, |known| known.connect(session, &self.tuning.load().times, Instant::now()))?;
        if let Some(abandoned) = abandoned {
            self.tell_callers(abandoned, &Ok(Update::Left));
        }
        Ok(())
    }

    /// The other half: the roster of `user`, who has a session.
    pub async fn current(self: &Arc<Self>, user: &Username) -> Result<Found, RosterError> {
        let found = |snapshot| Ok(Found { snapshot, stale: None });
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
    fn stale(&self, user: &Username, error: RosterError) -> Result<Found, RosterError> {
        let kept = self.store.get(user).filter(|kept| kept.age() <= self.tuning.load().times.stale_if_error);
        let Some(kept) = kept.filter(|_| matches!(error, RosterError::Call(_))) else { return Err(error) };
        let stale = Duration::from_secs(kept.age().as_secs());
        let age = humantime::format_duration(stale);
        warn!(%user, %age, "a stale roster is served (store.stale_if_error)");
        Ok(Found { snapshot: kept, stale: Some(stale) })
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
