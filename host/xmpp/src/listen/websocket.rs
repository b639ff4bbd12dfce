//! XMPP over WebSocket (RFC 7395), on somebody else's HTTP listener, and how clients find it (XEP-0156).

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_util::task::TaskTracker;
use tracing::debug;

use crate::client_log::Client;
use crate::net::admission::Admission;
use crate::net::metered::Metered;
use crate::net::transport::{FRAME, Transport};
use crate::net::wire::Wire;
use crate::session::connection::serve;
use crate::session::shared::Shared;
use crate::stream::writer::escape_attribute;

/// Where clients connect.
pub const PATH: &str = "/xmpp-websocket";
/// Where they learn of it (XEP-0156), as XML.
pub const HOST_META: &str = "/.well-known/host-meta";
/// The same as JSON.
pub const HOST_META_JSON: &str = "/.well-known/host-meta.json";
/// The subprotocol.
const PROTOCOL: &str = "xmpp";
/// The library's buffers, each, bytes: a session that is idle keeps them.
const BUFFER: usize = 4096;
/// What may wait in the library to be written, bytes: a frame, and the pong before it.
const MOST_WAITING: usize = FRAME + BUFFER;

#[derive(Clone)]
pub(crate) struct Web {
    pub(crate) shared: Arc<Shared>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) tasks: TaskTracker,
    /// Whether the listener has TLS.
    pub(crate) encrypted: bool,
    /// Where it listens.
    pub(crate) port: Option<u16>,
}

pub(crate) fn router(web: Web) -> Router {
    Router::new()
        .route(PATH, get(upgrade))
        .route(HOST_META, get(host_meta))
        .route(HOST_META_JSON, get(host_meta_json))
        .with_state(web)
}

async fn upgrade(State(web): State<Web>, request: Request) -> Response {
    let address = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    // A listener that does not say who is there: all its clients are one address.
    let address = address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let mut response = match create_response_with_body(&request, Body::empty) {
        Ok(response) => response,
        Err(error) => return refused(&error),
    };
    if !speaks_xmpp(request.headers()) {
        return (StatusCode::BAD_REQUEST, "the subprotocol has to be \"xmpp\" (RFC 7395)\n").into_response();
    }
    response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
    if !(web.shared.config.has_room)() {
        web.shared.counters.connections_refused.increase();
        return (StatusCode::SERVICE_UNAVAILABLE, "there are too many connections\n").into_response();
    }
    let client = Client::new(address, "websocket");
    let Some(permit) = web.admission.take(&client) else {
        return (StatusCode::SERVICE_UNAVAILABLE, "there are too many connections\n").into_response();
    };
    let Web { shared, tasks, encrypted, .. } = web;
    let most = shared.config.limits.stanza.bytes;
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(MOST_WAITING)
        .max_message_size(Some(most))
        .max_frame_size(Some(most));
    tasks.spawn(async move {
        let upgraded = match hyper::upgrade::on(request).await {
            Ok(upgraded) => TokioIo::new(upgraded),
            Err(error) => return debug!(%address, %error, "a connection did not become a WebSocket"),
        };
        let upgraded = Metered::new(upgraded, &shared.config.limits);
        let socket = WebSocketStream::from_raw_socket(upgraded, Role::Server, Some(config)).await;
        let transport = Transport::WebSocket(Box::new(socket));
        let wire = Box::new(Wire::new(transport, &shared.config, &shared.memory));
        serve(shared, wire, client, encrypted, permit).await;
    });
    response
}

/// RFC 6455 section 4.2.2.
fn refused(error: &Error) -> Response {
    let mut response = (StatusCode::BAD_REQUEST, format!("this is for WebSockets: {error}\n")).into_response();
    if matches!(error, Error::Protocol(ProtocolError::MissingSecWebSocketVersionHeader)) {
        *response.status_mut() = StatusCode::UPGRADE_REQUIRED;
        response.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    }
    response
}

/// Whether the client offers the subprotocol, among others perhaps.
fn speaks_xmpp(headers: &HeaderMap) -> bool {
    let offered = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|offered| offered.to_str().ok());
    offered.flat_map(|offered| offered.split(',')).any(|one| one.trim() == PROTOCOL)
}

/// The URL the operator gave, or that of a domain that is served here: the one this client asked, else the first. Nothing of what
/// the client sent is repeated, for what it is told may be kept by a cache and told to others.
fn url(web: &Web, headers: &HeaderMap) -> String {
    if let Some(url) = &web.shared.config.websocket_url {
        return url.clone();
    }
    let scheme = if web.encrypted { "wss" } else { "ws" };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    let asked = host.as_ref().and_then(|host| web.shared.hosted(host.host()));
    let domains = web.shared.domains();
    let domain = asked.as_ref().map_or(&*domains.first, |hosted| hosted.domain.name());
    // Who came here directly cannot do without the port; who came through a proxy does not know it.
    let port = host.and_then(|host| host.port_u16()).filter(|port| Some(*port) == web.port);
    let port = port.map_or_else(String::new, |port| format!(":{port}"));
    format!("{scheme}://{domain}{port}{PATH}")
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
