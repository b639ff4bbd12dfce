//! What is served to nodes, and who may ask.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use http::{StatusCode, Uri};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::refusal::Refusal;
use super::serving::{RequestingNode, Serving};
use super::{API, Attach, events, sync, users};
use crate::config::{AttachConfig, HttpConfig};
use crate::http::access::auth;
use crate::http::answers::json;
use crate::http::body::{BodyLimits, BodyMemory};
use crate::http::requests::paths;

/// The longest text of others in the log.
const LONGEST_SHOWN: usize = 64;

/// The service of the listener.
pub(super) fn router(config: &AttachConfig, http: &HttpConfig, attach: Arc<Attach>, stop: CancellationToken) -> Router {
    let limits = |size: usize, most: usize| BodyLimits {
        size,
        pause: http.header_timeout,
        setting: "attach.max_body",
        memory: BodyMemory::new(most, size),
    };
    let sync_body = limits(config.max_body, config.max_body.saturating_mul(2));
    let serving = Arc::new(Serving::new(attach, sync_body, limits(4 << 10, 4 << 20), stop));
    let nodes = Router::new()
        .route(paths::NODE, get(hello))
        .route(paths::NODE_SYNC, post(sync::sync))
        .route(paths::NODE_USER, put(users::arrive).delete(users::leave))
        .route(paths::NODE_EVENTS, get(events::follow))
        .route(paths::NODE_ACK, post(events::ack))
        .route(paths::NODE_ROSTER, get(users::roster))
        .method_not_allowed_fallback(async || Refusal::Method)
        .fallback(unknown)
        .layer(middleware::from_fn_with_state(Arc::clone(&serving), gate));
    nodes.with_state(serving)
}

/// Every path begins with a node, whose token is needed.
async fn gate(State(serving): State<Arc<Serving>>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip().to_string());
    let peer = peer.unwrap_or_default();
    let (version, name) = match parts(request.uri()) {
        Some(parts) => parts,
        None => return Refusal::NotFound.into_response(),
    };
    if version != format!("v{API}") {
        let version: String = version.chars().take(LONGEST_SHOWN).collect();
        serving.complain(&peer, &version, || {
            warn!(address = peer, version, "a server speaks a version of the attach API that this host does not");
        });
        return Refusal::Version(version).into_response();
    }
    let Some(node) = serving.attach.nodes.iter().find(|node| *node.name == *name) else {
        let name: String = name.chars().take(LONGEST_SHOWN).collect();
        serving
            .complain(&peer, &name, || warn!(address = peer, node = name, "there is no such node ([[attach.node]])"));
        return Refusal::NoNode(name).into_response();
    };
    if !auth::passes(Some(&node.token), request.headers()) {
        serving.complain(&peer, &node.name, || {
            warn!(address = peer, node = %node.name, "a server has no token, or not the one of the node (attach.node.token)");
        });
        return Refusal::Unauthorized.into_response();
    }
    let node = RequestingNode(Arc::clone(node));
    request.extensions_mut().insert(node);
    next.run(request).await
}

/// The version and the node in the path; names are written without escapes.
fn parts(uri: &Uri) -> Option<(&str, &str)> {
    let mut parts = uri.path().strip_prefix("/attach/")?.split('/');
    Some((parts.next()?, parts.next().unwrap_or_default()))
}

async fn unknown() -> Refusal {
    Refusal::NotFound
}

/// `GET /attach/v1/{node}`
async fn hello(RequestingNode(node): RequestingNode) -> Response {
    json::answer(
        StatusCode::OK,
        &json!({
            "api": API,
            "host": concat!("roster-host ", env!("CARGO_PKG_VERSION")),
            "node": *node.name,
            "domain": *node.domain,
            "epoch": *node.epoch(),
            "lease_seconds": seconds(node.lease),
            "keepalive_seconds": seconds(node.keepalive),
            "max_users": node.max_users,
        }),
    )
}

/// A whole number where it is one.
fn seconds(time: Duration) -> serde_json::Value {
    if time.subsec_nanos() == 0 { time.as_secs().into() } else { time.as_secs_f64().into() }
}
