//! One XMPP domain: its users' sessions, rosters, presence and messages (RFC 6121).
//!
//! No sockets and no bytes here: elements come in with [`Domain::stanza`] and leave through each session's
//! [`Outbound`]. Rosters come from a [`RosterSource`] and change by [`Domain::roster_event`].
//!
//! - [`session`]: one bound resource
//! - [`world`]: what is remembered of users and resources, under one lock
//! - [`address`]: where a stanza goes
//! - [`iq`]: requests, and [`disco`], what the server says of itself
//! - [`roster`]: roster gets, roster changes, roster versions
//! - [`presence`]: who is told that somebody is here
//! - [`nodes`]: the other nodes that serve the same domain
//! - [`messages`]: who gets one, and who a copy
//! - [`stanza`]: small words for making stanzas

mod address;
mod disco;
mod iq;
mod messages;
pub mod nodes;
mod presence;
mod roster;
mod session;
mod stanza;
mod world;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use minidom::Element;
use parking_lot::{Mutex, RwLock};
use roster_jid::DomainName;
use roster_model::{EventKind, RosterEvent, Username};
use tracing::debug;

use nodes::{Cluster, Waiting};
pub use session::{BindError, Session};

use crate::memory::Memory;
use crate::outbound::SessionEnd;
use crate::{Outbound, RosterSource};
use world::{Resource, World};

/// Contacts that cost as much as a stanza.
const CONTACTS_A_STANZA: usize = 50;

/// What an operator may decide about a domain.
#[derive(Clone, Debug)]
pub struct DomainOptions {
    /// The domain's name, normalised: `example.com`.
    pub name: DomainName,
    /// Sessions one user may have at once. With one more, the one goes whose client has been away for longest; if all clients
    /// are here, it is refused. 20: more than people have devices.
    pub max_sessions_per_user: usize,
    /// Addresses one session may have sent directed presence to at once. 200: a client in that many rooms.
    pub max_directed_presence: usize,
    /// Roster changes kept per user for clients that come back (roster versioning). 100: some 3 kB a user at most.
    pub roster_history: usize,
    /// What `jabber:iq:version` (XEP-0092) is answered with; None: not at all.
    pub software: Option<Software>,
}

impl DomainOptions {
    /// The defaults for the domain `name`.
    pub fn new(name: DomainName) -> Self {
        let software = Software { name: "roster-host".into(), version: env!("CARGO_PKG_VERSION").into() };
        Self {
            name,
            max_sessions_per_user: 20,
            max_directed_presence: 200,
            roster_history: 100,
            software: Some(software),
        }
    }
}

/// What runs here (XEP-0092).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Software {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// One XMPP domain.
pub struct Domain {
    options: DomainOptions,
    rosters: Arc<dyn RosterSource>,
    world: RwLock<World>,
    /// Part of every roster version: versions of an earlier process mean nothing to this one.
    epoch: String,
    next_number: AtomicU64,
    /// None: it is served here alone.
    cluster: Option<Cluster>,
    /// For what other nodes have not answered. Taken after the world.
    waiting: Mutex<Waiting>,
    /// Of the endpoint, once there is one.
    memory: OnceLock<Arc<Memory>>,
}

impl Domain {
    /// A domain without sessions.
    pub fn new(options: DomainOptions, rosters: Arc<dyn RosterSource>) -> Arc<Self> {
        Self::build(options, rosters, None)
    }

    fn build(options: DomainOptions, rosters: Arc<dyn RosterSource>, cluster: Option<Cluster>) -> Arc<Self> {
        Arc::new(Self {
            options,
            rosters,
            world: RwLock::default(),
            epoch: session::random_text(),
            next_number: AtomicU64::new(1),
            cluster,
            waiting: Mutex::default(),
            memory: OnceLock::new(),
        })
    }

    /// What other nodes say counts in this budget from now on.
    pub(crate) fn use_memory(&self, memory: &Arc<Memory>) {
        let _ = self.memory.set(Arc::clone(memory));
    }

    /// `example.com`.
    pub fn name(&self) -> &str {
        self.options.name.as_str()
    }

    /// The stream features to advertise after authentication, beside those of the stream itself.
    pub fn features(&self) -> Vec<Element> {
        vec![Element::bare("ver", stanza::ROSTER_VERSIONING)]
    }

