//! What one domain remembers: who is here with which resource, in which state. One lock guards it all.
//!
//! Whether one user's presence reaches another depends on rosters and on the resources of both, and it must be told in the order
//! in which it happens. One lock makes that plain. It is held for map operations and for queueing, never for
//! anything that waits, and no stanza costs more under it than its sender has contacts. Pings do not take it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::SystemTime;

use roster_model::Username;

use super::Session;
use super::nodes::Table;
use super::roster::Get;
use super::roster::history::History;
use super::roster::view::View;
use crate::outbound::{Shared, Stanza};

/// Users with a session, and those whose roster is still kept.
#[derive(Default)]
pub(super) struct World {
    pub(super) users: HashMap<Username, User>,
    /// The resources of other nodes, and what was seen of them here.
    pub(super) nodes: Table,
    /// The domain is no longer served.
    pub(super) closed: bool,
}

/// One user.
#[derive(Default)]
pub(super) struct User {
    /// In the order they came. A few, so a list does.
    pub(super) resources: Vec<Resource>,
    /// None until it is loaded, which the first roster get causes.
    pub(super) roster: Option<Arc<View>>,
    pub(super) history: History,
}

/// One bound resource.
pub(super) struct Resource {
    pub(super) session: Arc<Session>,
    /// None: connected, and not available.
    pub(super) presence: Option<Arc<Available>>,
    /// To whom presence was directed (RFC 6121 section 4.6), as the client wrote it, normalised.
    pub(super) directed: HashSet<String>,
    pub(super) interest: Interest,
    /// Roster gets that are not answered yet, each with the number of the task that asks the source for it. The first to be
    /// given a roster answers them all.
    pub(super) gets: Vec<(u64, Get)>,
    /// Answers that wait to be written: each keeps the roster it is made from.
    pub(super) answers: Arc<()>,
    /// Tasks that ask the source.
    pub(super) fetching: Arc<AtomicUsize>,
    /// The roster source knows of this session.
    pub(super) attached: bool,
    /// Message carbons are on (XEP-0280).
    pub(super) carbons: bool,
}

/// The presence an available resource has sent last.
pub(super) struct Available {
    /// With `from`, without `to`.
    pub(super) presence: Shared,
    pub(super) since: SystemTime,
    /// When it was sent, among all that happens in the domain.
    pub(super) moment: u64,
    /// When the resource became available.
    pub(super) came: u64,
    pub(super) priority: i8,
}

/// What a resource knows of the roster (RFC 6121 section 2.1.6 calls those that have asked for it interested).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interest {
    /// It has not asked, or has not been answered.
    None,
    /// It has asked, and was told to try again later. When the roster turns up, it is pushed contact by contact.
    Disappointed,
    /// It has the roster at this version.
    Has {
        version: u64,
        /// It uses roster versioning.
        versioned: bool,
    },
}

impl World {
    /// The resource of `session`, if the session has not ended.
    pub(super) fn resource(&mut self, session: &Session) -> Option<&mut Resource> {
        self.users.get_mut(session.user())?.resource(session.number)
    }

    /// Forgets what a user has seen of other nodes who has no available resource any more.
    pub(super) fn forget_sightings(&mut self, user: &Username) {
        if !self.users.get(user).is_some_and(User::is_available) {
            self.nodes.sightings.forget_user(user);
        }
    }

    /// Forgets the user if there is nothing left to remember.
    pub(super) fn forget_if_empty(&mut self, user: &Username) {
        if self.users.get(user).is_some_and(|entry| entry.resources.is_empty() && entry.roster.is_none()) {
            self.users.remove(user);
        }
    }
}

impl User {
    pub(super) fn resource(&mut self, number: u64) -> Option<&mut Resource> {
        self.resources.iter_mut().find(|resource| resource.session.number == number)
    }

    /// The session with this resourcepart.
    pub(super) fn named(&self, resource: &str) -> Option<&Resource> {
        self.resources.iter().find(|one| one.session.resource() == resource)
    }

    /// The available resources.
    pub(super) fn available(&self) -> impl Iterator<Item = (&Arc<Session>, &Arc<Available>)> {
        self.resources.iter().filter_map(|one| Some((&one.session, one.presence.as_ref()?)))
    }

    pub(super) fn is_available(&self) -> bool {
        self.available().next().is_some()
    }

    /// Queues a presence of `from` for every available resource. Where it finds no room, nobody is told.
    pub(super) fn send_to_available(&self, from: &Username, stanza: &Stanza) {
        for (session, _) in self.available() {
            session.deliver(from, stanza.clone());
        }
    }
}

impl Resource {
    pub(super) fn new(session: Arc<Session>) -> Self {
        Self {
            session,
            presence: None,
            directed: HashSet::new(),
            interest: Interest::None,
            gets: Vec::new(),
            answers: Arc::default(),
            fetching: Arc::default(),
            attached: false,
            carbons: false,
        }
    }
}
