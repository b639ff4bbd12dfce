//! Resources of other nodes come, change and go.
//!
//! Two nodes may bind the same address at once. The later bind wins, by the time that each carries and, of one time, by the name
//! of the node; so all nodes decide alike, each when it hears of it, and only the node of the one that has lost ends a session.
//! A node that knows of a session with the address binds later than that, whatever its clock says.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use roster_jid::resourcepart;
use roster_model::Username;
use tracing::{debug, warn};

use super::table::remotes::{Id, Remote};
use super::wire::{Entry, Message};
use crate::domain::Domain;
use crate::domain::presence::probes::away;
use crate::domain::session::Session;
use crate::domain::world::{Resource, World};
use crate::outbound::SessionEnd;

/// What others are told of a resource.
pub(in crate::domain) fn entry(resource: &Resource) -> Entry {
    let session = &resource.session;
    Entry {
        user: session.user().to_string(),
        resource: session.resource().to_owned(),
        number: session.number,
        bound: session.bound,
        priority: resource.presence.as_ref().map(|presence| presence.priority),
        carbons: resource.carbons,
        asleep: session.asleep().is_some(),
    }
}

impl Domain {
    /// When a bind of this address happens that happens now.
    pub(in crate::domain) fn bound_now(&self, world: &World, user: &Username, resource: &str) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        let now = u64::try_from(now).unwrap_or(u64::MAX);
        let before = world.nodes.remotes.named(user.as_str(), resource).map_or(0, |one| one.bound);
        now.max(before.saturating_add(1))
    }

    /// All nodes are told of a resource that has changed, or come.
    pub(in crate::domain) fn announce(&self, world: &World, resource: &Resource) {
        if world.nodes.has_others() {
            let session = Some(entry(resource));
            world.nodes.tell_all(&Message::Presence(super::wire::Presence { session, ..Default::default() }));
        }
    }

    /// The same of the resource of a session that is here.
    pub(in crate::domain) fn announce_change(&self, world: &World, session: &Session) {
        let own = world.users.get(session.user()).into_iter().flat_map(|user| &user.resources);
        own.filter(|one| one.session.number == session.number).for_each(|one| self.announce(world, one));
    }

    /// The session's client is away, or back.
    pub(in crate::domain) fn announce_sleep(&self, session: &Session) {
        if self.cluster.is_some() {
            self.announce_change(&self.world.read(), session);
        }
    }

    /// All nodes are told that a resource has left. Each tells whoever has seen it.
    pub(in crate::domain) fn announce_end(&self, world: &World, session: &Session) {
        world.nodes.tell_all(&Message::Left { number: session.number });
    }

    /// A bind here takes the address from a session elsewhere: that is gone, as far as this node is concerned.
    pub(in crate::domain) fn take_address(&self, world: &mut World, user: &Username, resource: &str) {
        let other = world.nodes.remotes.named(user.as_str(), resource).map(|one| one.id);
        self.forget_remotes(world, other.into_iter().collect());
    }

    /// The node has this resource. Some: a session here has lost its address to it, and is to be taken from the roster source.
    pub(super) fn hear(&self, world: &mut World, place: u32, entry: &Entry) -> Option<Arc<Session>> {
        let id = Id { node: place, number: entry.number };
        if let Some(known) = world.nodes.remotes.get_mut(id) {
            if !known.is_available() {
                known.came = self.number();
            }
            (known.priority, known.carbons, known.asleep) = (entry.priority, entry.carbons, entry.asleep);
            return None;
        }
        let (Ok(user), Ok(resource)) = (Username::new(&entry.user), resourcepart(&entry.resource)) else {
            warn!("another node names a resource that cannot be one, which is left out");
            return None;
        };
        let mut lost = None;
        if !self.wins_here(world, place, entry, (&user, &resource), &mut lost) {
            return lost;
        }
        if !world.nodes.has_room(self.memory.get()) {
            warn!(%user, "there is no room for more resources of other nodes (limits.memory); this one is not seen here");
            return lost;
        }
        let remote = Remote {
            id,
            resource: resource.into(),
            bound: entry.bound,
            priority: entry.priority,
            came: self.number(),
            carbons: entry.carbons,
            asleep: entry.asleep,
        };
        world.nodes.remotes.insert(&user, remote);
        lost
    }

    /// Whether no other has the address that was bound later. Those that were bound earlier lose it.
    fn wins_here(
        &self,
        world: &mut World,
        place: u32,
        entry: &Entry,
        (user, resource): (&Username, &str),
        lost: &mut Option<Arc<Session>>,
    ) -> bool {
        let name = |place: u32| world.nodes.node(place).map(|node| node.link.node.name.clone()).unwrap_or_default();
        let new = (entry.bound, name(place));
        if let Some(own) = world.users.get(user).and_then(|own| own.named(resource)) {
            let session = Arc::clone(&own.session);
            let own_name = self.cluster.as_ref().map(|cluster| cluster.node.clone()).unwrap_or_default();
            if (session.bound, own_name) > new {
                return false;
            }
            debug!(session = session.address(), "another node has bound this address later");
            session.outbound.end(SessionEnd::Replaced);
            *lost = self.remove(world, &session).then_some(session);
        } else if let Some(other) = world.nodes.remotes.named(user.as_str(), resource) {
            let other_node = name(other.id.node);
            // A node that has bound it again has ended the one before.
            if other.id.node != place && (other.bound, other_node) > new {
                return false;
            }
            let other = other.id;
            self.forget_remotes(world, vec![other]);
        }
        true
    }

    /// Has a session of the user at another node make room whose client is away: the one that was bound first. False if there is none.
    pub(in crate::domain) fn displace_beyond(&self, world: &mut World, user: &Username) -> bool {
        let sleeping = world.nodes.remotes.of(user.as_str()).iter().filter(|one| one.asleep);
        let Some(id) = sleeping.min_by_key(|one| one.bound).map(|one| one.id) else { return false };
        if let Some(link) = world.nodes.link(id.node) {
            link.say(&Message::Displace { number: id.number });
        }
        self.forget_remotes(world, vec![id]);
        true
    }

    /// A session here makes room for one elsewhere, unless its client is back.
    pub(super) fn displaced(&self, world: &mut World, number: u64) -> Option<Arc<Session>> {
        let sessions = world.users.values().flat_map(|user| &user.resources).map(|one| &one.session);
        let session = sessions.into_iter().find(|one| one.number == number && one.asleep().is_some()).cloned()?;
        session.outbound.end(SessionEnd::Displaced);
        self.remove(world, &session).then_some(session)
    }

    /// These resources are gone: whoever has seen them here is told.
    pub(super) fn forget_remotes(&self, world: &mut World, ids: Vec<Id>) {
        let mut gone: HashMap<Username, Vec<String>> = HashMap::new();
        for id in ids {
            let users = world.nodes.sightings.forget(id);
            let Some((owner, remote)) = world.nodes.remotes.remove(id) else { continue };
            let address = format!("{}/{}", self.bare(&owner), remote.resource);
            for user in users {
                gone.entry(user).or_default().push(address.clone());
            }
        }
        self.tell_gone(world, gone);
    }

    /// Each user here is told that those are away. All at once: of a node that is gone, somebody may have seen a thousand.
    pub(super) fn tell_gone(&self, world: &World, gone: HashMap<Username, Vec<String>>) {
        for (user, addresses) in gone {
            let Some(them) = world.users.get(&user).filter(|them| them.is_available()) else { continue };
            let bare = self.bare(&user);
            let stanzas: Arc<[_]> = addresses.iter().map(|address| away(address, &bare)).collect();
            for (session, _) in them.available() {
                let _ = session.outbound.send_batch(Arc::clone(&stanzas));
            }
        }
    }
}
