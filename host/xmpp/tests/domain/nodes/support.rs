//! Domains joined in memory: what one sends to another waits until a test delivers it, in the order of each pair.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use roster_model::Contact;
use roster_xmpp::Domain;
use roster_xmpp::domain::DomainOptions;
use roster_xmpp::domain::nodes::{Cluster, LiveNode, MAX_MESSAGE, Nodes};

use crate::support::{Client, World, world_of};

/// From which node to which.
pub type Pair = (usize, usize);

/// What is on its way.
#[derive(Default)]
pub struct Net {
    /// All that was sent, if a test wants to have it.
    pub kept: Mutex<Option<Vec<Bytes>>>,
    waiting: Mutex<BTreeMap<Pair, VecDeque<Bytes>>>,
    cut: Mutex<BTreeSet<Pair>>,
    /// How many were sent.
    sent: Mutex<BTreeMap<Pair, usize>>,
}

struct Sender {
    net: Arc<Net>,
    from: usize,
}

impl Nodes for Sender {
    fn send(&self, node: &str, message: Bytes) {
        assert!(message.len() <= MAX_MESSAGE);
        let pair = (self.from, number(node));
        *self.net.sent.lock().entry(pair).or_default() += 1;
        self.net.kept.lock().iter_mut().for_each(|kept| kept.push(message.clone()));
        if !self.net.cut.lock().contains(&pair) {
            self.net.waiting.lock().entry(pair).or_default().push_back(message);
        }
    }
}

fn name(number: usize) -> String {
    format!("node{number}")
}

fn number(name: &str) -> usize {
    name.strip_prefix("node").unwrap().parse().unwrap()
}

/// Nodes of one domain.
pub struct Nodelings {
    pub net: Arc<Net>,
    /// None: it is dead.
    pub nodes: Vec<Option<World>>,
    lives: Vec<u64>,
    adjust: fn(&mut DomainOptions),
}

/// So many nodes that know of each other.
pub async fn nodes(count: usize) -> Nodelings {
    nodes_with(count, |_| {}).await
}

pub async fn nodes_with(count: usize, adjust: fn(&mut DomainOptions)) -> Nodelings {
    let mut all = Nodelings { net: Arc::default(), nodes: Vec::new(), lives: vec![0; count], adjust };
    all.nodes.resize_with(count, || None);
    for node in 0..count {
        all.start(node);
    }
    all.members();
    all.settle().await;
    all
}

impl Nodelings {
    /// A new life of the node, which nobody knows of.
    pub fn start(&mut self, node: usize) {
        self.lives[node] += 1;
        let cluster = Cluster {
            node: name(node),
            incarnation: self.lives[node],
            address: Some(format!("{}.example:5222", name(node))),
            nodes: Arc::new(Sender { net: Arc::clone(&self.net), from: node }),
        };
        self.nodes[node] = Some(world_of(self.adjust, |options, rosters| Domain::clustered(options, rosters, cluster)));
    }

    /// The node's process ends; nobody knows yet.
    pub fn kill(&mut self, node: usize) {
        self.nodes[node] = None;
        self.net.waiting.lock().retain(|(from, to), _| *from != node && *to != node);
    }

    /// The node was taken for dead by all, and is back under a new number, as the same process.
    pub fn live_again(&mut self, node: usize) {
        self.lives[node] += 1;
    }

    /// All learn who is alive.
    pub fn members(&self) {
        let alive = self.nodes.iter().enumerate().filter(|(_, node)| node.is_some());
        let alive: Vec<LiveNode> =
            alive.map(|(node, _)| LiveNode { name: name(node), incarnation: self.lives[node] }).collect();
        for node in self.nodes.iter().flatten() {
            node.domain.nodes_changed(&alive);
        }
    }

    /// One takes the other for dead until all learn better.
    pub fn shun(&self, one: usize, other: usize) {
        let alive = (0..self.nodes.len()).filter(|node| *node != other && self.nodes[*node].is_some());
        let alive: Vec<LiveNode> =
            alive.map(|node| LiveNode { name: name(node), incarnation: self.lives[node] }).collect();
        if let Some(node) = &self.nodes[one] {
            node.domain.nodes_changed(&alive);
        }
    }

    pub fn node(&self, node: usize) -> &World {
        self.nodes[node].as_ref().unwrap()
    }

    /// What is sent from one node to the other from now on is lost, or not.
    pub fn cut(&self, pair: Pair, cut: bool) {
        let mut all = self.net.cut.lock();
        if cut {
            all.insert(pair);
        } else {
            all.remove(&pair);
        }
    }

    /// Delivers the next message of the pair. False if there is none.
    pub fn deliver(&self, pair: Pair) -> bool {
        let Some(message) = self.net.waiting.lock().get_mut(&pair).and_then(VecDeque::pop_front) else { return false };
        if let Some(node) = &self.nodes[pair.1] {
            node.domain.from_node(&name(pair.0), &message);
        }
        true
    }

    /// The pairs that have something on its way.
    pub fn busy(&self) -> Vec<Pair> {
        self.net.waiting.lock().iter().filter(|(_, waiting)| !waiting.is_empty()).map(|(pair, _)| *pair).collect()
    }

    /// Everything arrives, and whatever comes of it.
    pub async fn settle(&self) {
        let mut quiet = 0;
        for _ in 0..1_000_000 {
            let busy = self.busy();
            quiet = if busy.is_empty() { quiet + 1 } else { 0 };
            if quiet > 50 {
                return;
            }
            for pair in busy {
                self.deliver(pair);
            }
            tokio::task::yield_now().await;
        }
        panic!("the nodes never stop talking");
    }

    /// Messages since the last call, of all pairs.
    pub fn counted(&self) -> usize {
        std::mem::take(&mut *self.net.sent.lock()).values().sum()
    }

    /// What the application says, without telling anybody.
    pub fn set(&self, name: &str, contacts: &[Contact]) {
        for node in self.nodes.iter().flatten() {
            node.host.set(name, contacts.to_vec());
        }
    }

    /// A roster changes, and all nodes that have it learn of it.
    pub async fn change(&self, name: &str, contacts: &[Contact]) {
        for node in self.nodes.iter().flatten() {
            node.host.change(name, contacts.to_vec()).await;
        }
    }

    /// Binds, gets the roster, becomes available; nothing is left to read.
    pub async fn arrive(&self, node: usize, name: &str, resource: &str) -> Client {
        let mut client = self.node(node).bind(name, resource);
        client.get_roster(None).await;
        client.send("<presence/>").await;
        self.settle().await;
        client.drain();
        client
    }
}
