//! JSON answers.

use axum::body::{self, Body};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http::{HeaderName, StatusCode};
use serde::Serialize;

/// The longest text of another that becomes the message of an answer, bytes.
const LONGEST_MESSAGE: usize = 4096;

/// The body of an answer that says what is wrong, in the form that one listener documents.
pub(crate) type ErrorBody = fn(&str) -> Vec<u8>;

/// An answer with `content` as its body.
pub(crate) fn answer(status: StatusCode, content: &impl Serialize) -> Response {
    match serde_json::to_vec(content) {
        Ok(body) => of(status, body),
        Err(_) => of(StatusCode::INTERNAL_SERVER_ERROR, DEFECT.to_vec()),
    }
}

/// An answer that says what is wrong.
pub(crate) fn error(status: StatusCode, body: ErrorBody, message: &str) -> Response {
    of(status, body(message))
}

/// `content` as the body of an answer.
pub(crate) fn body(content: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(content).unwrap_or_else(|_| DEFECT.to_vec())
}

/// The body of an answer that says what is wrong, where a listener has nothing to add.
pub(crate) fn refused(message: &str) -> Vec<u8> {
    #[derive(Serialize)]
    struct Refused<'a> {
        status: &'static str,
        message: &'a str,
    }
    body(&Refused { status: "error", message })
}

/// Only a defect gets here: everything that is sent has text as keys.
const DEFECT: &[u8] = br#"{"status":"error"}"#;

fn of(status: StatusCode, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// `response` with one more header.
pub(crate) fn with_header(mut response: Response, name: HeaderName, value: &'static str) -> Response {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}

/// Middleware: an error that a library answers as text, or with no body at all, is JSON like ours. Its headers stay.
pub(crate) async fn only(State(shape): State<ErrorBody>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let json = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if json || !(response.status().is_client_error() || response.status().is_server_error()) {
        return response;
    }
    let (mut parts, text) = response.into_parts();
    let text = body::to_bytes(text, LONGEST_MESSAGE).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let message = match text.trim() {
        "" => parts.status.canonical_reason().unwrap_or("the request cannot be answered"),
        text => text,
    };
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(shape(message)))
}
