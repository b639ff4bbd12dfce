//! Server-sent events, as far as they are the same for whoever sends them.

use axum::body::Body;
use axum::response::Response;
use http::HeaderName;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

use super::json::with_header;

/// With what a reader comes back: the id of the last event that it has.
pub(crate) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// nginx keeps back what is not marked so.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// An answer that goes on with `events`.
pub(crate) fn answer(events: Body) -> Response {
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store"), (X_ACCEL_BUFFERING, "no")];
    headers.into_iter().fold(Response::new(events), |response, (name, value)| with_header(response, name, value))
}
