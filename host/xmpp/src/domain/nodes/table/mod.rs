//! Which nodes there are, and what is known of them. A part of the world, under its lock.
//!
//! [`remotes`]: their resources; [`sightings`]: who has seen them.

pub(in crate::domain) mod remotes;
pub(in crate::domain) mod sightings;

use std::collections::HashSet;
use std::sync::Arc;

use roster_model::Username;
use tokio::time::Instant;
use tracing::info;

use self::remotes::{Id, Remotes};
use self::sightings::Sightings;
use super::wire::link::Link;
use super::wire::{Body, Message};
use super::{Cluster, LiveNode};
use crate::domain::Domain;
use crate::memory::{Memory, Reservation};

/// The share of the endpoint's memory that what other nodes say may take.
const SHARE: usize = 2;

/// See the module. Empty without a cluster.
#[derive(Default)]
pub(in crate::domain) struct Table {
    pub(super) live: Vec<Node>,
    pub(in crate::domain) remotes: Remotes,
    pub(in crate::domain) sightings: Sightings,
    held: Option<Reservation>,
    places: u32,
    /// Which life of this node it is.
    pub(super) own: u64,
}

/// One life of another node.
pub(super) struct Node {
    pub(super) link: Arc<Link>,
    /// The number of the last message from it.
    pub(super) last: u64,
    /// No message was missed since it sent all of its resources.
    pub(super) synced: bool,
    /// When it was asked for them.
    pub(super) asked: Option<Instant>,
    /// Of its resources, those it has named again.
    pub(super) named: HashSet<u64>,
    /// What was seen of it before the gap, and has not been seen since.
    pub(super) unconfirmed: HashSet<(Id, Username)>,
    /// Where clients reach it.
    pub(super) address: Option<String>,
}

/// What is known of a node, for an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherNode {
    /// Which.
    pub node: LiveNode,
    /// Nothing was missed since it told all. While it is not so, it is asked to tell all again.
    pub synced: bool,
    /// Sessions it has.
    pub sessions: usize,
}

impl Table {
    /// Other nodes are alive.
    pub(in crate::domain) fn has_others(&self) -> bool {
        !self.live.is_empty()
    }

    pub(super) fn node(&self, place: u32) -> Option<&Node> {
        self.live.iter().find(|node| node.link.place == place)
    }

    pub(super) fn node_mut(&mut self, place: u32) -> Option<&mut Node> {
        self.live.iter_mut().find(|node| node.link.place == place)
    }

    /// The node with that name.
    pub(super) fn named(&self, name: &str) -> Option<&Node> {
        self.live.iter().find(|node| node.link.node.name == name)
    }

    pub(in crate::domain) fn links(&self) -> impl Iterator<Item = &Arc<Link>> {
        self.live.iter().map(|node| &node.link)
    }

    pub(in crate::domain) fn link(&self, place: u32) -> Option<&Arc<Link>> {
        self.node(place).map(|node| &node.link)
    }

    /// Says it to all.
    pub(in crate::domain) fn tell_all(&self, message: &Message) {
        if self.has_others()
            && let Some(body) = Body::new(message)
        {
            self.links().for_each(|link| link.send(&body));
        }
    }

    /// Counts in the endpoint's memory what is known.
    pub(super) fn weigh(&mut self, memory: Option<&Arc<Memory>>) {
        let weight = self.weight();
        match (&mut self.held, memory) {
            (Some(held), _) => held.set(weight),
            (None, Some(memory)) => self.held = Some(memory.hold(weight)),
            (None, None) => {}
        }
    }

    /// There is room for one more resource.
    pub(super) fn has_room(&self, memory: Option<&Arc<Memory>>) -> bool {
        memory.is_none_or(|memory| self.weight() < memory.most() / SHARE)
    }

    fn weight(&self) -> usize {
        self.remotes.weight() + self.sightings.weight()
    }
}

impl Domain {
    /// These are the nodes that are alive, in no order; the own one may be among them. The resources of those that are not leave,
    /// those that are new, or live again, are told all, and asked for all.
    ///
    /// If this node is named with another incarnation than before, others have taken it for dead and taken leave of all that it has:
    /// it begins anew with all of them. An empty list makes it alone.
    pub fn nodes_changed(self: &Arc<Self>, live: &[LiveNode]) {
        let Some(cluster) = &self.cluster else { return };
        let mut world = self.world.write();
        let own = live.iter().find(|node| node.name == cluster.node).map_or(world.nodes.own, |node| node.incarnation);
        let is_same = std::mem::replace(&mut world.nodes.own, own) == own;
        let is_live = |node: &Node| is_same && live.contains(&node.link.node);
        let gone: Vec<u32> =
            world.nodes.live.extract_if(.., |node| !is_live(node)).map(|node| node.link.place).collect();
        for place in &gone {
            let ids = world.nodes.remotes.of_node(*place);
            info!(place, resources = ids.len(), "a node is gone, and its resources with it");
            self.forget_remotes(&mut world, ids);
        }
        for node in live {
            if node.name != cluster.node && world.nodes.named(&node.name).is_none() {
                world.nodes.join(node.clone(), cluster);
            }
        }
        world.nodes.live.sort_by(|a, b| a.link.node.name.cmp(&b.link.node.name));
        for place in world.nodes.links().map(|link| link.place).collect::<Vec<_>>() {
            if world.nodes.node(place).is_some_and(|node| !node.synced && node.asked.is_none()) {
                self.ask_for_all(&mut world, place);
            }
        }
        world.nodes.weigh(self.memory.get());
        drop(world);
        for place in gone {
            self.nobody_answers(place);
        }
    }
}

impl Domain {
    /// The other nodes that are alive, as this one sees them.
    pub fn other_nodes(&self) -> Vec<OtherNode> {
        let world = self.world.read();
        let mut all: Vec<OtherNode> = Vec::new();
        for node in &world.nodes.live {
            let (place, synced) = (node.link.place, node.synced);
            all.push(OtherNode { node: node.link.node.clone(), synced, sessions: world.nodes.remotes.count(place) });
        }
        all
    }
}

impl Table {
    fn join(&mut self, node: LiveNode, cluster: &Cluster) {
        self.places += 1;
        info!(node = node.name, incarnation = node.incarnation, "another node serves the domain");
        let link = Link::new(self.places, node, self.own, Arc::clone(&cluster.nodes));
        self.live.push(Node {
            link,
            last: 0,
            synced: false,
            asked: None,
            named: HashSet::new(),
            unconfirmed: HashSet::new(),
            address: None,
        });
    }
}
