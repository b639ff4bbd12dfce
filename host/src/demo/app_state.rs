//! What the routes of the sample application share.

use std::sync::Arc;
use std::time::Instant;

use axum::http::StatusCode;
use axum::response::Response;
use parking_lot::Mutex;

use super::bundled::{self, Bundled};
use super::host_link::{HostLink, problem};
use super::people::People;
use super::stage::Stage;

/// See the module.
pub(super) struct AppState {
    pub(super) people: Mutex<People>,
    pub(super) link: HostLink,
    pub(super) stage: Arc<Stage>,
    /// The part of the API that is out of order, and until when.
    pub(super) outage: Mutex<Option<(&'static Bundled, Instant)>>,
}

impl AppState {
    pub(super) fn new(stage: &Arc<Stage>) -> Self {
        Self {
            people: Mutex::new(People::sample()),
            link: HostLink::new(Arc::clone(stage)),
            stage: Arc::clone(stage),
            outage: Mutex::new(None),
        }
    }

    /// Says whose contacts have changed, and passes on the host's answer.
    pub(super) async fn tell(&self, users: &[String]) -> Response {
        self.stage.people_changed();
        self.link.tell(users, false).await
    }

    /// The part of the API that is out of order now.
    pub(super) fn outage(&self) -> Option<&'static Bundled> {
        let mut outage = self.outage.lock();
        if outage.is_some_and(|(_, until)| until <= Instant::now()) {
            *outage = None;
        }
        outage.map(|(bundled, _)| bundled)
    }
}

/// There is no plugin of this name among those that the demo brings along.
pub(super) fn unknown_plugin(name: &str) -> Response {
    let names: Vec<&str> = bundled::all().map(|bundled| bundled.name).collect();
    problem(StatusCode::NOT_FOUND, &format!("{name:?} is none of the demo's plugins: {}", names.join(", ")))
}
