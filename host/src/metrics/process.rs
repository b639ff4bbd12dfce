//! The process: memory, descriptors and its start, where the system says so as Linux does.

use std::fmt;
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use rustix::process::{Resource, getrlimit};

/// See the module.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) started: SystemTime,
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let started = self.started.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let (seconds, bytes) = (Some(&Unit::Seconds), Some(&Unit::Bytes));
        let start =
            encoder.encode_descriptor("process_start_time", "When the process started", seconds, MetricType::Gauge)?;
        ConstGauge::new(started).encode(start)?;
        let open = fs::read_dir("/proc/self/fd").ok().map(Iterator::count);
        let most = getrlimit(Resource::Nofile).current.and_then(|most| usize::try_from(most).ok());
        for (name, help, unit, value) in [
            ("process_resident_memory", "Resident memory (Linux)", bytes, resident_memory()),
            ("process_open_fds", "Descriptors (files and connections) that are open (Linux)", None, open),
            ("process_max_fds", "Descriptors that may be open (Linux)", None, most),
        ] {
            let Some(value) = value else { continue };
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?)?;
        }
        Ok(())
    }
}

/// Bytes.
fn resident_memory() -> Option<usize> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
