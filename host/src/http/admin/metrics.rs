//! `GET /metrics`: what [`crate::metrics`] counts, and what others know and are asked for at this moment.

use std::fmt;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, HeaderValue};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

use super::{Admin, AdminError};
use crate::http::VirtualHosts;
use crate::metrics::Metrics;
use crate::rosters::Rosters;
use crate::sinks::EventStream;

/// Prometheus asks for this format first.
const FORMAT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Everything that is shown.
pub(super) fn registry(
    hosts: &VirtualHosts,
    events: &Arc<EventStream>,
    metrics: &Metrics,
    collectors: Vec<Box<dyn Collector>>,
) -> Registry {
    let mut registry = Registry::default();
    metrics.register_process(&mut registry);
    let ours = registry.sub_registry_with_prefix("roster_host");
    metrics.register(ours);
    ours.register_collector(Box::new(Gauges { hosts: hosts.clone(), events: Arc::clone(events) }));
    for collector in collectors {
        ours.register_collector(collector);
    }
    registry
}

/// `GET /metrics`
pub(super) async fn show(State(admin): State<Arc<Admin>>) -> Result<Response, AdminError> {
    let mut page = String::new();
    text::encode(&mut page, &admin.registry).map_err(|_| AdminError::Metrics)?;
    let mut response = page.into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(FORMAT));
    Ok(response)
}

struct Gauges {
    hosts: VirtualHosts,
    events: Arc<EventStream>,
}

impl fmt::Debug for Gauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gauges")
    }
}

impl Gauges {
    fn per_domain(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        (name, help, unit): (&str, &str, Option<&Unit>),
        value: impl Fn(&Rosters) -> usize,
    ) -> fmt::Result {
        let mut metric = encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?;
        for rosters in self.hosts.iter() {
            let labels = [("domain", &**rosters.domain())];
            gauge(value(&rosters)).encode(metric.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

impl Collector for Gauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.per_domain(&mut encoder, ("online_users", "Users with a session", None), Rosters::online)?;
        let help = "Users with a session whose roster is missing or old, and for whom the application is asked again";
        self.per_domain(&mut encoder, ("users_awaiting_retry", help, None), Rosters::awaiting_retry)?;
        self.per_domain(&mut encoder, ("cached_rosters", "Rosters in the store", None), |host| host.usage().users)?;
        let store = ("store", "Memory the cached rosters take", Some(&Unit::Bytes));
        self.per_domain(&mut encoder, store, |host| host.usage().bytes)?;
        let help = "Readers of the event stream";
        let metric = encoder.encode_descriptor("event_readers", help, None, MetricType::Gauge)?;
        gauge(self.events.readers()).encode(metric)
    }
}

fn gauge(value: usize) -> ConstGauge<i64> {
    ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX))
}
