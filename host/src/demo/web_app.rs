//! The sample application: contacts in memory, as an application written for the reference would serve them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use axum::{Json, Router};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::DOMAIN;
use super::pages::{self, PageQuery};

/// How long the application waits for the host's answer to its refresh request.
const REFRESH_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest answer it reads.
const LONGEST_ANSWER: usize = 64 << 10;
/// People and friendships the sample keeps at most: it is open to whoever can reach it.
const MOST_PEOPLE: usize = 1000;

/// The demo's web application cannot be started.
#[derive(Debug, thiserror::Error)]
#[error("the demo's web application cannot listen on {address}: {source}; choose another with --demo-listen")]
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

struct AppState {
    people: Mutex<People>,
    refresh_url: watch::Sender<Option<String>>,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// Who is whose friend. Friendship is mutual here; an application of yours may see that otherwise.
#[derive(Default)]
struct People {
    names: BTreeMap<String, String>,
    friends: BTreeMap<String, BTreeSet<String>>,
}

impl WebApp {
    /// Listens on `address`.
    pub async fn bind(address: SocketAddr) -> Result<Self, DemoError> {
        let bound = TcpListener::bind(address).await.and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (mut address, listener) = bound.map_err(|source| DemoError { address, source })?;
        if address.ip().is_unspecified() {
            // Listening everywhere is fine, but nobody can be told to connect to it.
            address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        }
        let state = AppState {
            people: Mutex::new(People::sample()),
            refresh_url: watch::Sender::new(None),
            client: Client::builder(TokioExecutor::new()).build_http(),
        };
        Ok(Self { listener, address, state: Arc::new(state) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Tells the application where to say that contacts have changed.
    pub fn refresh_at(&self, host: SocketAddr) {
        self.state.refresh_url.send_replace(Some(format!("http://{host}/roster_admin/refresh")));
    }

    /// Serves until the task is dropped.
    pub async fn serve(self) {
        let routes = Router::new()
            .route("/contacts/{user}", get(contacts))
            .route("/v1/users/{user}/contacts", get(paged_contacts))
            .route("/friends/{one}/{other}", put(befriend).delete(unfriend))
            .route("/names/{user}/{name}", put(rename))
            .with_state(self.state);
        if let Err(error) = axum::serve(self.listener, routes).await {
            tracing::error!(%error, "the demo's web application stopped");
        }
    }
}

impl People {
    fn sample() -> Self {
        let mut people = Self::default();
        for (user, name) in [("john", "John"), ("marie", "Marie"), ("michael", "Michael"), ("aaron", "Aaron")] {
            people.names.insert(user.to_owned(), name.to_owned());
        }
        for (one, other) in [("john", "marie"), ("john", "michael"), ("marie", "aaron")] {
            people.befriend(one, other);
        }
        people
    }

    fn befriend(&mut self, one: &str, other: &str) {
        for (one, other) in [(one, other), (other, one)] {
            self.friends.entry(one.to_owned()).or_default().insert(other.to_owned());
        }
    }

    fn unfriend(&mut self, one: &str, other: &str) {
        for (one, other) in [(one, other), (other, one)] {
            if let Some(friends) = self.friends.get_mut(one) {
                friends.remove(other);
            }
        }
    }

    fn name(&self, user: &str) -> String {
        self.names.get(user).cloned().unwrap_or_else(|| user.to_owned())
    }

    fn friends(&self, user: &str) -> impl Iterator<Item = &String> {
        self.friends.get(user).into_iter().flatten()
    }

    /// The answer of the protocol: contact address to what is known of the contact.
    fn contacts(&self, user: &str) -> Map<String, Value> {
        let contact = |friend: &String| (format!("{friend}@{DOMAIN}"), json!({ "name": self.name(friend) }));
        self.friends(user).map(contact).collect()
    }
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
    if app.people.lock().friends.len() >= MOST_PEOPLE {
        return (StatusCode::INSUFFICIENT_STORAGE, "this sample keeps no more people\n").into_response();
    }
    app.people.lock().befriend(&one, &other);
    app.tell_host(&[one, other]).await
}

async fn unfriend(State(app): State<Arc<AppState>>, Path((one, other)): Path<(String, String)>) -> Response {
    app.people.lock().unfriend(&one, &other);
    app.tell_host(&[one, other]).await
}

/// A new name shows in the rosters of the user's friends.
async fn rename(State(app): State<Arc<AppState>>, Path((user, name)): Path<(String, String)>) -> Response {
    let friends: Vec<String> = {
        let mut people = app.people.lock();
        if people.names.len() >= MOST_PEOPLE {
            return (StatusCode::INSUFFICIENT_STORAGE, "this sample keeps no more people\n").into_response();
        }
        people.names.insert(user.clone(), name);
        people.friends(&user).cloned().collect()
    };
    app.tell_host(&friends).await
}

impl AppState {
    /// Says whose contacts have changed, and passes on the host's answer.
    async fn tell_host(&self, users: &[String]) -> Response {
        let Some(url) = self.refresh_url.borrow().clone() else {
            return (StatusCode::SERVICE_UNAVAILABLE, "the host is not up yet\n").into_response();
        };
        match tokio::time::timeout(REFRESH_TIMEOUT, self.post(&url, users)).await {
            Ok(Ok((status, answer))) => (status, [(header::CONTENT_TYPE, "application/json")], answer).into_response(),
            Ok(Err(error)) => (StatusCode::BAD_GATEWAY, format!("{url}: {error}\n")).into_response(),
            Err(_) => (StatusCode::GATEWAY_TIMEOUT, format!("{url}: no answer\n")).into_response(),
        }
    }

    async fn post(
        &self,
        url: &str,
        users: &[String],
    ) -> Result<(StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>> {
        let body = Full::new(serde_json::to_vec(users)?.into());
        let request = http::Request::post(url).header(header::CONTENT_TYPE, "application/json").body(body)?;
        let answer = self.client.request(request).await?;
        let status = answer.status();
        Ok((status, Limited::new(answer.into_body(), LONGEST_ANSWER).collect().await?.to_bytes()))
    }
}
