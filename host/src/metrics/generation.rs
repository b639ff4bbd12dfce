//! What one generation of a plugin has done: a module from the moment it takes over until it is forgotten.
//!
//! Every generation counts for itself, without a lock and without looking up labels, and its series end with it. So there
//! are as many series as generations are kept, however often plugins are swapped.

use std::array;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use serde::Serialize;

use super::histogram::{Counted, Times};

/// The hooks that are told apart.
const HOOKS: [&str; 5] = ["check", "fetch", "changed-users", "refresh", "summary"];
/// How calls end, the plugin's own faults first; all that an application is to blame for is one.
const ENDS: [&str; 9] = ["ok", "trap", "timeout", "cpu-time", "memory", "rule", "instance", "busy", "application"];

/// Counts for one generation.
#[derive(Debug)]
pub struct GenerationStats {
    domain: Arc<str>,
    /// The beginning of the digest of its code.
    digest: String,
    /// 0 until it takes over.
    number: AtomicU64,
    ends: [AtomicU64; ENDS.len()],
    /// Invalid results, such as a roster with a contact twice.
    malformed: AtomicU64,
    cpu_nanos: AtomicU64,
    peak_memory: AtomicU64,
    fetched: AtomicU64,
    times: [Times; HOOKS.len()],
}

/// What one call has used of the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Time it computed.
    pub cpu: Duration,
    /// Linear memory of its instance, bytes.
    pub memory: usize,
    /// Bodies of responses it got, bytes.
    pub fetched: usize,
}

/// What a generation has done so far.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// Calls that have ended.
    pub calls: u64,
    /// Of these, those that trapped.
    pub traps: u64,
    /// Of these, those that took or computed too long.
    pub timeouts: u64,
    /// Of these, those that broke another limit or rule.
    pub broken_rules: u64,
    /// Invalid results. Looked for while a generation is new.
    pub malformed: u64,
    /// Calls in which the plugin said that the application's roster cannot be had.
    pub application_errors: u64,
    /// Time the plugin has computed, seconds.
    pub cpu_seconds: f64,
    /// The most linear memory an instance had, bytes.
    pub peak_memory: u64,
    /// Bodies of responses, bytes.
    pub bytes_fetched: u64,
    /// Half of the calls took no longer than this, seconds (a bound of the histogram).
    pub p50_seconds: Option<f64>,
    /// 99 of 100 calls took no longer than this.
    pub p99_seconds: Option<f64>,
}

impl GenerationStats {
    /// Nothing counted; not shown before [`GenerationStats::serve_as`].
    pub fn new(domain: &Arc<str>, digest: &str) -> Self {
        Self {
            domain: Arc::clone(domain),
            digest: digest.chars().take(8).collect(),
            number: AtomicU64::new(0),
            ends: array::from_fn(|_| AtomicU64::new(0)),
            malformed: AtomicU64::new(0),
            cpu_nanos: AtomicU64::new(0),
            peak_memory: AtomicU64::new(0),
            fetched: AtomicU64::new(0),
            times: array::from_fn(|_| Times::default()),
        }
    }

    /// It takes over as generation `number`, from 1.
    pub fn serve_as(&self, number: u64) {
        self.number.store(number, Ordering::Relaxed);
    }

    /// Which generation it is; 0 if it has never served.
    pub fn number(&self) -> u64 {
        self.number.load(Ordering::Relaxed)
    }

    /// A call ended; `outcome` is `ok` or an error's kind.
    pub fn call(&self, hook: &str, outcome: &str, elapsed: Duration) {
        let end = ENDS.iter().position(|end| *end == outcome).unwrap_or(ENDS.len() - 1);
        if let Some(end) = self.ends.get(end) {
            end.fetch_add(1, Ordering::Relaxed);
        }
        if let Some((_, times)) = HOOKS.iter().zip(&self.times).find(|(known, _)| **known == hook) {
            times.observe(elapsed);
        }
    }

    /// A result was invalid.
    pub fn malformed(&self) {
        self.malformed.fetch_add(1, Ordering::Relaxed);
    }

