//! What is counted, in the terms of Prometheus.
//!
//! Names begin with `roster_host_`. Values that somebody else already keeps (sessions, cached rosters, memory) are read
//! when the metrics are asked for, by [`crate::http`].

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// Every counter of the process.
pub struct Metrics {
    updates: Family<UpdateLabels, Counter>,
    update_seconds: Family<DomainLabels, Histogram, fn() -> Histogram>,
    calls: Family<CallLabels, Counter>,
    call_seconds: Family<HookLabels, Histogram, fn() -> Histogram>,
    instances: Family<InstanceLabels, Counter>,
    events_lost: Family<SinkLabels, Counter>,
    requests: Family<RequestLabels, Counter>,
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

/// 100 µs to about 26 s.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.0001, 4.0, 10))
}

impl Metrics {
    /// Nothing counted yet.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            updates: Family::default(),
            update_seconds: Family::new_with_constructor(seconds),
            calls: Family::default(),
            call_seconds: Family::new_with_constructor(seconds),
            instances: Family::default(),
            events_lost: Family::default(),
            requests: Family::default(),
        })
    }

    /// Makes everything counted here part of `registry`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("updates", "Roster updates by outcome", self.updates.clone());
        registry.register_with_unit(
            "update",
            "Time of a roster update, waiting for its turn included",
            Unit::Seconds,
            self.update_seconds.clone(),
        );
        registry.register("plugin_calls", "Plugin calls by hook and outcome", self.calls.clone());
        registry.register_with_unit("plugin_call", "Time of a plugin call", Unit::Seconds, self.call_seconds.clone());
        registry.register("plugin_instances", "Plugin instances made, and retired by reason", self.instances.clone());
        registry.register("events_lost", "Roster events that a sink did not take", self.events_lost.clone());
        registry.register("http_requests", "HTTP requests answered", self.requests.clone());
    }

    /// A roster update ended.
    pub fn update(&self, domain: &Arc<str>, outcome: &'static str, elapsed: Duration) {
        self.updates.get_or_create(&UpdateLabels { domain: Arc::clone(domain), outcome }).inc();
        let labels = DomainLabels { domain: Arc::clone(domain) };
        self.update_seconds.get_or_create(&labels).observe(elapsed.as_secs_f64());
    }

    /// A call of a plugin's hook ended; `outcome` is `ok` or an error's kind.
    pub fn call(&self, domain: &Arc<str>, hook: &'static str, outcome: &'static str, elapsed: Duration) {
        self.calls.get_or_create(&CallLabels { domain: Arc::clone(domain), hook, outcome }).inc();
        let labels = HookLabels { domain: Arc::clone(domain), hook };
        self.call_seconds.get_or_create(&labels).observe(elapsed.as_secs_f64());
    }

    /// A plugin instance was made (`made`) or retired (the reason).
    pub fn instance(&self, domain: &Arc<str>, event: &'static str) {
        self.instances.get_or_create(&InstanceLabels { domain: Arc::clone(domain), event }).inc();
    }

    /// A sink did not take an event.
    pub fn event_lost(&self, sink: &'static str) {
        self.events_lost.get_or_create(&SinkLabels { sink }).inc();
    }

    /// A request was answered.
    pub fn request(&self, route: &'static str, status: u16) {
        self.requests.get_or_create(&RequestLabels { route, status }).inc();
    }
}
