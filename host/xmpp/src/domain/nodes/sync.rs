//! After a gap, and between nodes that are new to each other: all resources, and the presence they show.
//!
//! A node that has missed something sends all of its own resources and asks for the other's. Whoever gets a list sends the presence
//! of its own resources after it, to the other's users as it knows them now, and then says that this was all. Of what was seen
//! before the gap, that which has not come again by then is gone.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use roster_model::Username;
use tokio::task::yield_now;
use tokio::time::Instant;
use tracing::debug;

use super::bound::entry;
use super::table::remotes::Id;
use super::wire::link::Link;
use super::wire::outbox::{Outbox, document};
use super::wire::{Message, Sessions};
use crate::domain::Domain;
use crate::domain::address::Address;
use crate::domain::presence::probes::late;
use crate::domain::roster::view::may_see;
use crate::domain::session::Session;
use crate::domain::world::{User, World};

/// Until a node that does not answer is asked again.
pub(super) const AGAIN: Duration = Duration::from_secs(1);
/// Where the list of resources is continued in another message, bytes: others get the lock where it is read.
const LIST: usize = 100_000;
/// Users whose presence is sent before others get the lock.
const AT_ONCE: usize = 64;

impl Domain {
    /// Sends the node all that is here and asks for all that is there, unless it was asked just now.
    pub(super) fn ask_for_all(&self, world: &mut World, place: u32) {
        let now = Instant::now();
        let Some(node) = world.nodes.node_mut(place) else { return };
        if node.asked.is_some_and(|asked| now < asked + AGAIN) {
            return;
        }
        node.asked = Some(now);
        self.send_sessions(world, place, true);
    }

    /// All resources that are here. One after another without anything between them that changes one.
    fn send_sessions(&self, world: &World, place: u32, ask: bool) {
        let Some(link) = world.nodes.link(place) else { return };
        // What is being sent goes with the list before. The node answers this one, and all presence is sent after that.
        link.begin();
        let address = self.cluster.as_ref().and_then(|cluster| cluster.address.clone());
        let mut part = Sessions { ask, first: true, address, ..Sessions::default() };
        let mut length = 0;
        for resource in world.users.values().flat_map(|user| &user.resources) {
            let entry = entry(resource);
            length += 100 + entry.user.len() + entry.resource.len();
            part.sessions.push(entry);
            if length > LIST {
                link.say(&Message::Sessions(std::mem::take(&mut part)));
                part.ask = ask;
                length = 0;
            }
        }
        part.last = true;
        link.say(&Message::Sessions(part));
    }

    /// The node's resources. The sessions here that have lost their addresses to them.
    pub(super) fn all_sessions(self: &Arc<Self>, world: &mut World, place: u32, part: &Sessions) -> Vec<Arc<Session>> {
        let lost: Vec<_> = part.sessions.iter().filter_map(|entry| self.hear(world, place, entry)).collect();
        let nodes = &mut world.nodes;
        let seen = if part.first { nodes.sightings.of_node(place) } else { HashSet::new() };
        let Some(node) = nodes.live.iter_mut().find(|node| node.link.place == place) else { return lost };
        if part.first {
            (node.synced, node.asked, node.address) = (true, None, part.address.clone());
            node.named.clear();
            node.unconfirmed = seen;
        }
        if !node.synced {
            return lost;
        }
        // What was refused need not be remembered.
        let numbers = part.sessions.iter().map(|entry| entry.number);
        node.named.extend(numbers.filter(|number| nodes.remotes.get(Id { node: place, number: *number }).is_some()));
        if part.last {
            let named = std::mem::take(&mut node.named);
            let mut gone = nodes.remotes.of_node(place);
            gone.retain(|id| !named.contains(&id.number));
            debug!(place, resources = named.len(), gone = gone.len(), "a node has sent its resources");
            self.forget_remotes(world, gone);
            if part.ask {
                self.send_sessions(world, place, false);
            }
            if let Some(link) = world.nodes.link(place) {
                tokio::spawn(Arc::clone(self).show_all(Arc::clone(link), link.begin()));
            }
        }
        lost
    }

    /// Sends the presence of all resources here to those of the node's users that may see it.
    async fn show_all(self: Arc<Self>, link: Arc<Link>, round: u64) {
        let users: Vec<Username> = self.world.read().users.keys().cloned().collect();
        for users in users.chunks(AT_ONCE) {
            {
                let world = self.world.read();
                if !link.is_still(round) {
                    return;
                }
                let mut outbox = Outbox::default();
                for user in users {
                    if let Some(me) = world.users.get(user) {
                        self.show_to_node(&world, (user, me), link.place, &mut outbox);
                    }
                }
                outbox.send(&world.nodes);
            }
            yield_now().await;
        }
        let _world = self.world.read();
        if link.is_still(round) {
            link.say(&Message::Synced);
        }
    }

    fn show_to_node(&self, world: &World, (name, me): (&Username, &User), place: u32, outbox: &mut Outbox) {
        let remotes = &world.nodes.remotes;
        let is_there = |user: &str| remotes.of(user).iter().any(|one| one.id.node == place && one.is_available());
        let mut to = Vec::new();
        if me.is_available() {
            to.extend(is_there(name.as_str()).then_some(name.as_str()));
            let contacts = me.roster.iter().flat_map(|view| view.contacts().iter());
            let contacts = contacts.filter(|contact| may_see(contact.subscription));
            to.extend(contacts.filter_map(|contact| self.other(name, contact.jid)).filter(|other| is_there(other)));
        }
        for resource in &me.resources {
            let number = resource.session.number;
            if let Some(available) = resource.presence.as_ref().filter(|_| !to.is_empty()) {
                let item = outbox.item(number, document(&late(available, self.name())), None);
                to.iter().for_each(|user| outbox.add_at(place, item, user));
            }
            for directed in &resource.directed {
                let Some(user) =
                    Address::parse(directed, self.name()).user().filter(|user| is_there(user.as_str())).cloned()
                else {
                    continue;
                };
                let item = outbox.item(number, String::new(), None);
                outbox.add_at(place, item, user.as_str());
            }
        }
    }

    /// The node has sent all presence: what was seen before and has not come again is over.
    pub(super) fn synced(&self, world: &mut World, place: u32) {
        let Some(node) = world.nodes.node_mut(place).filter(|node| node.synced) else { return };
        let mut gone: HashMap<Username, Vec<String>> = HashMap::new();
        for (id, user) in std::mem::take(&mut node.unconfirmed) {
            let Some(address) = self.remote_address(world, id) else { continue };
            if world.nodes.sightings.has(&user, id) {
                world.nodes.sightings.remove(&user, id);
                gone.entry(user).or_default().push(address);
            }
        }
        self.tell_gone(world, gone);
    }

    /// The address of a resource of another node.
    pub(super) fn remote_address(&self, world: &World, id: Id) -> Option<String> {
        let (user, remote) = world.nodes.remotes.get(id)?;
        Some(format!("{}/{}", self.bare(user), remote.resource))
    }
}
