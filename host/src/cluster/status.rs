//! What the operator sees of the cluster.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::Cluster;

/// `GET /cluster`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterStatus {
    /// The name of this node.
    pub node: String,
    /// `joining`: not among the others yet; `live`; `fenced`: cut off.
    pub state: String,
    /// The number of the list of nodes; 0: none.
    pub view: u64,
    /// Whether this node may act as an owner: all others have said whom they have.
    pub ready: bool,
    /// Who has not.
    pub awaited: Vec<String>,
    /// Users whose rosters this node owns and somebody has.
    pub owned: usize,
    /// Rosters that this node has asked the application for itself, because no owner could be asked.
    pub alone: u64,
    /// Refresh requests that were refused because this node was cut off.
    pub refused: u64,
    /// Messages to and from other nodes, and bytes sent.
    pub messages_sent: u64,
    /// See there.
    pub messages_received: u64,
    /// See there.
    pub bytes_sent: u64,
    /// All nodes, this one among them.
    pub nodes: Vec<NodeStatus>,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Its name.
    pub name: String,
    /// Which of its lives it is, hexadecimal.
    pub incarnation: String,
    /// The version of the protocol that it speaks.
    pub protocol: u32,
    /// Milliseconds since its latest sign of life, as far as this node knows.
    pub silent_ms: Option<u64>,
    /// Rosters that this node is still to tell it.
    pub lag: usize,
}

impl Cluster {
    /// How it is now.
    pub fn status(self: &Arc<Self>) -> ClusterStatus {
        let state = self.state.lock();
        let now = Instant::now();
        let live = state.membership.is_live(now);
        let view = state.membership.view();
        let lag = state.registry.lag();
        let me = state.membership.me();
        let node = |listed: &super::view::Listed| NodeStatus {
            name: listed.member.name.to_string(),
            incarnation: format!("{:x}", listed.member.incarnation),
            protocol: listed.protocol,
            silent_ms: match listed.member == *me {
                true => Some(0),
                false => state
                    .membership
                    .silence(&listed.member, now)
                    .map(|silence| u64::try_from(silence.as_millis()).unwrap_or(u64::MAX)),
            },
            lag: lag.get(&listed.member).copied().unwrap_or_default(),
        };
        ClusterStatus {
            node: self.config.node.clone(),
            state: match (live, view.is_some()) {
                (true, _) => "live",
                (false, true) => "fenced",
                (false, false) => "joining",
            }
            .to_owned(),
            view: view.map_or(0, |view| view.number),
            ready: live && view.is_some_and(|view| state.registry.is_ready(view)),
            awaited: view.map_or_else(Vec::new, |view| {
                state.registry.awaited(view).iter().map(|member| member.name.to_string()).collect()
            }),
            owned: state.registry.len(),
            alone: self.counts.alone.load(Ordering::Relaxed),
            refused: self.counts.refused.load(Ordering::Relaxed),
            messages_sent: self.link.traffic.sent.load(Ordering::Relaxed),
            messages_received: self.link.traffic.received.load(Ordering::Relaxed),
            bytes_sent: self.link.traffic.sent_bytes.load(Ordering::Relaxed),
            nodes: view.map_or_else(Vec::new, |view| view.nodes.iter().map(node).collect()),
        }
    }
}
