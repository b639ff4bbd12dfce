//! A `GET` through `wasi:http`, for a plugin that sends requests of its own, from within its hooks. Deadlines, credentials and
//! the size limit are the host's. Every handle is given back, children first: a host counts what is left over as a leak.
//!
//! Prefer [`Request::next`](crate::Request::next) where one request follows from the response to another: an instance that
//! waits holds its memory for as long as the application thinks.

use bindings::wasi::http::outgoing_handler;
use bindings::wasi::http::types::{ErrorCode, Fields, IncomingResponse, OutgoingRequest, Scheme};
use bindings::wasi::io::streams::StreamError;

use crate::FetchError;

/// What wit-bindgen makes of `wasi:http`. Generated code is not held to the crate's lints.
#[allow(missing_docs, unsafe_code, unreachable_pub, clippy::all, clippy::restriction, rustdoc::all)]
mod bindings {
    wit_bindgen::generate!({
        inline: "package xmpp:roster-http; world http { import wasi:http/outgoing-handler@0.2.12; }",
        path: "wit",
        world: "xmpp:roster-http/http",
        generate_all,
    });
}

/// The longest answer that is read, bytes.
const LONGEST: usize = 64 << 10;

/// The body of an answer with status 200.
pub fn get(url: &str) -> Result<Vec<u8>, FetchError> {
    let wrong = || FetchError::Misconfigured("the host does not accept this URL".into());
    let request = request(url).ok_or_else(wrong)?;
    let future = outgoing_handler::handle(request, None).map_err(explain)?;
    future.subscribe().block();
    // A result within a result: whether it was asked for before, and what came of it.
    match future.get() {
        Some(Ok(Ok(response))) if response.status() == 200 => read(&response),
        Some(Ok(Ok(response))) => Err(FetchError::Status(response.status())),
        Some(Ok(Err(code))) => Err(explain(code)),
        _ => Err(FetchError::Unreachable("the host has no answer".into())),
    }
}

fn request(url: &str) -> Option<OutgoingRequest> {
    let (scheme, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => (Scheme::Https, rest),
        (_, rest) => (Scheme::Http, rest?),
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let request = OutgoingRequest::new(Fields::new());
    request.set_scheme(Some(&scheme)).ok()?;
    request.set_authority(Some(authority)).ok()?;
    request.set_path_with_query(Some(if path.is_empty() { "/" } else { path })).ok()?;
    Some(request)
}

fn read(response: &IncomingResponse) -> Result<Vec<u8>, FetchError> {
    let broken = || FetchError::Unreachable("the answer broke off".into());
    let body = response.consume().map_err(|()| broken())?;
    let stream = body.stream().map_err(|()| broken())?;
    let mut whole = Vec::new();
    loop {
        match stream.blocking_read(LONGEST as u64) {
            Ok(piece) => whole.extend_from_slice(&piece),
            Err(StreamError::Closed) => return Ok(whole),
            Err(StreamError::LastOperationFailed(_)) => return Err(broken()),
        }
        if whole.len() > LONGEST {
            return Err(FetchError::TooLarge);
        }
    }
}

fn explain(code: ErrorCode) -> FetchError {
    match code {
        ErrorCode::ConnectionTimeout | ErrorCode::HttpResponseTimeout => FetchError::TimedOut,
        ErrorCode::HttpResponseBodySize(_) => FetchError::TooLarge,
        ErrorCode::HttpRequestDenied => FetchError::Unreachable("the host does not allow this address".into()),
        other => FetchError::Unreachable(format!("{other:?}")),
    }
}
