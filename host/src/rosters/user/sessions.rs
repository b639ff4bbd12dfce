//! Who is connected: the user's sessions (RFC 6120 calls them connected resources).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use crate::rosters::error::RosterError;

/// Sessions one user may have at once. Far above what people have, and low enough that nobody fills memory by
/// connecting.
const MAX_SESSIONS: usize = 100;

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
pub(in crate::rosters) struct Sessions(Vec<(SessionId, Instant)>);

impl Sessions {
    pub(in crate::rosters) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// False if there was no such session.
    pub(in crate::rosters) fn remove(&mut self, session: &SessionId) -> bool {
        let before = self.0.len();
        self.0.retain(|(one, _)| one != session);
        before != self.0.len()
    }

    /// Only those stay of which `stays` is true; how many went.
    pub(in crate::rosters) fn retain(&mut self, stays: impl Fn(&SessionId) -> bool) -> usize {
        let before = self.0.len();
        self.0.retain(|(one, _)| stays(one));
        before - self.0.len()
    }

    /// False if there were none.
    pub(in crate::rosters) fn clear(&mut self) -> bool {
        !std::mem::take(&mut self.0).is_empty()
    }

    /// All of them, the first to come first.
    pub(in crate::rosters) fn all(&self) -> Vec<SessionId> {
        self.0.iter().map(|(id, _)| id.clone()).collect()
    }

    /// The same, with how long each is there.
    pub(in crate::rosters) fn present(&self, now: Instant) -> Vec<Present> {
        let present = |(id, since): &(SessionId, Instant)| Present { id: id.clone(), age: now.duration_since(*since) };
        self.0.iter().map(present).collect()
    }

    pub(in crate::rosters) fn add(&mut self, session: SessionId) -> Result<(), RosterError> {
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
