//! What the operator sees of the cluster.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use serde::{Deserialize, Serialize};
use serde_json::Value;
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
    /// Messages between XMPP endpoints that were lost on this side; they find out, and tell each other everything again.
    pub endpoint_messages_lost: u64,
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
            endpoint_messages_lost: self.counts.endpoint_lost.load(Ordering::Relaxed),
            nodes: view.map_or_else(Vec::new, |view| view.nodes.iter().map(node).collect()),
        }
    }
}

/// A number: its name, what it is, and where to read it.
type Number = (&'static str, &'static str, fn(&ClusterStatus) -> u64);

const GAUGES: [Number; 6] = [
    ("cluster_live", "Whether this node is among the others, and not cut off", |of| u64::from(of.state == "live")),
    ("cluster_ready", "Whether this node may act as an owner: all others have said whom they have", |of| {
        u64::from(of.ready)
    }),
    ("cluster_nodes", "Nodes that are live", |of| of.nodes.len() as u64),
    ("cluster_view", "The number of the list of nodes, which grows with each change", |of| of.view),
    ("cluster_owned_users", "Users whose rosters this node owns and somebody has", |of| of.owned as u64),
    ("cluster_lag", "Rosters that this node is still to tell other nodes", |of| {
        of.nodes.iter().map(|node| node.lag as u64).sum()
    }),
];

const COUNTERS: [Number; 5] = [
    (
        "cluster_rosters_alone",
        "Rosters that this node has asked the application for itself, because no owner could be asked",
        |of| of.alone,
    ),
    ("cluster_refreshes_refused", "Refresh requests that were refused because this node was cut off", |of| of.refused),
    ("cluster_messages_sent", "Messages to other nodes", |of| of.messages_sent),
    ("cluster_messages_received", "Messages of other nodes", |of| of.messages_received),
    ("cluster_sent_bytes", "Bytes of messages to other nodes", |of| of.bytes_sent),
];

/// Counts for the operator's monitoring.
pub(crate) struct ClusterCollector(pub(super) Arc<Cluster>);

impl fmt::Debug for ClusterCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterCollector")
    }
}

impl Collector for ClusterCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let status = self.0.status();
        for (name, help, read) in GAUGES {
            let metric = ConstGauge::new(i64::try_from(read(&status)).unwrap_or(i64::MAX));
            metric.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        for (name, help, read) in COUNTERS {
            let metric = ConstCounter::new(read(&status));
            metric.encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)?;
        }
        Ok(())
    }
}

impl Cluster {
    /// What `/cluster` of the admin listener shows.
    pub(crate) fn shown(self: &Arc<Self>) -> Arc<dyn Fn() -> Value + Send + Sync> {
        let this = Arc::clone(self);
        Arc::new(move || serde_json::to_value(this.status()).unwrap_or_default())
    }

    pub(crate) fn collector(self: &Arc<Self>) -> ClusterCollector {
        ClusterCollector(Arc::clone(self))
    }
}
