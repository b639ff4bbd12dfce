//! What the instances of all plugins hold, in the terms of Prometheus.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use crate::plugin::PluginEngine;

/// Shows the memory of the engine's instances as `plugin_memory_bytes`.
pub struct PluginMemory(pub PluginEngine);

impl fmt::Debug for PluginMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PluginMemory")
    }
}

impl Collector for PluginMemory {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (limit, held) = self.0.memory();
        let bytes = Some(&Unit::Bytes);
        let help = "Memory that the instances of the plugin and the responses they read hold";
        let mut metric = encoder.encode_descriptor("plugin_memory", help, bytes, MetricType::Gauge)?;
        for (domain, held) in held {
            gauge(held).encode(metric.encode_family(&[("domain", &*domain)])?)?;
        }
        let help =
            "Memory that the instances of all plugins and their responses may hold together (limits.total_memory)";
        gauge(limit).encode(encoder.encode_descriptor("plugin_memory_limit", help, bytes, MetricType::Gauge)?)
    }
}

fn gauge(value: usize) -> ConstGauge<i64> {
    ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX))
}
