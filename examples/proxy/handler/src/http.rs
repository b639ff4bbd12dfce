//! `wasi:http` as far as a server of small JSON answers needs it.

use crate::bindings::exports::wasi::http::incoming_handler::{IncomingRequest, ResponseOutparam};
use crate::bindings::wasi::http::types::{Fields, Method, OutgoingBody, OutgoingResponse};
use crate::bindings::wasi::io::streams::StreamError;

/// The longest request body that is read, bytes.
const MAX_BODY: usize = 10 * 1024 * 1024;
/// What one `blocking-write-and-flush` takes at most (`wasi:io/streams`).
const WRITE: usize = 4096;

/// An answer.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    /// The value of `Allow`, with status 405.
    pub(crate) allow: Option<&'static str>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn json(status: u16, value: &serde_json::Value) -> Self {
        Self { status, content_type: "application/json".into(), allow: None, body: value.to_string().into_bytes() }
    }

    /// An error in the shape that the refresh route has.
    pub(crate) fn error(status: u16, message: &str) -> Self {
        Self::json(status, &serde_json::json!({ "status": "error", "message": message }))
    }
}

/// The method's name, as in a request line.
pub(crate) fn method(request: &IncomingRequest) -> String {
    match request.method() {
        Method::Get => "GET".into(),
        Method::Head => "HEAD".into(),
        Method::Post => "POST".into(),
        Method::Put => "PUT".into(),
        Method::Delete => "DELETE".into(),
        Method::Connect => "CONNECT".into(),
        Method::Options => "OPTIONS".into(),
        Method::Trace => "TRACE".into(),
        Method::Patch => "PATCH".into(),
        Method::Other(other) => other,
    }
}

/// The whole body, or the answer to a request that has too much of it or breaks off.
pub(crate) fn body(request: &IncomingRequest) -> Result<Vec<u8>, Response> {
    let broken = || Response::error(400, "the body broke off");
    let body = request.consume().map_err(|()| broken())?;
    let stream = body.stream().map_err(|()| broken())?;
    let mut whole = Vec::new();
    loop {
        match stream.blocking_read(64 * 1024) {
            Ok(piece) => whole.extend_from_slice(&piece),
            Err(StreamError::Closed) => return Ok(whole),
            Err(StreamError::LastOperationFailed(_)) => return Err(broken()),
        }
        if whole.len() > MAX_BODY {
            return Err(Response::error(413, &format!("the body is longer than {MAX_BODY} bytes")));
        }
    }
}

/// Sends the answer. A server that has gone away meanwhile needs none.
pub(crate) fn send(response: Response, out: ResponseOutparam) {
    let headers = Fields::new();
    let mut fields = vec![("content-type", response.content_type.into_bytes())];
    fields.push(("content-length", response.body.len().to_string().into_bytes()));
    fields.extend(response.allow.map(|methods| ("allow", methods.as_bytes().to_vec())));
    for (name, value) in fields {
        // A plugin may give a content type that is no header value: then the answer goes without.
        let _ = headers.append(name, &value);
    }
    let outgoing = OutgoingResponse::new(headers);
    if outgoing.set_status_code(response.status).is_err() {
        let _ = outgoing.set_status_code(500);
    }
    let Ok(body) = outgoing.body() else { return };
    ResponseOutparam::set(out, Ok(outgoing));
    if let Ok(stream) = body.write() {
        for piece in response.body.chunks(WRITE) {
            if stream.blocking_write_and_flush(piece).is_err() {
                return;
            }
        }
    }
    let _ = OutgoingBody::finish(body, None);
}
