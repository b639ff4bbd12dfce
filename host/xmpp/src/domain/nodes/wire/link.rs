//! The way to one life of one node: numbers what is sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tracing::warn;

use super::{Body, Head, Message};
use crate::domain::nodes::{LiveNode, Nodes};

/// Of a message's number, those that count messages.
const BITS: u32 = 40;

/// See the module.
pub(in crate::domain) struct Link {
    /// Its number here: no two lives have the same.
    pub(in crate::domain) place: u32,
    pub(in crate::domain::nodes) node: LiveNode,
    own: u64,
    nodes: Arc<dyn Nodes>,
    sent: Mutex<u64>,
    /// Goes up with each list of all resources that is sent, and with each time that their presence begins to be.
    round: AtomicU64,
    /// How many had been sent when the last tick was.
    told: AtomicU64,
}

impl Link {
    pub(in crate::domain::nodes) fn new(place: u32, node: LiveNode, own: u64, nodes: Arc<dyn Nodes>) -> Arc<Self> {
        // Above all that were sent before, should the node have been taken for dead and not know it.
        let first = u64::from(place) << BITS;
        Arc::new(Self {
            place,
            node,
            own,
            nodes,
            sent: Mutex::new(first),
            round: AtomicU64::default(),
            told: AtomicU64::new(first),
        })
    }

    /// Sends, in the order of the calls.
    pub(in crate::domain::nodes) fn send(&self, body: &Body) {
        let mut sent = self.sent.lock();
        *sent += 1;
        let head = Head { from: self.own, to: self.node.incarnation, number: *sent };
        self.nodes.send(&self.node.name, head.with(body.as_str()).into());
    }

    /// The same for one that only this node gets. False if it is too long, which whoever writes it sees to that it is not.
    pub(in crate::domain) fn say(&self, message: &Message) -> bool {
        let Some(body) = Body::new(message) else {
            warn!(node = self.node.name, "something is too long to be sent to another node and is left out");
            return false;
        };
        self.send(&body);
        true
    }

    /// A new round begins, and the one before is over. Its number.
    pub(in crate::domain::nodes) fn begin(&self) -> u64 {
        self.round.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// No other has begun since.
    pub(in crate::domain::nodes) fn is_still(&self, round: u64) -> bool {
        self.round.load(Ordering::Relaxed) == round
    }

    /// Something was sent since this was asked last.
    pub(in crate::domain::nodes) fn is_untold(&self) -> bool {
        let sent = *self.sent.lock();
        self.told.swap(sent, Ordering::Relaxed) != sent
    }

    /// The next tick is not worth another.
    pub(in crate::domain::nodes) fn tick(&self) {
        self.say(&Message::Tick);
        self.told.store(*self.sent.lock(), Ordering::Relaxed);
    }
}
