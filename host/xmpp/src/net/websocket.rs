//! XMPP over WebSocket (RFC 7395), on somebody else's HTTP listener, and how clients find it (XEP-0156).

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, FromRequestParts, Request, State, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio_util::task::TaskTracker;

use super::listen::Places;
use super::transport::Transport;
use super::wire::Wire;
use crate::session::connection::{Shared, serve};
use crate::stream::writer::escape_attribute;

/// Where clients connect.
pub const PATH: &str = "/xmpp-websocket";
/// Where they learn of it (XEP-0156), as XML.
pub const HOST_META: &str = "/.well-known/host-meta";
/// The same as JSON.
pub const HOST_META_JSON: &str = "/.well-known/host-meta.json";
/// The library's buffers, each, bytes: a session that is idle keeps them.
const BUFFER: usize = 4096;

#[derive(Clone)]
pub(crate) struct Web {
    pub(crate) shared: Arc<Shared>,
    pub(crate) places: Arc<Places>,
    pub(crate) tasks: TaskTracker,
    /// Whether the listener has TLS.
    pub(crate) encrypted: bool,
}

pub(crate) fn router(web: Web) -> Router {
    Router::new()
        .route(PATH, get(upgrade))
        .route(HOST_META, get(host_meta))
        .route(HOST_META_JSON, get(host_meta_json))
        .with_state(web)
}

async fn upgrade(State(web): State<Web>, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    let address = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    // A listener that does not say who is there: all its clients are one address.
    let address = address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        Ok(upgrade) => upgrade.protocols(["xmpp"]),
        Err(rejection) => return rejection.into_response(),
    };
    if upgrade.selected_protocol().is_none() {
        return (StatusCode::BAD_REQUEST, "the subprotocol has to be \"xmpp\" (RFC 7395)\n").into_response();
    }
    let Some(place) = web.places.take(address) else {
        return (StatusCode::SERVICE_UNAVAILABLE, "there are too many connections\n").into_response();
    };
    let most = web.shared.config.limits.stanza.bytes;
    let upgrade = upgrade
        .read_buffer_size(BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(usize::MAX)
        .max_message_size(most)
        .max_frame_size(most);
    upgrade.on_upgrade(move |socket| {
        let Web { shared, tasks, encrypted, .. } = web;
        let transport = Transport::WebSocket(Box::new(socket));
        let wire = Box::new(Wire::new(transport, &shared.config.limits, &shared.config.timeouts));
        tasks.track_future(serve(shared, wire, address, encrypted, place))
    })
}

/// The URL the operator gave, or as this client reaches it; the domain's name where it does not say how it came here.
fn url(web: &Web, headers: &HeaderMap) -> String {
    if let Some(url) = &web.shared.config.websocket_url {
        return url.clone();
    }
    let scheme = if web.encrypted { "wss" } else { "ws" };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let plain = |host: &&str| host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b));
    let host = host.filter(plain).or_else(|| web.shared.domains.keys().next().map(String::as_str)).unwrap_or_default();
    format!("{scheme}://{host}{PATH}")
}

async fn host_meta(State(web): State<Web>, headers: HeaderMap) -> Response {
    let mut body =
        String::from("<?xml version='1.0' encoding='utf-8'?>\n<XRD xmlns='http://docs.oasis-open.org/ns/xri/xrd-1.0'>");
    body.push_str("<Link rel='urn:xmpp:alt-connections:websocket' href='");
    escape_attribute(&mut body, &url(&web, &headers));
    body.push_str("'/></XRD>\n");
    anywhere("application/xrd+xml", body)
}

async fn host_meta_json(State(web): State<Web>, headers: HeaderMap) -> Response {
    let mut body = String::new();
    let url = url(&web, &headers);
    // No URL has them as such.
    let url = url.replace('\\', "%5C").replace('"', "%22");
    let _ = writeln!(body, r#"{{"links":[{{"rel":"urn:xmpp:alt-connections:websocket","href":"{url}"}}]}}"#);
    anywhere("application/json", body)
}

/// Browsers ask from the pages of any site (XEP-0156 section 3.2); there is no secret in it.
fn anywhere(kind: &'static str, body: String) -> Response {
    ([(header::CONTENT_TYPE, kind), (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")], body).into_response()
}
