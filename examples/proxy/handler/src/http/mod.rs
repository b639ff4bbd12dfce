//! `wasi:http` as far as a server of JSON answers needs it.
//!
//! - [`target`]: one spelling for each path
//! - [`etag`]: does the client have this answer already?

pub(crate) mod etag;
pub(crate) mod target;

use subtle::ConstantTimeEq;

use crate::bindings::exports::wasi::http::incoming_handler::{IncomingRequest, ResponseOutparam};
use crate::bindings::wasi::http::types::{Fields, Method, OutgoingBody, OutgoingResponse};
use crate::bindings::wasi::io::streams::{OutputStream, StreamError};
use crate::deadline::Deadline;
use crate::refusal::Refusal;

/// What one read is given at most.
const READ: u64 = 64 * 1024;

/// An answer.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    /// None is the answer to `HEAD`, and 304.
    pub(crate) body: Option<Vec<u8>>,
}

impl Response {
    pub(crate) fn json(status: u16, value: &impl serde::Serialize) -> Self {
        let body = serde_json::to_vec(value).unwrap_or_else(|_| br#"{"status":"error"}"#.to_vec());
        Self { status, headers: vec![("content-type", "application/json".into())], body: Some(body) }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
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

/// All values of a header, as they came.
pub(crate) fn header(request: &IncomingRequest, name: &str) -> Vec<Vec<u8>> {
    request.headers().get(name)
}

/// Whether the request may pass: no token is configured, or the request carries it (RFC 6750). Takes as long for a token that
/// is wrong in the first character as for one that is wrong in the last.
pub(crate) fn passes(token: Option<&str>, request: &IncomingRequest) -> bool {
    let Some(token) = token else { return true };
    let values = header(request, "authorization");
    let Some((scheme, given)) = values
        .first()
        .and_then(|value| value.iter().position(|byte| *byte == b' ').and_then(|at| value.split_at_checked(at)))
    else {
        return false;
    };
    scheme.eq_ignore_ascii_case(b"bearer") && bool::from(given.trim_ascii().ct_eq(token.as_bytes()))
}

/// The whole body, if it comes as it is and not compressed, is no longer than `limit`, and is here by `deadline`.
pub(crate) fn body(request: &IncomingRequest, limit: usize, deadline: Deadline) -> Result<Vec<u8>, Refusal> {
    if let Some(coding) = content_coding(request) {
        return Err(Refusal::Encoded(coding));
    }
    let announced = header(request, "content-length").into_iter().find_map(|value| String::from_utf8(value).ok());
    if announced.and_then(|length| length.parse::<u64>().ok()).is_some_and(|length| length > limit as u64) {
        return Err(Refusal::TooLarge(limit));
    }
    let body = request.consume().map_err(|()| Refusal::Broken)?;
    let stream = body.stream().map_err(|()| Refusal::Broken)?;
    let mut whole = Vec::new();
    loop {
        if !deadline.wait(&stream.subscribe()) {
            return Err(Refusal::TooSlow);
        }
        match stream.read(READ) {
            Ok(piece) => whole.extend_from_slice(&piece),
            Err(StreamError::Closed) => return Ok(whole),
            Err(StreamError::LastOperationFailed(_)) => return Err(Refusal::Broken),
        }
        if whole.len() > limit {
            return Err(Refusal::TooLarge(limit));
        }
    }
}

/// How the body is encoded (RFC 9110 section 8.4), if it is.
fn content_coding(request: &IncomingRequest) -> Option<String> {
    let values = header(request, "content-encoding");
    let plain = |coding: &[u8]| coding.is_empty() || coding.eq_ignore_ascii_case(b"identity");
    let plain = values.iter().flat_map(|value| value.split(|byte| *byte == b',')).all(|one| plain(one.trim_ascii()));
    (!plain).then(|| String::from_utf8_lossy(&values.join(&b", "[..])).chars().take(256).collect())
}

/// Sends the answer. A client that has gone away meanwhile needs none.
pub(crate) fn send(response: Response, out: ResponseOutparam) {
    let fields = Fields::new();
    for (name, value) in &response.headers {
        // Checked before, or ours.
        let _ = fields.append(name, value.as_bytes());
    }
    if let Some(body) = &response.body {
        let _ = fields.append("content-length", body.len().to_string().as_bytes());
    }
    let outgoing = OutgoingResponse::new(fields);
    if outgoing.set_status_code(response.status).is_err() {
        let _ = outgoing.set_status_code(500);
    }
    let Ok(body) = outgoing.body() else { return };
    ResponseOutparam::set(out, Ok(outgoing));
    if let (Some(bytes), Ok(stream)) = (response.body, body.write())
        && write(&stream, &bytes).is_err()
    {
        return;
    }
    let _ = OutgoingBody::finish(body, None);
}

/// Writes as much at once as the server takes: some send nothing before the whole answer is there, and would wait for ever if it were
/// flushed.
pub(crate) fn write(stream: &OutputStream, bytes: &[u8]) -> Result<(), StreamError> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let room = usize::try_from(stream.check_write()?).unwrap_or(usize::MAX);
        if room == 0 {
            stream.subscribe().block();
            continue;
        }
        let (piece, after) = rest.split_at(room.min(rest.len()));
        stream.write(piece)?;
        rest = after;
    }
    Ok(())
}

/// Whether a header can have this value.
pub(crate) fn can_be_header(value: &str) -> bool {
    value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && value.len() <= 256
}
