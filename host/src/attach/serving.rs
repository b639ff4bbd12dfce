//! What the routes share, and what they take from a request.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::Attach;
use super::node::Node;
use super::refusal::Refusal;
use crate::http::body::BodyLimits;
use crate::model::Username;

/// How often the same complaint is made.
const REMINDER: Duration = Duration::from_secs(60);
/// Complaints of different addresses that are told apart.
const MOST_COMPLAINTS: usize = 64;

/// What every request needs.
pub(super) struct Serving {
    pub(super) attach: Arc<Attach>,
    pub(super) sync_body: BodyLimits,
    pub(super) small_body: BodyLimits,
    /// Ends the event streams.
    pub(super) stop: CancellationToken,
    complaints: Mutex<HashMap<String, Instant>>,
}

impl Serving {
    pub(super) fn new(
        attach: Arc<Attach>,
        sync_body: BodyLimits,
        small_body: BodyLimits,
        stop: CancellationToken,
    ) -> Self {
        Self { attach, sync_body, small_body, stop, complaints: Mutex::default() }
    }

    /// Says something about `address` and `what`, once a minute.
    pub(super) fn complain(&self, address: &str, what: &str, say: impl FnOnce()) {
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
pub(super) struct RequestingNode(pub(super) Arc<Node>);

impl FromRequestParts<Arc<Serving>> for RequestingNode {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Serving>) -> Result<Self, Refusal> {
        parts.extensions.get::<Self>().cloned().ok_or(Refusal::Unauthorized)
    }
}

/// The user in the path, percent-decoded once.
pub(super) struct RequestedUser(pub(super) Username);

impl FromRequestParts<Arc<Serving>> for RequestedUser {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, serving: &Arc<Serving>) -> Result<Self, Refusal> {
        let path: Result<Path<(String, String)>, _> = Path::from_request_parts(parts, serving).await;
        let text = "the username in the path is not UTF-8 once percent-decoded";
        let Path((_, user)) = path.map_err(|_| Refusal::BadRequest(text.into()))?;
        Ok(Self(Username::new(&user)?))
    }
}
