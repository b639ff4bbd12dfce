//! The first calls of a module that has just taken over.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::config::SwapConfig;
use crate::plugin::{CallError, FetchError, WasmPlugin};

/// Watches a module's first calls.
pub(super) struct Probation {
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
pub(super) enum Verdict {
    /// Nothing yet.
    Goes,
    /// This was the last call of the probation.
    Passed,
    /// This was one failure too many.
    Failed,
}

/// Why a result is not taken as it is while a module is new: the module before it makes the call again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// The module failed: a trap, a limit. The application had no part in it.
    Module,
    /// A roster that cannot be, or an answer of the application that the module cannot use. The module failed if the one
    /// before it does better.
    Result,
}

impl Doubt {
    /// What to think of an error.
    pub(super) fn about(error: &CallError) -> Option<Self> {
        match error {
            CallError::Fetch(failure) => match failure.error {
                FetchError::Malformed(_)
                | FetchError::Status(_)
                | FetchError::Misconfigured(_)
                | FetchError::TooLarge => Some(Self::Result),
                // The application is down: another call would only add to it.
                FetchError::Unreachable(_) | FetchError::TimedOut => None,
            },
            error if error.is_plugins_fault() => Some(Self::Module),
            // This host is busy: as above.
            _ => None,
        }
    }
}

impl Probation {
    /// `None`: the operator wants none.
    pub(super) fn new(previous: Arc<WasmPlugin>, config: &SwapConfig) -> Option<Self> {
        (config.probation_calls > 0).then(|| Self {
            previous,
            most_calls: config.probation_calls,
            most_failures: config.probation_failures,
            calls: AtomicU32::new(0),
            failures: AtomicU32::new(0),
        })
    }

    /// The module that stands in.
    pub(super) fn previous(&self) -> &Arc<WasmPlugin> {
        &self.previous
    }

    /// Takes note of a call. Each verdict other than [`Verdict::Goes`] is given once.
    pub(super) fn judge(&self, failed: bool) -> Verdict {
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
