//! Requests that reach no route: what came is not HTTP, or breaks the rules that hold for every request.

use http::StatusCode;

/// The first bytes of a connection that speaks the PROXY protocol, version 1 and 2.
const PROXY_1: &[u8] = b"PROXY ";
const PROXY_2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// What is wrong. The text is what the sender's developer reads.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("the request has no Host header; HTTP/1.1 needs one (RFC 9112 section 3.2)")]
    NoHost,
    #[error("the request has {0} Host headers; send exactly one (RFC 9112 section 3.2)")]
    Hosts(usize),
    #[error("{0:?} is no host; the Host header takes a name or an address and, if you like, a port")]
    NotAHost(String),
    #[error("Transfer-Encoding: {0}: only \"chunked\" is understood here")]
    TransferCoding(String),
    #[error("a % in the path is not followed by two hexadecimal digits")]
    Escape,
    #[error("\"..\" in the path is not followed; send the path it leads to")]
    Parent,
    #[error("this port speaks HTTP, and the connection begins with TLS; use http://, or the port of http.tls.listen")]
    Tls,
    #[error("this port speaks HTTPS, and the request came without TLS; use https://")]
    NoTls,
    #[error("the connection begins with the PROXY protocol, which is not spoken here; switch it off in the proxy")]
    Proxy,
    #[error("this is not an HTTP request, or a line of its head is not as RFC 9112 says")]
    NotHttp,
    #[error("the request line is longer than {0} bytes")]
    LongTarget(usize),
    #[error("the head of the request has more than {bytes} bytes or {fields} headers")]
    LongHead { bytes: usize, fields: usize },
    #[error("{0} requests of this address are not answered yet, no more are taken now (http.max_requests_per_address)")]
    TooManyRequests(usize),
}

impl Fault {
    /// What a connection that is no HTTP speaks, by its first bytes.
    pub(crate) fn of_first_bytes(first: &[u8]) -> Self {
        if first.starts_with(PROXY_1) || first.starts_with(PROXY_2) {
            Self::Proxy
        } else if first.starts_with(&[0x16, 0x03]) {
            // A record of the type "handshake", whatever version of TLS.
            Self::Tls
        } else {
            Self::NotHttp
        }
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::TransferCoding(_) => StatusCode::NOT_IMPLEMENTED,
            Self::Parent => StatusCode::NOT_FOUND,
            Self::LongTarget(_) => StatusCode::URI_TOO_LONG,
            Self::LongHead { .. } => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::TooManyRequests(_) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}
