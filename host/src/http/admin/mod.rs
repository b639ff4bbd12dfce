//! The admin listener: what the operator, the monitoring, and a server without rosters of its own ask for.
//!
//! Who may ask ([`guard`]): whoever has the token, where one is configured; else whoever reaches the address (loopback,
//! unless the operator says otherwise), but not a web page in a browser on the same machine. Health and readiness are
//! open to all, for they say nothing; so is the page in [`ui`], which shows nothing without the token.

mod error;
mod events;
mod guard;
mod health;
mod metrics;
mod plugin;
mod rosters;
mod sessions;
mod target;
mod ui;
mod users;

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post, put};
use axum::{Router, middleware};
use http::StatusCode;
use prometheus_client::registry::Registry;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::answers::json;
use super::body::BodyMemory;
use super::requests::paths;
use super::{App, EndClients, Readiness, Reload, Settings, Shown, VirtualHosts};
use crate::config::{AdminConfig, Secret};
use crate::logging;
use crate::metrics::Metrics;
use crate::sinks::EventStream;
use crate::swap::Swappers;

use error::AdminError;

/// What every request needs.
struct Admin {
    hosts: VirtualHosts,
    events: Arc<EventStream>,
    swappers: Swappers,
    readiness: Readiness,
    attached: Option<Shown>,
    cluster: Option<Shown>,
    clients: Option<EndClients>,
    metrics: Arc<Metrics>,
    registry: Registry,
    settings: Arc<Settings>,
    reload: Option<Reload>,
    upload_token: Option<Secret>,
    /// One permit for every reader of events.
    streams: Arc<Semaphore>,
    max_streams: usize,
    /// What uploads take.
    bodies: Arc<BodyMemory>,
    /// Ends the event streams.
    stop: CancellationToken,
}

/// The service of the admin listener. Event streams end with `stop`.
pub(super) fn router(config: &AdminConfig, settings: &Arc<Settings>, app: App, stop: CancellationToken) -> Router {
    let App { hosts, swappers, events, metrics, readiness, collectors, attached, cluster, clients, reload } = app;
    let registry = metrics::registry(&hosts, &events, &metrics, collectors);
    let admin = Arc::new(Admin {
        hosts,
        events,
        bodies: plugin::upload_memory(&swappers),
        swappers,
        readiness,
        attached,
        cluster,
        clients,
        metrics,
        registry,
        settings: Arc::clone(settings),
        reload,
        upload_token: config.upload_token.clone(),
        streams: Arc::new(Semaphore::new(config.max_streams)),
        max_streams: config.max_streams,
        stop,
    });
    let guarded = Router::new()
        .route(paths::INDEX, get(index))
        .route(paths::METRICS, get(metrics::show))
        .route(paths::ROSTERS, get(rosters::summary))
        .route(paths::ROSTERS_REFRESH, post(rosters::refresh).get(rosters::cached))
        .route(paths::ROSTERS_USER, get(rosters::cached))
        .route(paths::SESSIONS, get(users::online))
        .route(paths::USERS_USER, get(users::look_up))
        .route(paths::ERRORS, get(errors))
        .route(paths::SESSIONS_USER, put(sessions::connect).delete(sessions::disconnect))
        .route(paths::ATTACH, get(attached_servers))
        .route(paths::CLUSTER, get(other_nodes))
        .route(paths::EVENTS, get(events::follow))
        .route(paths::RELOAD, post(reload_configuration))
        .route(paths::PLUGIN, get(plugin::status).put(plugin::upload))
        .route(paths::PLUGIN_RELOAD, post(plugin::reload))
        .route(paths::PLUGIN_ROLLBACK, post(plugin::roll_back))
        .method_not_allowed_fallback(async || AdminError::Method)
        .fallback(async || AdminError::NotFound)
        .layer(middleware::from_fn_with_state(Arc::clone(&admin), guard::guard));
    Router::new()
        .route(paths::HEALTHZ, get(health::live))
        .route(paths::READYZ, get(health::ready))
        .route(paths::UI, get(ui::index))
        .route(paths::UI_FILE, get(ui::file))
        .method_not_allowed_fallback(async || AdminError::Method)
        .merge(guarded)
        .with_state(admin)
}

/// `GET /errors`
async fn errors() -> Response {
    json::answer(StatusCode::OK, &json!({ "errors": logging::recent() }))
}

/// `GET /attach`
async fn attached_servers(State(admin): State<Arc<Admin>>) -> Response {
    show_nodes(admin.attached.as_ref())
}

/// `GET /cluster`
async fn other_nodes(State(admin): State<Arc<Admin>>) -> Response {
    show_nodes(admin.cluster.as_ref())
}

fn show_nodes(nodes: Option<&Shown>) -> Response {
    json::answer(StatusCode::OK, &nodes.map_or_else(|| json!({ "nodes": [] }), |nodes| nodes()))
}

/// `POST /reload`. What has begun ends, also if whoever asked for it goes away.
async fn reload_configuration(State(admin): State<Arc<Admin>>) -> Result<Response, AdminError> {
    let reload = admin.reload.as_ref().ok_or(AdminError::NoConfiguration)?;
    match tokio::spawn(reload()).await.map_err(|_| AdminError::Reload)?.ok_or(AdminError::NoConfiguration)? {
        Ok(report) => Ok(json::answer(StatusCode::OK, &report)),
        Err(report) => Ok(json::answer(StatusCode::UNPROCESSABLE_ENTITY, &report)),
    }
}

async fn index() -> Response {
    json::answer(
        StatusCode::OK,
        &json!({ "routes": [
            { "path": "GET /healthz", "says": "200 while the process lives" },
            { "path": "GET /readyz", "says": "200 when every virtual host has its plugin" },
            { "path": "GET /metrics", "says": "counters and gauges in the OpenMetrics format" },
            { "path": "GET /rosters", "says": "what is cached, in numbers" },
            { "path": "GET /rosters/{user}?domain=", "says": "what is cached of one user" },
            { "path": "POST /rosters/refresh?domain=&user=", "says": "asks the application for every roster, those of a domain, or one" },
            { "path": "GET /sessions?domain=&after=&limit=", "says": "who is connected, page by page" },
            { "path": "GET /users/{user}?domain=", "says": "sessions, roster and latest requests of one user" },
            { "path": "GET /errors", "says": "the latest warnings and errors of the log" },
            { "path": "GET /ui", "says": "a page with all of this, for a browser" },
            { "path": "PUT /sessions/{user}?domain=&resource=", "says": "the user has connected" },
            { "path": "DELETE /sessions/{user}?domain=&resource=", "says": "the session, or every session, has left, or is ended" },
            { "path": "GET /events?domain=&user=&last_event_id=", "says": "roster changes as server-sent events" },
            { "path": "GET /attach", "says": "the servers that get their rosters here" },
            { "path": "GET /cluster", "says": "the other nodes, and how this one stands among them" },
            { "path": "POST /reload", "says": "the configuration is read again, and taken over where that is possible" },
            { "path": "GET /plugin?domain=", "says": "which plugin serves, and what became of swaps" },
            { "path": "POST /plugin/reload?domain=", "says": "the configured plugin, read again, takes over" },
            { "path": "POST /plugin/rollback?domain=&to=", "says": "the generation before, or number `to`, takes over again" },
            { "path": "PUT /plugin?domain=", "says": "the component in the body takes over (needs a token)" },
        ] }),
    )
}
