//! Does the process do its work? Said by whoever loads plugins, and asked by `/readyz`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

/// What `/readyz` says. New: ready. A virtual host whose plugin is not loaded is reported here by whoever loads it.
///
/// Cheap to clone; clones say the same.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<State>);

#[derive(Debug, Default)]
struct State {
    missing: Mutex<BTreeMap<Arc<str>, String>>,
    stopping: AtomicBool,
}

impl Readiness {
    /// The virtual host `domain` has no plugin, for this reason (one line, no secrets).
    pub fn not_ready(&self, domain: &Arc<str>, reason: impl Into<String>) {
        self.0.missing.lock().insert(Arc::clone(domain), reason.into());
    }

    /// The virtual host `domain` has its plugin.
    pub fn ready(&self, domain: &str) {
        self.0.missing.lock().remove(domain);
    }

    /// Is it about to end? And the virtual hosts without a plugin, with the reasons.
    pub(super) fn now(&self) -> (bool, BTreeMap<Arc<str>, String>) {
        (self.0.stopping.load(Ordering::Relaxed), self.0.missing.lock().clone())
    }

    /// The process is about to end. The server says so itself when it is told to stop.
    pub fn stopping(&self) {
        self.0.stopping.store(true, Ordering::Relaxed);
    }
}
