//! The endpoint's counters, in the terms of Prometheus.

use std::fmt;
use std::sync::{Arc, OnceLock};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use roster_xmpp::counters::Counters;

/// Shows the endpoint's counters as `xmpp_...`, once there is an endpoint.
#[derive(Debug)]
pub(crate) struct XmppCollector(pub(super) Arc<OnceLock<Arc<Counters>>>);

/// A number: its name, what it is, and where to read it.
type Number = (&'static str, &'static str, fn(&Counters) -> u64);

const GAUGES: [Number; 3] = [
    ("xmpp_connections_open", "Connections of XMPP clients that are open", |of| of.connections.get()),
    ("xmpp_sessions_open", "XMPP sessions that exist, those that wait for their clients included", |of| {
        of.sessions.get()
    }),
    ("xmpp_sessions_hibernating", "XMPP sessions that wait for their clients to come back", |of| {
        of.sessions_hibernating.get()
    }),
];

const COUNTERS: [Number; 6] = [
    ("xmpp_connections", "Connections of XMPP clients", |of| of.connections_total.get()),
    ("xmpp_connections_refused", "Connections refused because there were too many", |of| of.connections_refused.get()),
    ("xmpp_sessions", "XMPP sessions that began", |of| of.sessions_total.get()),
    ("xmpp_sessions_resumed", "XMPP sessions that a client has come back to", |of| of.sessions_resumed.get()),
    ("xmpp_overflows", "XMPP sessions ended because their client did not read", |of| of.overflows.get()),
    ("xmpp_stream_errors", "XMPP streams ended with an error, whoever was at fault", |of| of.stream_errors.get()),
];

/// A label's name and its values.
type Labelled = (&'static str, &'static str, &'static str, &'static [(&'static str, fn(&Counters) -> u64)]);

const LABELLED: [Labelled; 2] = [
    (
        "xmpp_logins",
        "Logins of XMPP clients: ok, failed, throttled (turned away unseen)",
        "outcome",
        &[
            ("ok", |of| of.logins.get()),
            ("failed", |of| of.login_failures.get()),
            ("throttled", |of| of.logins_throttled.get()),
        ],
    ),
    (
        "xmpp_stanzas",
        "Stanzas from XMPP clients (in) and to them (out)",
        "direction",
        &[("in", |of| of.stanzas_in.get()), ("out", |of| of.stanzas_out.get())],
    ),
];

impl Collector for XmppCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(counters) = self.0.get() else { return Ok(()) };
        for (name, help, read) in GAUGES {
            let number = i64::try_from(read(counters)).unwrap_or(i64::MAX);
            ConstGauge::new(number).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        for (name, help, read) in COUNTERS {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            ConstCounter::new(read(counters)).encode(metric)?;
        }
        for (name, help, label, values) in LABELLED {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (value, read) in values {
                let labels = [(label, *value)];
                ConstCounter::new(read(counters)).encode(metric.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}
