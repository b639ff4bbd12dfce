//! The nodes as the operator sees them: JSON for `GET /attach` of the admin listener, and metrics.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use serde_json::{Value, json};

use super::node::Node;
use super::{API, Attach};

/// Everything there is to say.
pub(super) fn show(nodes: &[Arc<Node>]) -> Value {
    json!({ "api": API, "nodes": nodes.iter().map(|node| one(node)).collect::<Vec<_>>() })
}

fn one(node: &Node) -> Value {
    let standing = node.standing();
    let seen = node.seen.lock();
    let stream = seen.stream.as_ref().map(|(address, agent, since)| {
        json!({ "address": address, "user_agent": agent, "open_seconds": seconds_since(*since) })
    });
    json!({
        "node": *node.name,
        "domain": *node.domain,
        "live": standing.live,
        "stream": stream,
        "users": standing.users,
        "seq": standing.seq,
        "ack": standing.acked,
        "lag": standing.seq.saturating_sub(standing.acked),
        "last_sync_seconds": seen.last_sync.map(seconds_since),
        "syncs": node.counts.syncs.load(Ordering::Relaxed),
        "resyncs": node.counts.resyncs.load(Ordering::Relaxed),
        "unconfirmed": node.counts.unconfirmed.load(Ordering::Relaxed),
        "leases_expired": node.counts.leases.load(Ordering::Relaxed),
    })
}

fn seconds_since(time: SystemTime) -> u64 {
    time.elapsed().map_or(0, |elapsed| elapsed.as_secs())
}

/// A number: its name, what it is, and where to read it.
type Number = (&'static str, &'static str, fn(&Node) -> u64);

const GAUGES: [Number; 3] = [
    ("attach_node_live", "1 while the attached server has an event stream", |of| u64::from(of.standing().live)),
    ("attach_users", "Users of the attached server", |of| of.standing().users as u64),
    ("attach_lag", "Events that the attached server has not acknowledged", |of| {
        let standing = of.standing();
        standing.seq.saturating_sub(standing.acked)
    }),
];

const COUNTERS: [Number; 5] = [
    ("attach_events", "Events for the attached server", |of| of.standing().seq),
    ("attach_syncs", "Times that the attached server has said which users it has", |of| {
        of.counts.syncs.load(Ordering::Relaxed)
    }),
    ("attach_resyncs", "Times that the attached server was told to say again which users it has", |of| {
        of.counts.resyncs.load(Ordering::Relaxed)
    }),
    ("attach_unconfirmed_refreshes", "Refreshes answered before the attached server has confirmed them", |of| {
        of.counts.unconfirmed.load(Ordering::Relaxed)
    }),
    ("attach_leases_expired", "Times that the attached server lost its users because it had no event stream", |of| {
        of.counts.leases.load(Ordering::Relaxed)
    }),
];

/// Shows a few numbers of each node.
pub(crate) struct AttachCollector(pub(super) Arc<Attach>);

impl fmt::Debug for AttachCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AttachCollector")
    }
}

impl Collector for AttachCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for (name, help, read) in GAUGES {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for node in &self.0.nodes {
                let number = i64::try_from(read(node)).unwrap_or(i64::MAX);
                ConstGauge::new(number).encode(metric.encode_family(&[("node", &*node.name)])?)?;
            }
        }
        for (name, help, read) in COUNTERS {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for node in &self.0.nodes {
                ConstCounter::new(read(node)).encode(metric.encode_family(&[("node", &*node.name)])?)?;
            }
        }
        Ok(())
    }
}
