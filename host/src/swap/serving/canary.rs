//! The first calls of a module that has just taken over.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde::Serialize;

use crate::config::SwapConfig;
use crate::plugin::{CallError, FetchError, WasmPlugin};

/// Watches a module's first calls.
pub(in crate::swap) struct Canary {
    previous: Arc<WasmPlugin>,
    /// Calls after which it is over.
    most_calls: u32,
    /// Calls the module may fail until then; with one more the module before it is put back.
    most_failures: u32,
    calls: AtomicU32,
    failures: AtomicU32,
}

/// What a call means for the module.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::swap) enum Verdict {
    /// Nothing yet.
    Goes,
    /// This was the last call that is watched.
    Passed,
    /// This was one failure too many.
    Failed,
}

/// May the module be at fault for this error? What came in may be just as well: a body that no module can read within the
/// limits, an answer that none can use. So the module before it makes the call again, and only if that one does better is it the
/// module's fault.
pub(in crate::swap) fn is_doubtful(error: &CallError) -> bool {
    match error {
        CallError::Fetch(failure) => match failure.error {
            FetchError::Malformed(_) | FetchError::Status(_) | FetchError::Misconfigured(_) | FetchError::TooLarge => {
                true
            }
            // The application is down: another call would only add to it.
            FetchError::Unreachable(_) | FetchError::TimedOut => false,
        },
        // Where this host is busy another call would, too.
        error => error.is_plugins_fault(),
    }
}

/// How far a canary is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// Calls it has served, those that were made again included.
    pub calls: u32,
    /// After so many it is over (`swap.canary_calls`).
    pub most_calls: u32,
    /// Calls that it failed and the module before it did not.
    pub failures: u32,
    /// With one more, the module before it is put back (`swap.canary_failures`).
    pub most_failures: u32,
}

impl Canary {
    /// `None`: the operator wants none.
    pub(in crate::swap) fn new(previous: Arc<WasmPlugin>, config: &SwapConfig) -> Option<Self> {
        (config.canary_calls > 0).then(|| Self {
            previous,
            most_calls: config.canary_calls,
            most_failures: config.canary_failures,
            calls: AtomicU32::new(0),
            failures: AtomicU32::new(0),
        })
    }

    /// The module that stands in.
    pub(in crate::swap) fn previous(&self) -> &Arc<WasmPlugin> {
        &self.previous
    }

    /// How far it is.
    pub(in crate::swap) fn progress(&self) -> Progress {
        Progress {
            calls: self.calls.load(Ordering::Relaxed).min(self.most_calls),
            most_calls: self.most_calls,
            failures: self.failures.load(Ordering::Relaxed),
            most_failures: self.most_failures,
        }
    }

    /// Takes note of a call. Each verdict other than [`Verdict::Goes`] is given once.
    pub(in crate::swap) fn judge(&self, failed: bool) -> Verdict {
        if failed && self.failures.fetch_add(1, Ordering::Relaxed) == self.most_failures {
            return Verdict::Failed;
        }
        let last = self.calls.fetch_add(1, Ordering::Relaxed).saturating_add(1) == self.most_calls;
        if last && self.failures.load(Ordering::Relaxed) <= self.most_failures {
            return Verdict::Passed;
        }
        Verdict::Goes
    }
}
