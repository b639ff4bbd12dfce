//! What is counted, in the terms of Prometheus.
//!
//! Names begin with `roster_host_`. Values that somebody else already keeps (sessions, cached rosters, memory) are read
//! when the metrics are asked for, by [`crate::http`]. Of the process itself, [`process`] tells what every exporter does.
//!
//! [`activity`] is no number: what plugins ask for, for who looks on.
//!
//! Plugin calls are counted twice: by virtual host ([`calls`]) and by [`generation`] of the plugin.

mod activity;
mod calls;
mod generation;
mod histogram;
mod process;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

pub use activity::{Activity, Answer, AppRequest, Happening, Watcher};
pub use calls::CallMetrics;
pub use generation::{Figures, GenerationStats, Used};

use generation::Generations;
use process::Process;

/// Every counter of the process.
pub struct Metrics {
    updates: Family<UpdateLabels, Counter>,
    update_seconds: Family<DomainLabels, Histogram, fn() -> Histogram>,
    calls: Family<CallLabels, Counter>,
    call_seconds: Family<HookLabels, Histogram, fn() -> Histogram>,
    instances: Family<InstanceLabels, Counter>,
    events_lost: Family<SinkLabels, Counter>,
    requests: Family<RequestLabels, Counter>,
    connections_refused: Family<LimitLabels, Counter>,
    requests_delayed: Counter,
    swaps: Family<SwapLabels, Counter>,
    certificates: Family<ListenerLabels, Gauge>,
    generations: Generations,
    activity: Activity,
    started: SystemTime,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DomainLabels {
    domain: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UpdateLabels {
    domain: Arc<str>,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    domain: Arc<str>,
    hook: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HookLabels {
    domain: Arc<str>,
    hook: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InstanceLabels {
    domain: Arc<str>,
    event: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SinkLabels {
    sink: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LimitLabels {
    limit: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SwapLabels {
    domain: String,
    trigger: &'static str,
    outcome: &'static str,
    step: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ListenerLabels {
    listener: &'static str,
}

/// 100 µs to about 26 s.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.0001, 4.0, 10))
}

impl Metrics {
    /// Nothing counted yet.
    pub fn new() -> Arc<Self> {
        Self::remembering(0)
    }

    /// The same, and the latest requests to the application of so many users are remembered.
    pub fn remembering(users: usize) -> Arc<Self> {
        Arc::new(Self {
            updates: Family::default(),
            update_seconds: Family::new_with_constructor(seconds),
            calls: Family::default(),
            call_seconds: Family::new_with_constructor(seconds),
            instances: Family::default(),
            events_lost: Family::default(),
            requests: Family::default(),
            connections_refused: Family::default(),
            requests_delayed: Counter::default(),
            swaps: Family::default(),
            certificates: Family::default(),
            generations: Generations::default(),
            activity: Activity::new(users),
            started: SystemTime::now(),
        })
    }

    /// Makes everything counted here part of `registry`.
    pub fn register(&self, registry: &mut Registry) {
        let help = "Roster updates by outcome: fetched, changed, unchanged, left, or the kind of error";
        registry.register("updates", help, self.updates.clone());
        registry.register_with_unit(
            "update",
            "Time of a roster update, waiting for a permit included",
            Unit::Seconds,
            self.update_seconds.clone(),
        );
        registry.register(
            "plugin_calls",
            "Plugin calls by hook and outcome: ok, or the kind of error",
            self.calls.clone(),
        );
        registry.register_with_unit("plugin_call", "Time of a plugin call", Unit::Seconds, self.call_seconds.clone());
        let help = "Plugin instances: made, failed, retired-calls, retired-memory, retired-handles, retired-fresh";
        registry.register("plugin_instances", help, self.instances.clone());
        registry.register(
            "events_lost",
            "Roster events that a sink did not take, or could not pass on",
            self.events_lost.clone(),
        );
        registry.register("http_requests", "HTTP requests answered", self.requests.clone());
        registry.register(
            "http_connections_refused",
            "HTTP connections closed because of a limit for one address, by its key",
            self.connections_refused.clone(),
        );
        registry.register(
            "http_requests_delayed",
            "HTTP requests that waited because their address sends more than http.requests_per_second",
            self.requests_delayed.clone(),
        );
        let help = "Attempts to swap the plugin: swapped, unchanged, refused, rolled-back, and the last step of each";
        registry.register("plugin_swaps", help, self.swaps.clone());
        registry.register_with_unit(
            "certificate_expiry_timestamp",
            "When the certificate ends: that of http.tls, and of xmpp and attach if they have one of their own",
            Unit::Seconds,
            self.certificates.clone(),
        );
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        registry.register("build", "Which roster-host this is", Info::new(version));
        registry.register_collector(Box::new(self.generations.clone()));
    }

    /// Makes what is known of the process part of `registry`, under the names that every exporter uses.
    pub fn register_process(&self, registry: &mut Registry) {
        registry.register_collector(Box::new(Process { started: self.started }));
    }

    /// The certificate that `listener` (the table of the configuration) shows ends at `end`.
    pub fn certificate_ends(&self, listener: &'static str, end: SystemTime) {
        let seconds = end.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        self.certificates.get_or_create(&ListenerLabels { listener }).set(i64::try_from(seconds).unwrap_or(i64::MAX));
    }

    /// A roster update ended.
    pub fn update(&self, domain: &Arc<str>, outcome: &'static str, elapsed: Duration) {
        self.updates.get_or_create(&UpdateLabels { domain: Arc::clone(domain), outcome }).inc();
        let labels = DomainLabels { domain: Arc::clone(domain) };
        self.update_seconds.get_or_create(&labels).observe(elapsed.as_secs_f64());
    }

    /// What counts the plugin calls of a virtual host.
    pub fn calls_of(self: &Arc<Self>, domain: &Arc<str>) -> CallMetrics {
        CallMetrics::new(domain, self)
    }

    /// Shows what `stats` counts from when it takes over until it is dropped.
    pub fn generation(&self, stats: &Arc<GenerationStats>) {
        self.generations.add(stats);
    }

    /// What plugins do and ask for.
    pub fn activity(&self) -> &Activity {
        &self.activity
    }

    /// An attempt to swap a plugin ended.
    pub fn swap(&self, domain: &str, trigger: &'static str, outcome: &'static str, step: &'static str) {
        self.swaps.get_or_create(&SwapLabels { domain: domain.to_owned(), trigger, outcome, step }).inc();
    }

    /// There is a sink of this name, which has lost nothing yet.
    pub fn sink(&self, sink: &'static str) {
        self.events_lost(sink, 0);
    }

    /// A sink could not pass on so many events that it had taken.
    pub fn events_lost(&self, sink: &'static str, events: u64) {
        self.events_lost.get_or_create(&SinkLabels { sink }).inc_by(events);
    }

    /// A sink did not take an event.
    pub fn event_lost(&self, sink: &'static str) {
        self.events_lost.get_or_create(&SinkLabels { sink }).inc();
    }

    /// A request was answered.
    pub fn request(&self, route: &'static str, status: u16) {
        self.requests.get_or_create(&RequestLabels { route, status }).inc();
    }

    /// A request waited because of a limit for its address.
    pub fn request_delayed(&self) {
        self.requests_delayed.inc();
    }

    /// So many connections were closed because of the limit with this key.
    pub fn connections_refused(&self, limit: &'static str, connections: u64) {
        self.connections_refused.get_or_create(&LimitLabels { limit }).inc_by(connections);
    }
}
