//! The counters of one virtual host's plugin calls, looked up once and then only counted.
//!
//! A label set is an allocation and a hash; a call would pay for three of them.

use std::array;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;

use super::{Activity, AppRequest, CallLabels, Happening, HookLabels, InstanceLabels, Metrics};

/// The hooks, and the ends of their calls, that are kept at hand. Others are counted too, more slowly.
const HOOKS: [&str; 5] = ["check", "fetch", "changed-users", "refresh", "summary"];
const ENDS: [&str; 15] = [
    "ok",
    "unreachable",
    "application-timeout",
    "status",
    "too-large",
    "malformed",
    "misconfigured",
    "trap",
    "timeout",
    "cpu-time",
    "memory",
    "rule",
    "instance",
    "no-room",
    "busy",
];
const EVENTS: [&str; 6] = ["made", "failed", "retired-calls", "retired-memory", "retired-handles", "retired-fresh"];

/// Counts the plugin calls of one virtual host.
pub struct CallMetrics {
    domain: Arc<str>,
    metrics: Arc<Metrics>,
    hooks: [Hook; HOOKS.len()],
    events: [OnceLock<Counter>; EVENTS.len()],
}

#[derive(Default)]
struct Hook {
    /// In the order of [`ENDS`]; filled when first counted, so that only what has happened is shown.
    ends: [OnceLock<Counter>; ENDS.len()],
    seconds: OnceLock<Histogram>,
}

impl CallMetrics {
    pub(super) fn new(domain: &Arc<str>, metrics: &Arc<Metrics>) -> Self {
        Self {
            domain: Arc::clone(domain),
            metrics: Arc::clone(metrics),
            hooks: array::from_fn(|_| Hook::default()),
            events: array::from_fn(|_| OnceLock::new()),
        }
    }

    /// A call of a hook ended; `outcome` is `ok` or an error's kind.
    pub fn call(&self, hook: &'static str, outcome: &'static str, elapsed: Duration) {
        let known = find(&HOOKS, &self.hooks, hook);
        let count = || self.count(hook, outcome);
        match known.and_then(|known| find(&ENDS, &known.ends, outcome)) {
            Some(counter) => counter.get_or_init(count).inc(),
            None => count().inc(),
        };
        let seconds = || self.seconds(hook);
        match known {
            Some(known) => known.seconds.get_or_init(seconds).observe(elapsed.as_secs_f64()),
            None => seconds().observe(elapsed.as_secs_f64()),
        }
    }

    /// An instance was made (`made`) or retired (the reason).
    pub fn instance(&self, event: &'static str) {
        let count = || {
            let labels = InstanceLabels { domain: Arc::clone(&self.domain), event };
            self.metrics.instances.get_or_create(&labels).clone()
        };
        match find(&EVENTS, &self.events, event) {
            Some(counter) => counter.get_or_init(count).inc(),
            None => count().inc(),
        };
    }

    /// What plugins do and ask for.
    pub fn activity(&self) -> &Activity {
        self.metrics.activity()
    }

    /// The application was asked for `user`.
    pub fn asked(&self, user: &Arc<str>, asked: AppRequest) {
        self.activity().asked(&self.domain, user, asked);
    }

    /// A function of the plugin returned (`ok`) or trapped.
    pub fn called(&self, hook: &'static str, user: &str, elapsed: Duration, ok: bool) {
        self.activity().tell(|| Happening::Called { hook, user: user.to_owned(), elapsed, ok });
    }

    /// A response for `user` need not be read: it is the one before.
    pub fn same_response(&self, user: &str) {
        self.activity().tell(|| Happening::SameResponse { user: user.to_owned() });
    }

    fn count(&self, hook: &'static str, outcome: &'static str) -> Counter {
        let labels = CallLabels { domain: Arc::clone(&self.domain), hook, outcome };
        self.metrics.calls.get_or_create(&labels).clone()
    }

    fn seconds(&self, hook: &'static str) -> Histogram {
        let labels = HookLabels { domain: Arc::clone(&self.domain), hook };
        self.metrics.call_seconds.get_or_create(&labels).clone()
    }
}

fn find<'a, T>(names: &[&str], values: &'a [T], name: &str) -> Option<&'a T> {
    names.iter().position(|known| *known == name).and_then(|at| values.get(at))
}
