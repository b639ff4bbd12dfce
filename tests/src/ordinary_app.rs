//! A web application for benchmarks that works as applications do: a framework, contacts in memory, and JSON that is made
//! anew for every request. It has threads of its own, as a program of its own would.
//!
//! It is still a fast one: compiled, and without a database. Beside it, [`QuickApp`](crate::quick_app::QuickApp) shows what
//! the host costs by itself.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

use crate::quick_app::roster;

/// The name of the application's threads.
const THREADS: &str = "ordinary-app";

/// A running application. Stops when dropped.
pub struct OrdinaryApp {
    origin: String,
    contacts: usize,
    people: People,
    /// `None` while it is dropped.
    runtime: Option<Runtime>,
}

/// Everybody has the same contacts; what an answer costs does not depend on whose they are.
type People = Arc<RwLock<BTreeMap<String, Contact>>>;

#[derive(Deserialize, Serialize)]
struct Contact {
    name: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    groups: BTreeMap<String, bool>,
}

impl OrdinaryApp {
    /// Everybody has this many contacts.
    pub async fn start(contacts: usize) -> Self {
        let runtime = Builder::new_multi_thread().enable_all().thread_name(THREADS).build().unwrap();
        let people: People = Arc::new(RwLock::new(people(contacts, 0)));
        let routes = Router::new().route("/contacts/{user}", get(answer)).route("/contacts", post(answer_many));
        let routes = routes.with_state(Arc::clone(&people));
        let listener = runtime.spawn(TcpListener::bind("127.0.0.1:0")).await.unwrap().unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        runtime.spawn(async move { axum::serve(listener, routes).await });
        Self { origin, contacts, people, runtime: Some(runtime) }
    }

    /// Where it listens, as the beginning of a URL.
    pub fn origin(&self) -> String {
        self.origin.clone()
    }

    /// Another version of everybody's roster: one contact has another name in each.
    pub fn set_version(&self, version: u64) {
        *self.people.write() = people(self.contacts, version);
    }
}

impl Drop for OrdinaryApp {
    fn drop(&mut self) {
        // Not waited for: this may run in a task.
        self.runtime.take().into_iter().for_each(Runtime::shutdown_background);
    }
}

fn people(contacts: usize, version: u64) -> BTreeMap<String, Contact> {
    serde_json::from_str(&roster(contacts, version)).unwrap()
}

/// The processor time of all such applications so far, in ticks of the kernel's clock (a hundredth of a second).
pub fn ticks() -> u64 {
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    let stats = tasks.filter_map(|task| fs::read_to_string(task.path().join("stat")).ok());
    let ours = stats.filter_map(|stat| {
        let (name, rest) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        name.contains(THREADS).then(|| fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap())
    });
    ours.sum()
}

async fn answer_many(State(people): State<People>, Json(users): Json<BTreeMap<String, Option<String>>>) -> Response {
    let people = people.read();
    Json(users.keys().map(|user| (user, &*people)).collect::<BTreeMap<_, _>>()).into_response()
}

async fn answer(State(people): State<People>) -> Response {
    Json(&*people.read()).into_response()
}
