//! The other nodes that serve the same domain.
//!
//! Each node knows the resources of all: who is bound, whether it is available, with which priority, whether it wants carbons.
//! What a resource shows to whom is known to its own node alone, which has its owner's roster. So a stanza is routed where it is
//! sent, and whatever follows from a resource is decided where the resource is: presence goes once to each node, with the users
//! there that it is for, and a probe is a question to the nodes of those it is about.
//!
//! Messages of one node to another are numbered. Who misses one asks for everything: the other node's resources, and the presence
//! they show to the users here ([`sync`]). So whatever is lost, both end up with what is true.
//!
//! - [`wire`]: messages between nodes, and how they are sent; [`receive`]: what comes
//! - [`table`]: which nodes there are, and what is known of them
//! - [`bound`]: resources come and go, and two nodes that bind the same address
//! - [`sync`]: after a gap; [`upkeep`]: what time does
//! - [`asking`]: presence at login, asked of the nodes that know it, and what waits for their answers
//! - [`errands`]: messages and requests for resources at other nodes

mod asking;
mod bound;
mod errands;
mod receive;
mod sync;
mod table;
mod upkeep;
mod wire;

use std::sync::Arc;

use bytes::Bytes;

pub(super) use asking::lines::Way;
pub(super) use asking::waiting::{Sent, Waiting, What};
pub(super) use bound::entry;
pub(super) use errands::errand;
pub use table::OtherNode;
pub(super) use table::Table;
pub use wire::MAX_MESSAGE;
pub(super) use wire::outbox::{Outbox, document};
pub(super) use wire::{Errand, Message, Outcome, Target};

use super::{Domain, DomainOptions};
use crate::RosterSource;

/// The way to the other nodes.
pub trait Nodes: Send + Sync + 'static {
    /// Sends `message` to `node`, and returns at once. Messages to one node arrive in the order in which they are sent, each once;
    /// when a connection breaks, or when there is no room for them, some may be lost. A message is never longer than
    /// [`MAX_MESSAGE`]. It is called under the domain's locks, so it must not call the domain.
    ///
    /// What is lost costs a list of all resources and their presence: room for some thousand messages is well spent.
    fn send(&self, node: &str, message: Bytes);
}

/// The part a domain has in a cluster.
#[derive(Clone)]
pub struct Cluster {
    /// The name of this node, by which others know it.
    pub node: String,
    /// Which life of that name this is: never the same for two processes. Until [`Domain::nodes_changed`] says another.
    pub incarnation: u64,
    /// Where clients reach this node, as XEP-0198 section 3 has it: `[host]:port` or a name. None: others do not say where a session
    /// is that a client looks for at the wrong node.
    pub address: Option<String>,
    /// The others.
    pub nodes: Arc<dyn Nodes>,
}

/// A node that is alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveNode {
    /// Its name.
    pub name: String,
    /// Which life of that name.
    pub incarnation: u64,
}

impl Domain {
    /// A domain without sessions, which other nodes serve too. Needs a tokio runtime: a task looks after what others leave
    /// unanswered, for as long as the domain exists.
    ///
    /// It is alone until [`Domain::nodes_changed`] names others.
    pub fn clustered(options: DomainOptions, rosters: Arc<dyn RosterSource>, cluster: Cluster) -> Arc<Self> {
        let own = cluster.incarnation;
        let domain = Self::build(options, rosters, Some(cluster));
        domain.world.write().nodes.own = own;
        tokio::spawn(upkeep::run(Arc::downgrade(&domain)));
        domain
    }

    /// The name of this node, if there may be others.
    pub(crate) fn node(&self) -> Option<&str> {
        self.cluster.as_ref().map(|cluster| cluster.node.as_str())
    }

    /// Where clients reach this node, if others say so.
    pub(crate) fn address(&self) -> Option<&str> {
        self.cluster.as_ref()?.address.as_deref()
    }

    /// Where clients reach another node that is alive.
    pub(crate) fn address_of(&self, node: &str) -> Option<String> {
        self.world.read().nodes.named(node)?.address.clone()
    }
}
