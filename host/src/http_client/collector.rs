//! A client's counters, in the terms of Prometheus.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::error::ErrorKind;
use super::stats::ClientStats;

/// Shows the counters of the clients of all virtual hosts, each under its domain, as `client_...`.
#[derive(Debug)]
pub struct ClientCollector {
    clients: Clients,
}

/// The domains of virtual hosts and the counters of their clients, which come and go while the host runs.
pub type Clients = Arc<ArcSwap<Vec<(Arc<str>, Arc<ClientStats>)>>>;

/// A counter: its name, what it is, and where to read it.
type Counter = (&'static str, &'static str, fn(&ClientStats) -> u64);

const COUNTERS: [Counter; 5] = [
    ("client_requests", "Requests of the plugin to the application", ClientStats::requests),
    ("client_redirects", "Redirects followed", ClientStats::redirects),
    ("client_retries", "Requests sent again because the server had just closed the connection", ClientStats::retries),
    ("client_response_bytes", "Bytes of response bodies received", ClientStats::bytes_in),
    ("client_connections_opened", "Connections opened to applications", ClientStats::connections_opened),
];

impl ClientCollector {
    /// For these domains and the counters of their clients.
    pub fn new(clients: Clients) -> Self {
        Self { clients }
    }
}

impl Collector for ClientCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for (name, help, read) in COUNTERS {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (domain, stats) in self.clients.load().iter() {
                let labels = [("domain", &**domain)];
                ConstCounter::new(read(stats)).encode(metric.encode_family(&labels)?)?;
            }
        }
        let mut metric = encoder.encode_descriptor(
            "client_errors",
            "HTTP requests that failed, by kind",
            None,
            MetricType::Counter,
        )?;
        for (domain, stats) in self.clients.load().iter() {
            for kind in ErrorKind::ALL {
                let labels = [("domain", &**domain), ("kind", kind.as_str())];
                ConstCounter::new(stats.errors(*kind)).encode(metric.encode_family(&labels)?)?;
            }
        }
        let help = "Connections to applications that are open";
        let mut metric = encoder.encode_descriptor("client_connections_open", help, None, MetricType::Gauge)?;
        for (domain, stats) in self.clients.load().iter() {
            let labels = [("domain", &**domain)];
            let open = i64::try_from(stats.connections_open()).unwrap_or(i64::MAX);
            ConstGauge::new(open).encode(metric.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
