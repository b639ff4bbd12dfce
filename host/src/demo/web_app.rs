//! The sample application: contacts in memory, as an application written for the reference would serve them, and a page
//! ([`super::page`]) to click them together.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use axum::{Json, Router};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use super::app_state::{AppState, unknown_plugin};
use super::bundled;
use super::host_link::{HostAddresses, problem};
use super::stage::Stage;
use super::{DOMAIN, page, pages};
use crate::http::access::same_origin::{cannot_be_rebound, is_foreign};
use crate::http::access::virtual_hosts::host_of;
use crate::sockets::reason;
use pages::PageQuery;

/// How long a part of the API is out of order, if nobody mends it before.
const OUTAGE: Duration = Duration::from_secs(60);

/// The demo's web application cannot be started.
#[derive(Debug, thiserror::Error)]
#[error("the demo's web application cannot listen on {address}: {}; choose another with --demo-listen", reason(source))]
pub struct DemoError {
    address: SocketAddr,
    source: io::Error,
}

/// A web application with four users: john, marie, michael and aaron.
pub struct WebApp {
    listener: TcpListener,
    address: SocketAddr,
    state: Arc<AppState>,
}

impl WebApp {
    /// Listens on `address`; `stage` hears what it does.
    pub async fn bind(address: SocketAddr, stage: &Arc<Stage>) -> Result<Self, DemoError> {
        let bound = TcpListener::bind(address).await.and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (address, listener) = bound.map_err(|source| DemoError { address, source })?;
        let address = reachable(address);
        let state = AppState::new(stage);
        Ok(Self { listener, address, state: Arc::new(state) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Tells the application where to say that contacts have changed.
    pub fn host_is_up(&self, host: HostAddresses) {
        let HostAddresses { http, admin, upload_token } = host;
        self.state.link.is_up(HostAddresses { http: reachable(http), admin: reachable(admin), upload_token });
    }

    /// Serves until the task is dropped.
    pub async fn serve(self) {
        let api = Router::new()
            .route("/contacts/{user}", get(contacts))
            .route("/v1/users/{user}/contacts", get(paged_contacts))
            .layer(middleware::from_fn_with_state(Arc::clone(&self.state), out_of_order));
        let routes = Router::new()
            .route("/friends/{one}/{other}", put(befriend).delete(unfriend))
            .route("/names/{user}/{name}", put(rename))
            .route("/outages/{plugin}", put(begin_outage).delete(end_outage))
            .merge(page::routes())
            .layer(middleware::from_fn(own_pages_only))
            .merge(api)
            .with_state(self.state);
        if let Err(error) = axum::serve(self.listener, routes).await {
            tracing::error!(%error, "the demo's web application stopped");
        }
    }
}

/// Listening everywhere is fine, but nobody can be told to connect to it.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    address
}

async fn contacts(State(app): State<Arc<AppState>>, Path(user): Path<String>) -> Json<Map<String, Value>> {
    Json(app.people.lock().contacts(&user))
}

/// The same contacts by way of the other protocol, see [`super::pages`].
async fn paged_contacts(
    State(app): State<Arc<AppState>>,
    Path(user): Path<String>,
    Query(query): Query<PageQuery>,
    headers: HeaderMap,
) -> Response {
    let items: Vec<Value> = {
        let people = app.people.lock();
        let item =
            |friend: &String| json!({ "address": format!("{friend}@{DOMAIN}"), "display_name": people.name(friend) });
        people.friends(&user).map(item).collect()
    };
    pages::answer(&items, &query, headers.get(header::IF_NONE_MATCH))
}

async fn befriend(State(app): State<Arc<AppState>>, Path((one, other)): Path<(String, String)>) -> Response {
    {
        let mut people = app.people.lock();
        if people.is_full() {
            return full();
        }
        people.befriend(&one, &other);
    }
    app.tell(&[one, other]).await
}

async fn unfriend(State(app): State<Arc<AppState>>, Path((one, other)): Path<(String, String)>) -> Response {
    app.people.lock().unfriend(&one, &other);
    app.tell(&[one, other]).await
}

/// A new name shows in the rosters of the user's friends.
async fn rename(State(app): State<Arc<AppState>>, Path((user, name)): Path<(String, String)>) -> Response {
    let friends: Vec<String> = {
        let mut people = app.people.lock();
        if people.is_full() {
            return full();
        }
        people.rename(user, name)
    };
    app.tell(&friends).await
}

fn full() -> Response {
    (StatusCode::INSUFFICIENT_STORAGE, "this sample keeps no more people\n").into_response()
}

/// From now on the part of the API that this plugin speaks to answers 500, for a minute at most.
async fn begin_outage(State(app): State<Arc<AppState>>, Path(plugin): Path<String>) -> Response {
    let Some(bundled) = bundled::named(&plugin) else { return unknown_plugin(&plugin) };
    *app.outage.lock() = Some((bundled, Instant::now() + OUTAGE));
    app.stage.people_changed();
    StatusCode::NO_CONTENT.into_response()
}

async fn end_outage(State(app): State<Arc<AppState>>, Path(plugin): Path<String>) -> Response {
    let mut outage = app.outage.lock();
    if outage.is_some_and(|(bundled, _)| bundled.name == plugin) {
        *outage = None;
    }
    app.stage.people_changed();
    StatusCode::NO_CONTENT.into_response()
}

async fn out_of_order(State(app): State<Arc<AppState>>, request: Request, next: Next) -> Response {
    match app.outage() {
        Some(bundled) if request.uri().path().starts_with(bundled.api) => {
            problem(StatusCode::INTERNAL_SERVER_ERROR, "this part of the application is out of order, as you wanted it")
        }
        _ => next.run(request).await,
    }
}

/// A page of another site may not change anything here, although it can reach this machine; nor may one whose name is made to
/// lead to this machine find out the token, which is part of what the page is told.
async fn own_pages_only(request: Request, next: Next) -> Response {
    let of_page = request.headers().contains_key(header::ORIGIN) || request.uri().path().starts_with("/demo/");
    let named = of_page.then(|| host_of(&request).unwrap_or_default());
    if is_foreign(request.uri(), request.headers()) || named.is_some_and(|host| !cannot_be_rebound(&host)) {
        return problem(
            StatusCode::FORBIDDEN,
            "only the demo's own page may do this, opened by an IP address or as localhost",
        );
    }
    next.run(request).await
}
