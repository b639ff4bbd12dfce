//! Asks the application what the plugin wants to ask it (`wasi:http/outgoing-handler`). Where requests may go is the server's to
//! say.

use crate::bindings::wasi::http::outgoing_handler;
use crate::bindings::wasi::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingResponse, Method as WasiMethod, OutgoingBody, OutgoingRequest,
    RequestOptions, Scheme,
};
use crate::bindings::wasi::io::streams::StreamError;
use crate::bindings::xmpp::roster::types::{FetchError, Header, Method, Request, Response};
use crate::deadline::Deadline;
use crate::settings::Client;

use super::Rosters;

/// What one `blocking-write-and-flush` takes at most (`wasi:io/streams`).
const WRITE: usize = 4096;
/// What one read is given at most.
const READ: u64 = 64 * 1024;

/// A request that is under way.
pub(super) struct Asked {
    future: FutureIncomingResponse,
    /// For what is said of it.
    url: String,
    deadline: Deadline,
}

/// Sends a request, without waiting for the response.
pub(super) fn send(rosters: &Rosters<'_>, request: &Request) -> Result<Asked, FetchError> {
    let url = shown(&request.url);
    let unreachable = |what: &str| FetchError::Unreachable(format!("{url}: {what}"));
    let outgoing = outgoing(request).ok_or_else(|| unreachable("it cannot be asked for"))?;
    let body = outgoing.body().map_err(|()| unreachable("the server takes no body"))?;
    let options = options(&rosters.client);
    let future = outgoing_handler::handle(outgoing, Some(options)).map_err(|code| explain(&code, &url))?;
    if !request.body.is_empty() {
        let stream = body.write().map_err(|()| unreachable("the server takes no body"))?;
        for piece in request.body.chunks(WRITE) {
            // An application that has answered before it has read all may have closed already.
            if stream.blocking_write_and_flush(piece).is_err() {
                break;
            }
        }
    }
    let _ = OutgoingBody::finish(body, None);
    let deadline = Deadline::after(rosters.client.total).min(rosters.deadline);
    Ok(Asked { future, url, deadline })
}

impl Asked {
    /// Waits for the response.
    pub(super) fn response(self, rosters: &Rosters<'_>) -> Result<Response, FetchError> {
        let unreachable = |what: &str| FetchError::Unreachable(format!("{}: {what}", self.url));
        if !self.deadline.wait(&self.future.subscribe()) {
            return Err(FetchError::TimedOut);
        }
        match self.future.get() {
            Some(Ok(Ok(response))) => {
                let read = read(&response, &rosters.needs.response_headers, rosters.client.max_response, self.deadline);
                read.map_err(|error| error.unwrap_or_else(|| unreachable("the response broke off")))
            }
            Some(Ok(Err(code))) => Err(explain(&code, &self.url)),
            _ => Err(unreachable("the server has no response")),
        }
    }
}

/// Without its query, which may have a secret in it.
fn shown(url: &str) -> String {
    url.split_once('?').map_or(url, |(path, _)| path).to_owned()
}

fn options(client: &Client) -> RequestOptions {
    let options = RequestOptions::new();
    let nanoseconds = |time: std::time::Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    // A server that cannot has limits of its own, and the deadline holds in any case.
    let _ = options.set_connect_timeout(Some(nanoseconds(client.connect)));
    let _ = options.set_first_byte_timeout(Some(nanoseconds(client.first_byte)));
    let _ = options.set_between_bytes_timeout(Some(nanoseconds(client.first_byte)));
    options
}

fn outgoing(request: &Request) -> Option<OutgoingRequest> {
    let (scheme, rest) = match (request.url.strip_prefix("https://"), request.url.strip_prefix("http://")) {
        (Some(rest), _) => (Scheme::Https, rest),
        (_, Some(rest)) => (Scheme::Http, rest),
        _ => return None,
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let headers: Vec<_> =
        request.headers.iter().map(|header| (header.name.clone(), header.value.clone().into_bytes())).collect();
    let outgoing = OutgoingRequest::new(Fields::from_list(&headers).ok()?);
    let method = match &request.method {
        Method::Get => WasiMethod::Get,
        Method::Post => WasiMethod::Post,
        Method::Other(other) => WasiMethod::Other(other.clone()),
    };
    outgoing.set_method(&method).ok()?;
    outgoing.set_scheme(Some(&scheme)).ok()?;
    outgoing.set_authority(Some(authority)).ok()?;
    outgoing.set_path_with_query(Some(path)).ok()?;
    Some(outgoing)
}

/// The error is none if the response broke off.
fn read(
    response: &IncomingResponse,
    wanted: &[String],
    limit: usize,
    deadline: Deadline,
) -> Result<Response, Option<FetchError>> {
    let mut headers = Vec::new();
    for (name, value) in response.headers().entries() {
        let name = name.to_ascii_lowercase();
        if let (true, Ok(value)) = (wanted.contains(&name), String::from_utf8(value)) {
            headers.push(Header { name, value });
        }
    }
    let body = response.consume().map_err(|()| None)?;
    let stream = body.stream().map_err(|()| None)?;
    let mut whole = Vec::new();
    loop {
        if !deadline.wait(&stream.subscribe()) {
            return Err(Some(FetchError::TimedOut));
        }
        match stream.read(READ) {
            Ok(piece) => whole.extend_from_slice(&piece),
            Err(StreamError::Closed) => return Ok(Response { status: response.status(), headers, body: whole }),
            Err(StreamError::LastOperationFailed(_)) => return Err(None),
        }
        if whole.len() > limit {
            return Err(Some(FetchError::TooLarge));
        }
    }
}

fn explain(code: &ErrorCode, url: &str) -> FetchError {
    match code {
        ErrorCode::DnsTimeout
        | ErrorCode::ConnectionTimeout
        | ErrorCode::ConnectionReadTimeout
        | ErrorCode::ConnectionWriteTimeout
        | ErrorCode::HttpResponseTimeout => FetchError::TimedOut,
        ErrorCode::HttpResponseBodySize(_) => FetchError::TooLarge,
        other => FetchError::Unreachable(format!("{url}: {other:?}")),
    }
}
