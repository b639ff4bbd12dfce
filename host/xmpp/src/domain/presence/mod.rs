//! Presence that clients send (RFC 6121 section 4): broadcast, directed, unavailable.
//!
//! Whose presence it is decides, by his own roster alone (section 4.2.2): John's reaches Aaron if John's roster has Aaron with
//! `from` or `both`, whatever Aaron's says and whether it is loaded or not. Presence sent while the sender's own roster is not
//! loaded is kept, and the roster is asked for: clients that show no contacts never do. [`probes`] sends the presence
//! when the roster is there.

pub(in crate::domain) mod probes;

use std::sync::Arc;
use std::time::SystemTime;

use minidom::Element;
use roster_model::Username;

use super::Domain;
use super::address::{Address, local_part};
use super::nodes::{self, Outbox};
use super::roster::view::may_see;
use super::session::Session;
use super::stanza::{self, Condition, JABBER_CLIENT};
use super::world::{Available, Resource, User, World};
use crate::outbound::{Shared, Stanza};

impl Domain {
    pub(super) fn presence(self: &Arc<Self>, session: &Arc<Session>, stanza: Element) {
        match stanza.attr("type") {
            // The application decides who is subscribed to whom. Silently: an error would only make clients ask again.
            Some("subscribe" | "subscribed" | "unsubscribe" | "unsubscribed") => {}
            Some("probe") => self.answer_probe(session, &stanza),
            Some("error") => self.presence_error(session, &stanza),
            None | Some("unavailable") if stanza.attr("to").is_some() => self.directed(session, &stanza),
            Some("unavailable") => self.unavailable(session, &stanza),
            None => match priority(&stanza) {
                Some(priority) => self.available(session, stanza, priority),
                None => self.refuse(session, &stanza, Condition::BadRequest),
            },
            Some(_) => self.refuse(session, &stanza, Condition::BadRequest),
        }
    }

    pub(super) fn refuse(&self, session: &Session, stanza: &Element, condition: Condition) {
        if let Some(reply) = stanza::error(stanza, session.address(), condition) {
            session.send(reply);
        }
    }

    /// Initial and subsequent presence (RFC 6121 sections 4.2 and 4.4).
    fn available(self: &Arc<Self>, session: &Arc<Session>, stanza: Element, priority: i8) {
        let mut stanza = stanza;
        let presence = Shared::without_to(&mut stanza);
        session.outbound.shows(Some(&presence));
        let mut world = self.world.write();
        let others = world.nodes.has_others();
        let loaded = world.users.get(session.user()).is_some_and(|me| me.roster.is_some());
        let Some(resource) = world.resource(session) else { return };
        // Also if another session has it loaded: the source keeps rosters only for sessions that it knows of.
        if !(loaded && resource.attached) {
            self.begin_fetch(resource, None);
        }
        let moment = self.number();
        let came = resource.presence.as_ref().map_or(moment, |before| before.came);
        let new = Available { presence: presence.clone(), since: SystemTime::now(), moment, came, priority };
        let before = resource.presence.replace(Arc::new(new)).map(|before| before.priority);
        let mut outbox = Outbox::default();
        if others && before != Some(priority) {
            outbox.announce(nodes::entry(resource));
        }
        self.broadcast(&world, session, &presence, Some(&mut outbox));
        if before.is_none() {
            self.tell_newcomer(&world, session, &mut outbox);
        }
        outbox.send(&world.nodes);
    }

    /// RFC 6121 section 4.5.
    fn unavailable(&self, session: &Arc<Session>, stanza: &Element) {
        let mut world = self.world.write();
        let Some(resource) = world.resource(session) else { return };
        let directed = std::mem::take(&mut resource.directed);
        // Also to itself (section 4.5.2), so it is broadcast while the resource is still there.
        let was_available = resource.presence.is_some();
        let presence = Shared::without_to(&mut stanza.clone());
        if was_available {
            let mut outbox = Outbox::default();
            self.broadcast(&world, session, &presence, Some(&mut outbox));
            if let Some(resource) = world.resource(session) {
                resource.presence = None;
                session.outbound.shows(None);
                outbox.announce(nodes::entry(resource));
            }
            outbox.send(&world.nodes);
            world.forget_sightings(session.user());
        }
        self.follow_directed(&world, session, &presence, directed.iter().map(String::as_str), was_available);
    }

    /// The resource has been taken out of the world: whoever saw it is told.
    pub(super) fn say_goodbye(&self, world: &World, resource: &Resource) {
        if resource.presence.is_none() && resource.directed.is_empty() {
            return;
        }
        let session = &resource.session;
        let stanza = Shared::whole(&stanza::gone(session.address()));
        if resource.presence.is_some() {
            // Other nodes tell whoever has seen it.
            self.broadcast(world, session, &stanza, None);
        }
        let directed = resource.directed.iter().map(String::as_str);
        self.follow_directed(world, session, &stanza, directed, resource.presence.is_some());
    }

