//! Asks the application what the plugin wants to ask it (`wasi:http/outgoing-handler`). Where requests may go is the server's to
//! say.

use crate::bindings::wasi::http::outgoing_handler;
use crate::bindings::wasi::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingBody, IncomingResponse, Method as WasiMethod, OutgoingBody,
    OutgoingRequest, RequestOptions, Scheme,
};
use crate::bindings::wasi::io::poll::Pollable;
use crate::bindings::wasi::io::streams::{InputStream, StreamError};
use crate::bindings::xmpp::roster::types::{FetchError, Header, Method, Request, Response};
use crate::deadline::Deadline;
use crate::http;
use crate::settings::Client;

use super::Rosters;

/// What one read is given at most.
const READ: u64 = 64 * 1024;

/// A request that is under way.
pub(super) struct Asked {
    stage: Stage,
    /// For what is said of it.
    url: String,
    deadline: Deadline,
}

/// How far it has come.
enum Stage {
    Head(FutureIncomingResponse),
    Body(Body),
}

/// A response that is arriving. In this order, for what is below is a part of what is above it.
struct Body {
    stream: InputStream,
    _body: IncomingBody,
    _response: IncomingResponse,
    so_far: Response,
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
        // An application that has answered before it has read all may have closed already.
        let _ = http::write(&stream, &request.body);
    }
    let _ = OutgoingBody::finish(body, None);
    let deadline = Deadline::after(rosters.client.total).min(rosters.deadline);
    Ok(Asked { stage: Stage::Head(future), url, deadline })
}

/// Waits for all responses at once: an application that does not answer one request holds up no other.
pub(super) fn responses(rosters: &Rosters<'_>, asked: Vec<Asked>) -> Vec<Result<Response, FetchError>> {
    let mut results: Vec<Option<Result<Response, FetchError>>> = asked.iter().map(|_| None).collect();
    let mut open: Vec<(usize, Asked)> = asked.into_iter().enumerate().collect();
    while !open.is_empty() {
        let ready = {
            let pollables: Vec<Pollable> = open.iter().map(|(_, asked)| asked.subscribe()).collect();
            let first = open.iter().map(|(_, asked)| asked.deadline).min();
            first.map(|deadline| deadline.wait_for_any(&pollables)).unwrap_or_default()
        };
        let mut later = Vec::new();
        for (at, (place, asked)) in open.into_iter().enumerate() {
            let next = match ready.contains(&at) {
                true => asked.go_on(rosters),
                false if asked.deadline.has_passed() => Err(Err(FetchError::TimedOut)),
                false => Ok(asked),
            };
            match next {
                Ok(asked) => later.push((place, asked)),
                Err(result) => results.get_mut(place).into_iter().for_each(|slot| *slot = Some(result.clone())),
            }
        }
        open = later;
    }
    results.into_iter().flatten().collect()
}

impl Asked {
    /// Waits for the response.
    pub(super) fn response(self, rosters: &Rosters<'_>) -> Result<Response, FetchError> {
        responses(rosters, vec![self]).pop().unwrap_or(Err(FetchError::TimedOut))
    }

    fn subscribe(&self) -> Pollable {
        match &self.stage {
            Stage::Head(future) => future.subscribe(),
            Stage::Body(body) => body.stream.subscribe(),
        }
    }

    /// Takes what is there. The error is what came of it.
    fn go_on(self, rosters: &Rosters<'_>) -> Result<Self, Result<Response, FetchError>> {
        let Self { stage, url, deadline } = self;
        let unreachable = |what: &str| Err(FetchError::Unreachable(format!("{url}: {what}")));
        let stage = match stage {
            Stage::Head(future) => match future.get() {
                None => Stage::Head(future),
                Some(Ok(Ok(response))) => {
                    let body = Body::of(response, &rosters.needs.response_headers);
                    Stage::Body(body.ok_or_else(|| unreachable("the response has no body"))?)
                }
                Some(Ok(Err(code))) => return Err(Err(explain(&code, &url))),
                Some(Err(())) => return Err(unreachable("the server has no response")),
            },
            Stage::Body(mut body) => {
                match body.stream.read(READ) {
                    Ok(piece) => body.so_far.body.extend_from_slice(&piece),
                    Err(StreamError::Closed) => return Err(Ok(body.so_far)),
                    Err(StreamError::LastOperationFailed(_)) => return Err(unreachable("the response broke off")),
                }
                if body.so_far.body.len() > rosters.client.max_response {
                    return Err(Err(FetchError::TooLarge));
                }
                Stage::Body(body)
            }
        };
        Ok(Self { stage, url, deadline })
    }
}

impl Body {
    /// `wanted`: the headers that the plugin reads.
    fn of(response: IncomingResponse, wanted: &[String]) -> Option<Self> {
        let mut headers = Vec::new();
        for (name, value) in response.headers().entries() {
            let name = name.to_ascii_lowercase();
            if let (true, Ok(value)) = (wanted.contains(&name), String::from_utf8(value)) {
                headers.push(Header { name, value });
            }
        }
        let so_far = Response { status: response.status(), headers, body: Vec::new() };
        let body = response.consume().ok()?;
        let stream = body.stream().ok()?;
        Some(Self { stream, _body: body, _response: response, so_far })
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
