//! What is served to nodes, and who may ask.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, FromRequestParts, Path, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Router, http::request::Parts};
use http::{StatusCode, Uri};
use parking_lot::Mutex;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::node::Node;
use super::refusal::Refusal;
use super::{API, Attach, events, sync, users};
use crate::config::{AttachConfig, HttpConfig};
use crate::http::body::{BodyLimits, BodyMemory};
use crate::http::{auth, json, paths};

/// How often the same complaint is made.
const REMINDER: Duration = Duration::from_secs(60);
/// Complaints of different addresses that are told apart.
const MOST_COMPLAINTS: usize = 64;
/// The longest text of others in the log.
const LONGEST_SHOWN: usize = 64;

/// What every request needs.
pub(super) struct Serving {
    attach: Arc<Attach>,
    pub(super) sync_body: BodyLimits,
    pub(super) small_body: BodyLimits,
    /// Ends the event streams.
    pub(super) stop: CancellationToken,
    complaints: Mutex<HashMap<String, Instant>>,
}

/// The service of the listener.
pub(super) fn router(config: &AttachConfig, http: &HttpConfig, attach: Arc<Attach>, stop: CancellationToken) -> Router {
    let limits = |size: usize, most: usize| BodyLimits {
        size,
        pause: http.header_timeout,
        setting: "attach.max_body",
        memory: BodyMemory::new(most, size),
    };
    let serving = Arc::new(Serving {
        attach,
        sync_body: limits(config.max_body, config.max_body.saturating_mul(2)),
        small_body: limits(4 << 10, 4 << 20),
        stop,
        complaints: Mutex::default(),
    });
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
    let node = ItsNode(Arc::clone(node));
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

impl Serving {
    /// Says something about `address` and `what`, once a minute.
    fn complain(&self, address: &str, what: &str, say: impl FnOnce()) {
        let mut told = self.complaints.lock();
        told.retain(|_, at| at.elapsed() < REMINDER);
        let about = format!("{address} {what}");
        if !told.contains_key(&about) && told.len() < MOST_COMPLAINTS {
            told.insert(about, Instant::now());
            drop(told);
            say();
        }
    }
}

/// The node that asks, whose token has been seen.
#[derive(Clone)]
pub(super) struct ItsNode(pub(super) Arc<Node>);

impl FromRequestParts<Arc<Serving>> for ItsNode {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Serving>) -> Result<Self, Refusal> {
        parts.extensions.get::<Self>().cloned().ok_or(Refusal::Unauthorized)
    }
}

/// The user in the path, percent-decoded once.
pub(super) struct ItsUser(pub(super) crate::model::Username);

impl FromRequestParts<Arc<Serving>> for ItsUser {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, serving: &Arc<Serving>) -> Result<Self, Refusal> {
        let path: Result<Path<(String, String)>, _> = Path::from_request_parts(parts, serving).await;
        let text = "the username in the path is not UTF-8 once percent-decoded";
        let Path((_, user)) = path.map_err(|_| Refusal::BadRequest(text.into()))?;
        Ok(Self(crate::model::Username::new(&user)?))
    }
}

/// `GET /attach/v1/{node}`
async fn hello(ItsNode(node): ItsNode) -> Response {
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
