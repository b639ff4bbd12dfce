//! The first calls of a module that has just taken over.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::plugin::{CallError, WasmPlugin};

/// Calls after which a module is no longer on probation.
const CALLS: u32 = 200;
/// Calls it may fail until then; with one more the module before it is put back. A call that fails is made again on that
/// module, so nobody sees it.
const FAILURES: u32 = 3;

/// Watches a module's first calls.
pub(super) struct Probation {
    previous: Arc<WasmPlugin>,
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

impl Probation {
    pub(super) fn new(previous: Arc<WasmPlugin>) -> Self {
        Self { previous, calls: AtomicU32::new(0), failures: AtomicU32::new(0) }
    }

    /// The module that stands in.
    pub(super) fn previous(&self) -> &Arc<WasmPlugin> {
        &self.previous
    }

    /// Takes note of a call. Each verdict other than [`Verdict::Goes`] is given once.
    pub(super) fn judge<T>(&self, result: &Result<T, CallError>) -> Verdict {
        let failed = result.as_ref().is_err_and(CallError::is_plugins_fault);
        if failed && self.failures.fetch_add(1, Ordering::Relaxed) == FAILURES {
            return Verdict::Failed;
        }
        if self.calls.fetch_add(1, Ordering::Relaxed) + 1 == CALLS && self.failures.load(Ordering::Relaxed) <= FAILURES
        {
            return Verdict::Passed;
        }
        Verdict::Goes
    }
}