    /// Binds a resource (RFC 6120 section 7). None asks for one that nobody can guess. A session that has the resource
    /// already is ended: a client that comes back before its old connection is known to be dead must get in.
    pub fn bind(
        self: &Arc<Self>,
        user: &Username,
        resource: Option<&str>,
        outbound: Outbound,
    ) -> Result<Arc<Session>, BindError> {
        let resource = session::resource(resource)?;
        let bare: Arc<str> = self.bare(user).into();
        let mut world = self.world.write();
        if world.closed {
            return Err(BindError::HostGone);
        }
        let replaced = world.users.get(user).and_then(|entry| entry.named(&resource));
        let replaced = replaced.map(|one| Arc::clone(&one.session));
        let limit = self.options.max_sessions_per_user.max(1);
        let goes = match replaced {
            Some(old) => Some((old, SessionEnd::Replaced)),
            None => self.make_room(&mut world, (user, &resource), limit)?.map(|old| (old, SessionEnd::Displaced)),
        };
        let bound = self.bound_now(&world, user, &resource);
        let session = Arc::new(Session::new((self.number(), bound), user, bare, resource, outbound));
        let detach = goes.as_ref().is_some_and(|(old, why)| {
            old.outbound.end(*why);
            self.remove(&mut world, old)
        });
        self.take_address(&mut world, user, session.resource());
        let resource = Resource::new(Arc::clone(&session));
        self.announce(&world, &resource);
        world.users.entry(user.clone()).or_default().resources.push(resource);
        drop(world);
        if let Some((old, _)) = goes.as_ref().filter(|_| detach) {
            self.rosters.disconnect(old.user(), old.source_id());
        }
        let gone = goes.as_ref().map(|(old, _)| old.address()).unwrap_or_default();
        debug!(session = session.address(), gone, "bound");
        Ok(session)
    }

    /// The session that has to go for one more of `user`, if one has to: the one whose client has been away for longest. It
    /// is as if its time to wait were over. If it is at another node, that one is told.
    fn make_room(
        &self,
        world: &mut World,
        (user, resource): (&Username, &str),
        limit: usize,
    ) -> Result<Option<Arc<Session>>, BindError> {
        let own = world.users.get(user).map(|entry| entry.resources.as_slice()).unwrap_or_default();
        if own.len() + world.nodes.remotes.others(user, resource) < limit {
            return Ok(None);
        }
        let sleeping = own.iter().filter_map(|one| Some((one.session.asleep()?, &one.session)));
        if let Some((_, oldest)) = sleeping.min_by_key(|(since, _)| *since) {
            return Ok(Some(Arc::clone(oldest)));
        }
        if self.displace_beyond(world, user) { Ok(None) } else { Err(BindError::TooManySessions { limit }) }
    }

    /// The session's client is away, and may come back. Until [`Session::wake`] the session may have to make room.
    pub fn sleep(&self, session: &Session) {
        session.sleep(self.number());
        self.announce_sleep(session);
    }

    /// The session's client is back.
    pub fn wake(&self, session: &Session) {
        session.wake();
        self.announce_sleep(session);
    }

    /// Handles one stanza of the session's client: a message, a presence or an IQ. Its `from` is not looked at.
    ///
    /// Returns when everything that can be said at once is queued. Whatever needs a roster that is not here goes on in a task
    /// of the session's, so that the client's next stanzas need not wait for the application.
    pub async fn stanza(self: &Arc<Self>, session: &Arc<Session>, mut stanza: Element) {
        if !stanza.has_ns(stanza::JABBER_CLIENT) || session.ended.is_cancelled() {
            return;
        }
        stanza::set(&mut stanza, stanza::Attr::From, session.address());
        match stanza.name() {
            "iq" => self.iq(session, stanza),
            "message" => self.message(session, stanza),
            "presence" => self.presence(session, stanza),
            _ => {}
        }
    }

    /// What a stanza costs beside the handling of one, in stanzas: presence to everybody and a roster get go through all
    /// contacts of their sender.
    pub(crate) fn cost(&self, session: &Session, stanza: &Element) -> usize {
        let goes_through_all = match stanza.name() {
            "presence" => stanza.attr("to").is_none(),
            "iq" => stanza.has_child("query", stanza::ROSTER),
            _ => false,
        };
        if !goes_through_all {
            return 0;
        }
        let world = self.world.read();
        let roster = world.users.get(session.user()).and_then(|user| user.roster.as_ref());
        roster.map_or(0, |roster| roster.contacts().len() / CONTACTS_A_STANZA)
    }

