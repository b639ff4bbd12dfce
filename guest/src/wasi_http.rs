//! The HTTP client: one `GET` through `wasi:http`, with as few calls to the host as it can be done in.
//!
//! The host decides on deadlines and limits. Every handle is given back before this returns: a host counts what is
//! left over as a leak.

use std::cell::OnceCell;
use std::sync::OnceLock;

use crate::component::bindings::wasi::http::outgoing_handler;
use crate::component::bindings::wasi::http::types::{
    ErrorCode, Fields, HeaderError, IncomingResponse, OutgoingRequest, Scheme as WasiScheme, http_error_code,
};
use crate::component::bindings::wasi::io::streams::StreamError;
use crate::protocol::{Answer, Exchange, FetchError, MAX_BODY};
use crate::settings::URL_KEY;
use crate::text::Quoted;
use crate::url::{Scheme, UrlTemplate};

/// An answer, read to its end.
pub(crate) struct Received {
    status: u16,
    body: Vec<u8>,
    /// For a look at its headers.
    response: IncomingResponse,
    etag: OnceCell<Option<Vec<u8>>>,
}

impl<'b> Answer<'b> for &'b Received {
    fn status(&self) -> u16 {
        self.status
    }

    fn body(&self) -> &'b [u8] {
        &self.body
    }

    fn etag(&self) -> Option<&'b [u8]> {
        self.etag.get_or_init(|| etag(&self.response)).as_deref()
    }
}

/// Sends the request of `exchange` and reads the answer.
pub(crate) fn get(url: &UrlTemplate, exchange: &Exchange<'_>) -> Result<Received, FetchError> {
    let response = send(url, exchange)?;
    let status = response.status();
    // No other status has a use for its body: dropping the response closes the exchange.
    let body = if status == 200 { read(&response, url)? } else { Vec::new() };
    Ok(Received { status, body, response, etag: OnceCell::new() })
}

fn send(url: &UrlTemplate, exchange: &Exchange<'_>) -> Result<IncomingResponse, FetchError> {
    let headers = headers(exchange).map_err(|_| unreachable(url, "the host refused a header"))?;
    let request = OutgoingRequest::new(headers);
    let scheme = match url.scheme() {
        Scheme::Http => WasiScheme::Http,
        Scheme::Https => WasiScheme::Https,
    };
    let refused = |()| FetchError::Misconfigured(format!("{URL_KEY} is not a URL that the host accepts"));
    request.set_scheme(Some(&scheme)).map_err(refused)?;
    request.set_authority(Some(url.authority())).map_err(refused)?;
    request.set_path_with_query(Some(exchange.path_with_query())).map_err(refused)?;
    let future = outgoing_handler::handle(request, None).map_err(|error| explain(&error, url))?;
    future.subscribe().block();
    match future.get() {
        Some(Ok(response)) => response.map_err(|error| explain(&error, url)),
        // It was ready, and nobody has asked before.
        Some(Err(())) | None => Err(unreachable(url, "the host has no answer")),
    }
}

/// The headers of the request. Those of a request that is not conditional are always the same: their copies in the form
/// that the bindings ask for are made once per instance.
fn headers(exchange: &Exchange<'_>) -> Result<Fields, HeaderError> {
    static UNCONDITIONAL: OnceLock<Vec<(String, Vec<u8>)>> = OnceLock::new();
    let copies = || exchange.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<Vec<_>>();
    match exchange.if_none_match() {
        None => Fields::from_list(UNCONDITIONAL.get_or_init(copies)),
        Some(_) => Fields::from_list(&copies()),
    }
}

/// The `ETag`, if there is exactly one.
fn etag(response: &IncomingResponse) -> Option<Vec<u8>> {
    let mut values = response.headers().get("etag");
    if values.len() == 1 { values.pop() } else { None }
}

/// Reads the body. A host that has all of it hands it over in one piece, which is then kept as it is.
fn read(response: &IncomingResponse, url: &UrlTemplate) -> Result<Vec<u8>, FetchError> {
    let no_body = |()| unreachable(url, "the answer has no body");
    let body = response.consume().map_err(no_body)?;
    let stream = body.stream().map_err(no_body)?;
    let mut whole = Vec::new();
    while whole.len() <= MAX_BODY {
        // One byte more than is allowed, to see that there is one.
        let room = (MAX_BODY + 1 - whole.len()) as u64;
        // What is here, or is over, needs no waiting, which costs a host more.
        let piece = match stream.read(room) {
            Ok(nothing) if nothing.is_empty() => stream.blocking_read(room),
            piece => piece,
        };
        match piece {
            Ok(piece) if whole.is_empty() => whole = piece,
            Ok(piece) => whole.extend_from_slice(&piece),
            Err(StreamError::Closed) => return Ok(whole),
            Err(StreamError::LastOperationFailed(error)) => {
                let code = http_error_code(&error);
                return Err(code.map_or_else(|| unreachable(url, "the answer broke off"), |code| explain(&code, url)));
            }
        }
    }
    Err(FetchError::TooLarge)
}

fn unreachable(url: &UrlTemplate, what: &str) -> FetchError {
    FetchError::Unreachable(format!("{}://{}: {what}", url.scheme().as_str(), url.authority()))
}

/// One clear line for each way in which HTTP fails.
pub(crate) fn explain(code: &ErrorCode, url: &UrlTemplate) -> FetchError {
    let what = match code {
        ErrorCode::DnsTimeout
        | ErrorCode::ConnectionTimeout
        | ErrorCode::ConnectionReadTimeout
        | ErrorCode::ConnectionWriteTimeout
        | ErrorCode::HttpResponseTimeout => return FetchError::TimedOut,
        ErrorCode::HttpResponseBodySize(_) => return FetchError::TooLarge,
        ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited => "the host does not allow this address",
        ErrorCode::DnsError(_) => "the name cannot be resolved",
        ErrorCode::DestinationNotFound => "there is no such server",
        ErrorCode::DestinationUnavailable | ErrorCode::DestinationIpUnroutable => "the server cannot be reached",
        ErrorCode::ConnectionRefused => "the connection was refused",
        ErrorCode::ConnectionTerminated => "the connection was closed before the answer was complete",
        ErrorCode::ConnectionLimitReached => "too many connections are open",
        ErrorCode::TlsCertificateError => "the server's certificate is not trusted",
        ErrorCode::TlsProtocolError | ErrorCode::TlsAlertReceived(_) => "the TLS handshake failed",
        ErrorCode::HttpResponseIncomplete => "the answer broke off",
        ErrorCode::HttpResponseHeaderSectionSize(_) | ErrorCode::HttpResponseHeaderSize(_) => {
            "the answer's headers are too large"
        }
        ErrorCode::ConfigurationError => "the host's HTTP client is not configured for it",
        ErrorCode::InternalError(Some(what)) => return unreachable(url, &Quoted(what).to_string()),
        ErrorCode::InternalError(None) => "the host's HTTP client failed",
        // What is left is a fault in HTTP itself; the name that WASI gives it is plain enough.
        other => return unreachable(url, &format!("HTTP failed: {other:?}")),
    };
    unreachable(url, what)
}
