//! Does the process live, and does it do its work?

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract;
use axum::response::Response;
use http::StatusCode;
use parking_lot::Mutex;
use serde_json::json;

use super::Admin;
use crate::http::json;
use crate::swap::Swapper;

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

    /// The process is about to end. The server says so itself when it is told to stop.
    pub fn stopping(&self) {
        self.0.stopping.store(true, Ordering::Relaxed);
    }
}

/// `GET /healthz`
pub(super) async fn live() -> Response {
    json::answer(StatusCode::OK, &json!({ "status": "ok" }))
}

/// `GET /readyz`
pub(super) async fn ready(extract::State(admin): extract::State<Arc<Admin>>) -> Response {
    let stopping = admin.readiness.0.stopping.load(Ordering::Relaxed);
    let missing = admin.readiness.0.missing.lock().clone();
    if !stopping && missing.is_empty() {
        let stand_in =
            |swapper: Arc<Swapper>| Some(json!({ "domain": swapper.domain(), "reason": swapper.stands_in()? }));
        let stand_ins: Vec<_> = admin.swappers.iter().filter_map(stand_in).collect();
        // It serves, and somebody should look at it.
        let answer = match stand_ins.is_empty() {
            true => json!({ "status": "ok" }),
            false => json!({ "status": "ok", "last_good_plugin_stands_in": stand_ins }),
        };
        return json::answer(StatusCode::OK, &answer);
    }
    let hosts: Vec<_> =
        missing.iter().map(|(domain, reason)| json!({ "domain": **domain, "reason": reason })).collect();
    let status = if stopping { "stopping" } else { "not ready" };
    json::answer(StatusCode::SERVICE_UNAVAILABLE, &json!({ "status": status, "hosts": hosts }))
}
