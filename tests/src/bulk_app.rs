//! A web application that answers for one user or for many at once, and remembers what it was asked.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::header::{ETAG, IF_NONE_MATCH};
use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// How it answers a request for many users.
#[derive(Clone, Debug, Default)]
pub enum Many {
    /// `[validator, roster]` for each, and null where the validator is the roster's.
    #[default]
    Validators,
    /// The rosters alone.
    Plain,
    /// This status.
    Status(u16),
    /// This text with status 200.
    Text(String),
    /// Never.
    Hang,
    /// As [`Many::Plain`], with these in the place of some users' rosters; without those that are `None`.
    But(BTreeMap<String, Option<Value>>),
}

/// A running application. Stops when dropped.
pub struct BulkApp {
    address: SocketAddr,
    state: Arc<Inner>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Inner {
    rosters: Mutex<BTreeMap<String, Value>>,
    many: Mutex<Many>,
    alone: Mutex<Vec<String>>,
    together: Mutex<Vec<Map<String, Value>>>,
}

impl BulkApp {
    /// An application in which nobody has contacts, and which thinks for 10 ms.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Inner::default());
        let routes = Router::new().route("/contacts/{user}", get(one)).route("/bulk", post(many));
        let routes = routes.with_state(Arc::clone(&state));
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, routes).await;
        });
        Self { address, state, task }
    }

    /// The settings for it.
    pub fn settings(&self) -> [(String, String); 2] {
        let url = |path: &str| format!("http://{}/{path}", self.address);
        [("http_roster_url".into(), url("contacts/%s")), ("http_roster_bulk_url".into(), url("bulk"))]
    }

    /// `user` has this one contact from now on.
    pub fn set(&self, user: &str, contact: &str) {
        self.state.rosters.lock().insert(user.to_owned(), json!({ contact: {} }));
    }

    /// Requests for many users are answered so from now on.
    pub fn answer(&self, many: Many) {
        *self.state.many.lock() = many;
    }

    /// Whom it was asked for alone and together since this was called last.
    pub fn asked(&self) -> (Vec<String>, Vec<Map<String, Value>>) {
        (std::mem::take(&mut *self.state.alone.lock()), std::mem::take(&mut *self.state.together.lock()))
    }
}

impl Drop for BulkApp {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Inner {
    /// The validator and the roster.
    fn roster(&self, user: &str) -> (String, Value) {
        let roster = self.rosters.lock().get(user).cloned().unwrap_or_else(|| json!({}));
        let contacts = roster.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        (format!("\"{}\"", contacts.join("+")), roster)
    }
}

async fn one(State(state): State<Arc<Inner>>, Path(user): Path<String>, headers: HeaderMap) -> Response {
    state.alone.lock().push(user.clone());
    tokio::time::sleep(Duration::from_millis(10)).await;
    let (etag, roster) = state.roster(&user);
    if headers.get(IF_NONE_MATCH).is_some_and(|held| held.as_bytes() == etag.as_bytes()) {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    match &*state.many.lock() {
        Many::Validators => ([(ETAG, etag)], Json(roster)).into_response(),
        _ => Json(roster).into_response(),
    }
}

async fn many(State(state): State<Arc<Inner>>, Json(users): Json<Map<String, Value>>) -> Response {
    state.together.lock().push(users.clone());
    tokio::time::sleep(Duration::from_millis(10)).await;
    let many = state.many.lock().clone();
    let mut answer = Map::new();
    for (user, held) in &users {
        let (etag, roster) = state.roster(user);
        let value = match &many {
            Many::Validators if *held == json!(etag) => Value::Null,
            Many::Validators => json!([etag, roster]),
            Many::But(others) if others.contains_key(user) => match &others[user] {
                Some(other) => other.clone(),
                None => continue,
            },
            Many::Plain | Many::But(_) => roster,
            Many::Status(status) => return StatusCode::from_u16(*status).unwrap().into_response(),
            Many::Text(text) => return text.clone().into_response(),
            Many::Hang => std::future::pending().await,
        };
        answer.insert(user.clone(), value);
    }
    Json(answer).into_response()
}