    /// What a call has used.
    pub fn used(&self, used: Used) {
        self.cpu_nanos.fetch_add(u64::try_from(used.cpu.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.fetched(used.fetched);
        // Read first: it hardly ever grows, and all cores would write to it.
        if self.peak_memory.load(Ordering::Relaxed) < used.memory as u64 {
            self.peak_memory.fetch_max(used.memory as u64, Ordering::Relaxed);
        }
    }

    /// A call has received so many bytes of bodies.
    pub fn fetched(&self, bytes: usize) {
        if bytes > 0 {
            self.fetched.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }

    fn ended(&self, end: &str) -> u64 {
        ENDS.iter()
            .zip(&self.ends)
            .find(|(known, _)| **known == end)
            .map_or(0, |(_, count)| count.load(Ordering::Relaxed))
    }

    /// What has been counted.
    pub fn figures(&self) -> Figures {
        let mut times = Counted::default();
        self.times.iter().for_each(|hook| times.add(hook.counted()));
        Figures {
            calls: self.ends.iter().map(|count| count.load(Ordering::Relaxed)).sum(),
            traps: self.ended("trap"),
            timeouts: self.ended("timeout") + self.ended("cpu-time"),
            broken_rules: self.ended("memory") + self.ended("rule") + self.ended("instance"),
            malformed: self.malformed.load(Ordering::Relaxed),
            application_errors: self.ended("application"),
            cpu_seconds: self.cpu_seconds(),
            peak_memory: self.peak_memory.load(Ordering::Relaxed),
            bytes_fetched: self.fetched.load(Ordering::Relaxed),
            p50_seconds: times.quantile(0.5),
            p99_seconds: times.quantile(0.99),
        }
    }

    fn cpu_seconds(&self) -> f64 {
        Duration::from_nanos(self.cpu_nanos.load(Ordering::Relaxed)).as_secs_f64()
    }

    fn labels<'a>(&'a self, number: &'a str) -> [(&'static str, &'a str); 3] {
        [("domain", &*self.domain), ("generation", number), ("digest", &self.digest)]
    }
}

/// The generations that are there.
#[derive(Clone, Default)]
pub(super) struct Generations(Arc<Mutex<Vec<Weak<GenerationStats>>>>);

impl Generations {
    pub(super) fn add(&self, stats: &Arc<GenerationStats>) {
        let mut all = self.0.lock();
        all.retain(|known| known.strong_count() > 0);
        all.push(Arc::downgrade(stats));
    }

    /// Those that serve or have served.
    fn served(&self) -> Vec<(String, Arc<GenerationStats>)> {
        let all: Vec<_> = self.0.lock().iter().filter_map(Weak::upgrade).collect();
        let served = all.into_iter().filter(|stats| stats.number() > 0);
        served.map(|stats| (stats.number().to_string(), stats)).collect()
    }
}

impl fmt::Debug for Generations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Generations")
    }
}

impl Collector for Generations {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let served = self.served();
        let help =
            "Calls of one generation of the plugin, by how they ended; errors of the application are one outcome";
        let mut metric = encoder.encode_descriptor("generation_calls", help, None, MetricType::Counter)?;
        for (number, stats) in &served {
            for (end, count) in ENDS.iter().zip(&stats.ends) {
                let [domain, generation, digest] = stats.labels(number);
                let labels = [domain, generation, digest, ("outcome", *end)];
                ConstCounter::new(count.load(Ordering::Relaxed)).encode(metric.encode_family(&labels)?)?;
            }
        }
        let help = "Time of the calls of one generation";
        let seconds = Some(&Unit::Seconds);
        let mut metric = encoder.encode_descriptor("generation_call", help, seconds, MetricType::Histogram)?;
        for (number, stats) in &served {
            for (hook, times) in HOOKS.iter().zip(&stats.times) {
                let [domain, generation, digest] = stats.labels(number);
                let labels = [domain, generation, digest, ("hook", *hook)];
                let Counted { buckets, count, sum } = times.counted();
                metric.encode_family(&labels)?.encode_histogram::<[(&str, &str); 0]>(sum, count, &buckets, None)?;
            }
        }
        counters(&mut encoder, &served, "generation_cpu", "Time that the generation has computed", seconds, |stats| {
            stats.cpu_seconds()
        })?;
        let bytes = Some(&Unit::Bytes);
        counters(
            &mut encoder,
            &served,
            "generation_fetched",
            "Bodies of the responses that the generation was given",
            bytes,
            |stats| stats.fetched.load(Ordering::Relaxed) as f64,
        )?;
        counters(&mut encoder, &served, "generation_malformed", "Invalid results of the generation", None, |stats| {
            stats.malformed.load(Ordering::Relaxed) as f64
        })?;
        let help = "The most linear memory that an instance of the generation had";
        let mut metric = encoder.encode_descriptor("generation_peak_memory", help, bytes, MetricType::Gauge)?;
        for (number, stats) in &served {
            let peak = i64::try_from(stats.peak_memory.load(Ordering::Relaxed)).unwrap_or(i64::MAX);
            ConstGauge::new(peak).encode(metric.encode_family(&stats.labels(number))?)?;
        }
        Ok(())
    }
}

fn counters(
    encoder: &mut DescriptorEncoder<'_>,
    served: &[(String, Arc<GenerationStats>)],
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    value: impl Fn(&GenerationStats) -> f64,
) -> fmt::Result {
    let mut metric = encoder.encode_descriptor(name, help, unit, MetricType::Counter)?;
    for (number, stats) in served {
        ConstCounter::new(value(stats)).encode(metric.encode_family(&stats.labels(number))?)?;
    }
    Ok(())
}
