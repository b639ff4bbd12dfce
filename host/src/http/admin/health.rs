//! Does the process live, and does it do its work?

use std::sync::Arc;

use axum::extract;
use axum::response::Response;
use http::StatusCode;
use serde_json::json;

use super::Admin;
use crate::http::answers::json;
use crate::swap::Swapper;

/// `GET /healthz`
pub(super) async fn live() -> Response {
    json::answer(StatusCode::OK, &json!({ "status": "ok" }))
}

/// `GET /readyz`
pub(super) async fn ready(extract::State(admin): extract::State<Arc<Admin>>) -> Response {
    let (stopping, missing) = admin.readiness.now();
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
