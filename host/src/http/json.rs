//! JSON answers.

use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderName, StatusCode};
use serde::Serialize;

/// An answer with `content` as its body.
pub(super) fn answer(status: StatusCode, content: &impl Serialize) -> Response {
    let (status, body) = match serde_json::to_vec(content) {
        Ok(body) => (status, body),
        // Only a defect gets here: everything that is sent has text as keys.
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, br#"{"status":"error"}"#.to_vec()),
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// `response` with one more header.
pub(super) fn with_header(mut response: Response, name: HeaderName, value: &'static str) -> Response {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}