    /// To the contacts that may see it and to the user's own available resources, the sender's among them; those of other nodes
    /// by the outbox.
    fn broadcast(&self, world: &World, session: &Session, presence: &Shared, outbox: Option<&mut Outbox>) {
        let Some(me) = world.users.get(session.user()) else { return };
        if let Some(outbox) = outbox {
            self.broadcast_beyond(world, session, presence, me.roster.as_deref(), outbox);
        }
        if me.is_available() {
            me.send_to_available(session.user(), &presence.to(session.bare(), ""));
        }
        let Some(view) = &me.roster else { return };
        let tell = |name: &str, them: &User, jid: &str| {
            if name != session.user().as_str() && them.is_available() {
                them.send_to_available(session.user(), &presence.to(jid, ""));
            }
        };
        // Whichever are fewer: contacts, or people who may be among them.
        if view.contacts().len() <= world.users.len() {
            for contact in view.contacts().iter().filter(|contact| may_see(contact.subscription)) {
                let name = local_part(contact.jid, self.name());
                if let Some((name, them)) = name.and_then(|name| Some((name, world.users.get(name)?))) {
                    tell(name, them, contact.jid);
                }
            }
            return;
        }
        for (name, them) in &world.users {
            let jid = self.bare(name);
            if view.seen_by(&jid) {
                tell(name.as_str(), them, &jid);
            }
        }
    }

    /// Directed presence (RFC 6121 section 4.6).
    fn directed(&self, session: &Arc<Session>, stanza: &Element) {
        let to = stanza.attr("to").unwrap_or_default();
        let available = stanza.attr("type").is_none();
        if available && priority(stanza).is_none() {
            return self.refuse(session, stanza, Condition::BadRequest);
        }
        let address = Address::parse(to, self.name());
        let (user, resource) = match &address {
            Address::Account(user) => (user, None),
            Address::Session(user, resource) => (user, Some(resource.as_str())),
            Address::Server => return,
            Address::Elsewhere => return self.refuse(session, stanza, Condition::RemoteServerNotFound),
            Address::Malformed => return self.refuse(session, stanza, Condition::JidMalformed),
        };
        let key = match resource {
            None => self.bare(user),
            Some(resource) => format!("{user}@{}/{resource}", self.name()),
        };
        let mut world = self.world.write();
        let seen = reaches(&world, user, resource);
        let Some(mine) = world.resource(session) else { return };
        if !available {
            mine.directed.remove(&key);
        } else if seen && !mine.directed.contains(&key) {
            if mine.directed.len() >= self.options.max_directed_presence {
                drop(world);
                return self.refuse(session, stanza, Condition::ResourceConstraint);
            }
            mine.directed.insert(key);
        }
        // What nobody sees needs no end either.
        if seen {
            deliver(&world, session.user(), (user, resource), &Stanza::from(stanza));
            self.direct_beyond(&world, session, (user, resource), &Shared::without_to(&mut stanza.clone()));
        }
    }

    /// Unavailable presence goes to those who had directed presence, unless the broadcast has reached them.
    fn follow_directed<'a>(
        &self,
        world: &World,
        session: &Session,
        presence: &Shared,
        directed: impl Iterator<Item = &'a str>,
        was_broadcast: bool,
    ) {
        let view = world.users.get(session.user()).and_then(|me| me.roster.clone());
        for to in directed {
            let (user, resource) = match Address::parse(to, self.name()) {
                Address::Account(user) => (user, None),
                Address::Session(user, resource) => (user, Some(resource)),
                Address::Server | Address::Elsewhere | Address::Malformed => continue,
            };
            let bare = to.split_once('/').map_or(to, |(bare, _)| bare);
            let shown = view.as_ref().is_some_and(|view| view.seen_by(bare));
            let own = user == *session.user();
            let named = resource.as_deref();
            let reached = was_broadcast
                && (shown || own)
                && named.is_none_or(|named| {
                    let them = world.users.get(&user).and_then(|them| them.named(named));
                    let beyond = world.nodes.remotes.named(user.as_str(), named);
                    them.is_some_and(|one| one.presence.is_some()) || beyond.is_some_and(|one| one.is_available())
                });
            if !reached {
                deliver(world, session.user(), (&user, named), &presence.to(to, ""));
                self.direct_beyond(world, session, (&user, named), presence);
            }
        }
    }

    /// An error in answer to somebody's presence goes back to them, if it names a session.
    fn presence_error(&self, session: &Session, stanza: &Element) {
        if let Address::Session(user, resource) = Address::parse(stanza.attr("to").unwrap_or_default(), self.name()) {
            let (world, stanza) = (self.world.read(), Stanza::from(stanza));
            deliver(&world, session.user(), (&user, Some(&resource)), &stanza);
            self.send_beyond(&world, session.user(), (&user, &resource), &stanza);
        }
    }
}

/// There is somebody to see presence directed to `user`, or to the session called `resource`.
fn reaches(world: &World, user: &Username, resource: Option<&str>) -> bool {
    let here = world.users.get(user).is_some_and(|them| match resource {
        None => them.is_available(),
        Some(resource) => them.named(resource).is_some(),
    });
    here || match resource {
        None => world.nodes.remotes.has_available(user.as_str()),
        Some(resource) => world.nodes.remotes.named(user.as_str(), resource).is_some(),
    }
}

/// Queues a stanza for the available resources of `user`, or for the one called `resource`.
fn deliver(world: &World, from: &Username, (user, resource): (&Username, Option<&str>), stanza: &Stanza) {
    let Some(them) = world.users.get(user) else { return };
    match resource {
        None => them.send_to_available(from, stanza),
        Some(resource) => {
            if let Some(one) = them.named(resource) {
                one.session.deliver(from, stanza.clone());
            }
        }
    }
}

/// The priority, 0 if there is none. None if it is malformed, or given twice (RFC 6121 section 4.7.2.3).
fn priority(stanza: &Element) -> Option<i8> {
    let mut all = stanza.children().filter(|child| child.is("priority", JABBER_CLIENT));
    let Some(priority) = all.next() else { return Some(0) };
    match all.next() {
        Some(_) => None,
        None => priority.text().trim().parse().ok(),
    }
}
