//! Asks the application what the plugin wants to ask it. Where requests may go, and for how long, is the server's to say.

use crate::bindings::wasi::http::outgoing_handler;
use crate::bindings::wasi::http::types::{
    ErrorCode, Fields, IncomingResponse, Method as WasiMethod, OutgoingBody, OutgoingRequest, Scheme,
};
use crate::bindings::wasi::io::streams::StreamError;
use crate::bindings::xmpp::roster::types::{FetchError, Header, Method, Request, Response};

/// The longest response body that is read, bytes.
const MAX_BODY: usize = 10 * 1024 * 1024;

/// Sends one request. `wanted`: the response headers that the plugin reads.
pub(crate) fn ask(request: &Request, wanted: &[String]) -> Result<Response, FetchError> {
    let unreachable = |what: &str| FetchError::Unreachable(format!("{}: {what}", request.url));
    let outgoing = outgoing(request).ok_or_else(|| unreachable("it cannot be asked for"))?;
    let body = outgoing.body().map_err(|()| unreachable("the server takes no body"))?;
    let future = outgoing_handler::handle(outgoing, None).map_err(|code| explain(&code, request))?;
    if !request.body.is_empty() {
        let stream = body.write().map_err(|()| unreachable("the server takes no body"))?;
        for piece in request.body.chunks(4096) {
            stream.blocking_write_and_flush(piece).map_err(|_| unreachable("the request broke off"))?;
        }
    }
    OutgoingBody::finish(body, None).map_err(|code| explain(&code, request))?;
    future.subscribe().block();
    match future.get() {
        Some(Ok(Ok(response))) => read(&response, wanted).map_err(|error| error.unwrap_or(unreachable("it broke off"))),
        Some(Ok(Err(code))) => Err(explain(&code, request)),
        _ => Err(unreachable("the server has no response")),
    }
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
fn read(response: &IncomingResponse, wanted: &[String]) -> Result<Response, Option<FetchError>> {
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
        match stream.blocking_read(64 * 1024) {
            Ok(piece) => whole.extend_from_slice(&piece),
            Err(StreamError::Closed) => return Ok(Response { status: response.status(), headers, body: whole }),
            Err(StreamError::LastOperationFailed(_)) => return Err(None),
        }
        if whole.len() > MAX_BODY {
            return Err(Some(FetchError::TooLarge));
        }
    }
}

fn explain(code: &ErrorCode, request: &Request) -> FetchError {
    match code {
        ErrorCode::DnsTimeout
        | ErrorCode::ConnectionTimeout
        | ErrorCode::ConnectionReadTimeout
        | ErrorCode::ConnectionWriteTimeout
        | ErrorCode::HttpResponseTimeout => FetchError::TimedOut,
        ErrorCode::HttpResponseBodySize(_) => FetchError::TooLarge,
        other => FetchError::Unreachable(format!("{}: {other:?}", request.url)),
    }
}