    /// The session has ended: it was closed, lost for good or replaced. Whoever saw it is told (RFC 6121 section 4.5), and
    /// the roster source too. Calling it again does nothing.
    pub async fn leave(self: &Arc<Self>, session: &Arc<Session>) {
        let detach = self.remove(&mut self.world.write(), session);
        if detach {
            self.rosters.disconnect(session.user(), session.source_id());
        }
    }

    /// Who has a session.
    pub(crate) fn online(&self) -> Vec<Username> {
        let world = self.world.read();
        world.users.iter().filter(|(_, entry)| !entry.resources.is_empty()).map(|(user, _)| user.clone()).collect()
    }

    /// Ends all sessions of `user`, whose account is gone. Each leaves by itself.
    pub(crate) fn expel(&self, user: &Username) {
        let world = self.world.read();
        for resource in world.users.get(user).into_iter().flat_map(|entry| &entry.resources) {
            resource.session.outbound.end(SessionEnd::Expelled);
        }
    }

    /// Ends the session of `user` that the roster source knows by this name, or all of them; how many those are. Each leaves by
    /// itself.
    pub fn dismiss(&self, user: &Username, source_id: Option<&str>) -> usize {
        let world = self.world.read();
        let all = world.users.get(user).into_iter().flat_map(|entry| &entry.resources);
        let meant = all.filter(|one| source_id.is_none_or(|id| one.session.source_id() == id));
        meant.map(|one| one.session.outbound.end(SessionEnd::Dismissed)).count()
    }

    /// The domain is no longer served: its sessions end, and no other can begin. Each leaves by itself.
    pub fn close(&self) {
        let mut world = self.world.write();
        world.closed = true;
        for resource in world.users.values().flat_map(|entry| &entry.resources) {
            resource.session.outbound.end(SessionEnd::HostGone);
        }
    }

    /// A roster has changed. Returns when all pushes, and the presence that follows from the change, are queued.
    pub async fn roster_event(self: &Arc<Self>, event: &RosterEvent) {
        match &event.kind {
            EventKind::Loaded(snapshot) => self.advance(&event.user, Arc::clone(snapshot), None).await,
            EventKind::Changed { snapshot, changes, .. } => {
                self.advance(&event.user, Arc::clone(snapshot), Some(Arc::clone(changes))).await;
            }
            EventKind::Dropped { version } => self.dropped(&event.user, *version),
        }
    }

    /// The roster is no longer kept. Sessions that are still here keep seeing each other by it until it is loaded again.
    fn dropped(&self, user: &Username, version: u64) {
        let mut world = self.world.write();
        let Some(entry) = world.users.get_mut(user) else { return };
        let Some(current) = entry.roster.as_ref().map(|view| view.version()) else { return };
        if current > version {
            return;
        }
        entry.history.reset(current);
        if entry.resources.is_empty() {
            entry.roster = None;
        }
        world.forget_if_empty(user);
    }

    /// Takes the session out of the world and says goodbye for it. True if the roster source has to be told: while a task
    /// fetches for the session, the task does it, for the source may not have heard of the session yet.
    fn remove(&self, world: &mut World, session: &Arc<Session>) -> bool {
        session.ended.cancel();
        let Some(entry) = world.users.get_mut(session.user()) else { return false };
        let Some(place) = entry.resources.iter().position(|one| one.session.number == session.number) else {
            return false;
        };
        let resource = entry.resources.remove(place);
        self.say_goodbye(world, &resource);
        self.announce_end(world, session);
        world.forget_sightings(session.user());
        world.forget_if_empty(session.user());
        debug!(session = session.address(), "left");
        resource.attached && resource.fetching.load(Ordering::Relaxed) == 0
    }

    /// `john@example.com`.
    fn bare(&self, user: &Username) -> String {
        format!("{user}@{}", self.name())
    }

    /// A number that is never given twice, and above all that were given before.
    fn number(&self) -> u64 {
        self.numbers(1)
    }

    /// The first of several such numbers.
    fn numbers(&self, count: u64) -> u64 {
        self.next_number.fetch_add(count, Ordering::Relaxed)
    }
}
