//! The demo's page: its files, what it shows, and what its buttons do beside changing contacts.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use futures::stream;
use http::{Method, StatusCode, header};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use super::app_state::{AppState, unknown_plugin};
use super::host_link::problem;
use super::{CONNECTED, DOMAIN, PASSWORD, bundled};
use crate::http::answers::page::{PageFile, answer};
use crate::http::answers::sse;

/// After so much silence a page is sent a sign of life.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Users that a page may ask to be refreshed at once.
const MOST_USERS: usize = 10;

const FILES: [PageFile; 10] = [
    PageFile { name: "index.html", content: include_bytes!("page/index.html") },
    PageFile { name: "layout.css", content: include_bytes!("page/layout.css") },
    PageFile { name: "main.js", content: include_bytes!("page/main.js") },
    PageFile { name: "dom.js", content: include_bytes!("page/dom.js") },
    PageFile { name: "people.js", content: include_bytes!("page/people.js") },
    PageFile { name: "timeline.js", content: include_bytes!("page/timeline.js") },
    PageFile { name: "client.js", content: include_bytes!("page/client.js") },
    PageFile { name: "plugin.js", content: include_bytes!("page/plugin.js") },
    PageFile { name: "strophe.umd.min.js", content: include_bytes!("page/vendor/strophe.umd.min.js") },
    PageFile { name: "strophe-licence.txt", content: include_bytes!("page/vendor/LICENSE.txt") },
];

/// The routes of the page, and of nobody else.
pub(super) fn routes() -> Router<Arc<AppState>> {
    Router::new()
        .route("/", get(index))
        .route("/page/{file}", get(file))
        .route("/plugins/{file}", get(component))
        .route("/demo/state", get(state))
        .route("/demo/events", get(events))
        .route("/demo/refresh", post(refresh))
        .route("/demo/plugin", get(status))
        .route("/demo/plugin/swap", post(swap))
        .route("/demo/plugin/damaged", post(damaged))
        .route("/demo/plugin/rollback", post(roll_back))
}

async fn index(State(app): State<Arc<AppState>>) -> Response {
    // The clients in the page connect to the host itself.
    let host =
        app.link.host().map(|host| format!(" ws://{0}:{1} ws://localhost:{1}", host.http.ip(), host.http.port()));
    answer(&FILES, "index.html", &host.unwrap_or_default()).unwrap_or_else(not_there)
}

async fn file(Path(file): Path<String>) -> Response {
    answer(&FILES, &file, "").unwrap_or_else(not_there)
}

/// A plugin that the demo brings along, for who wants to send it by hand.
async fn component(Path(file): Path<String>) -> Response {
    let Some(found) = file.strip_suffix(".wasm").and_then(bundled::named) else { return unknown_plugin(&file) };
    ([(header::CONTENT_TYPE, "application/wasm")], found.component).into_response()
}

fn not_there() -> Response {
    problem(StatusCode::NOT_FOUND, "nothing is here")
}

/// Everything that does not come with the events.
async fn state(State(app): State<Arc<AppState>>) -> Response {
    let people = app.people.lock().all();
    let plugins: Vec<_> =
        bundled::all().map(|one| json!({ "name": one.name, "digest": one.digest(), "api": one.api })).collect();
    let host = app.link.host().map(|host| {
        json!({
            "refresh": format!("http://{}/roster_admin/refresh", host.http),
            "admin": format!("http://{}", host.admin),
            "websocket": format!("ws://{}{}", host.http, roster_xmpp::WEBSOCKET_PATH),
            "token": host.upload_token.as_ref().map(|token| token.reveal()),
        })
    });
    Json(json!({
        "people": people, "domain": DOMAIN, "clients": CONNECTED, "password": PASSWORD, "plugins": plugins,
        "outage": app.outage().map(|bundled| bundled.name), "host": host,
    }))
    .into_response()
}

/// What happens, see [`super::stage`].
async fn events(State(app): State<Arc<AppState>>) -> Response {
    let told = app.stage.watch();
    let events = stream::unfold(told, |mut told| async {
        let text = match timeout(KEEP_ALIVE, told.recv()).await {
            Ok(Ok(event)) => format!("data: {event}\n\n"),
            Ok(Err(RecvError::Lagged(missed))) => {
                format!("data: {}\n\n", json!({ "kind": "missed", "events": missed }))
            }
            Ok(Err(RecvError::Closed)) => return None,
            Err(_) => ": \n\n".to_owned(),
        };
        Some((Ok::<_, Infallible>(Bytes::from(text)), told))
    });
    sse::answer(Body::from_stream(events))
}

/// `?canary=`
#[derive(Deserialize)]
struct Canary {
    #[serde(default)]
    canary: bool,
}

/// The application says that these may have changed, although nothing has.
async fn refresh(
    State(app): State<Arc<AppState>>,
    Query(Canary { canary }): Query<Canary>,
    Json(users): Json<Vec<String>>,
) -> Response {
    match users.get(..MOST_USERS.min(users.len())) {
        Some(few) if few.len() == users.len() => app.link.tell(few, canary).await,
        _ => problem(StatusCode::BAD_REQUEST, &format!("at most {MOST_USERS} users")),
    }
}

async fn status(State(app): State<Arc<AppState>>) -> Response {
    app.link.operate(Method::GET, "/plugin", Bytes::new()).await
}

/// `?to=`
#[derive(Deserialize)]
struct To {
    to: String,
}

/// One of the plugins that the demo brings along takes over.
async fn swap(State(app): State<Arc<AppState>>, Query(To { to }): Query<To>) -> Response {
    let Some(found) = bundled::named(&to) else { return unknown_plugin(&to) };
    app.link.operate(Method::PUT, "/plugin", Bytes::from_static(found.component)).await
}

/// The first half of one, as an upload that was cut off would leave it.
async fn damaged(State(app): State<Arc<AppState>>, Query(To { to }): Query<To>) -> Response {
    let Some(found) = bundled::named(&to) else { return unknown_plugin(&to) };
    let half = found.component.get(..found.component.len() / 2).unwrap_or_default();
    app.link.operate(Method::PUT, "/plugin", Bytes::from_static(half)).await
}

async fn roll_back(State(app): State<Arc<AppState>>) -> Response {
    app.link.operate(Method::POST, "/plugin/rollback", Bytes::new()).await
}
