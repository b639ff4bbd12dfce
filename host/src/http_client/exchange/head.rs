//! The head of a response: may it be taken, and what is said when none came.

use std::io;

use http::header::{CONTENT_ENCODING, HeaderMap, HeaderName, TRANSFER_ENCODING};
use http::{Method, Response};
use hyper::body::Incoming;

use crate::http_client::connections::{HeadLimits, tls};
use crate::http_client::error::{ErrorKind, Failure, cause, chain};
use crate::http_client::request::Outgoing;

/// Of a header, in an error.
const LONGEST_SHOWN: usize = 200;

pub(super) fn check_head(
    response: &Response<Incoming>,
    outgoing: &Outgoing,
    limits: HeadLimits,
) -> Result<(), Failure> {
    let headers = response.headers();
    if headers.len() > limits.fields {
        return Err(long_head(limits));
    }
    if response.status().is_informational() {
        let detail = format!("status {} is no answer to this request", response.status().as_u16());
        return Err(Failure::new(ErrorKind::Protocol, detail));
    }
    // Then the body is not what it would be, whatever the status says.
    if let Some(codings) = other_than("chunked", headers, TRANSFER_ENCODING) {
        let detail = format!("the response has Transfer-Encoding: {codings}; only \"chunked\" is understood");
        return Err(Failure::new(ErrorKind::Encoded, detail));
    }
    // Who asked for a coding can read it, and the status of a failure says more than its body.
    let meant = response.status().is_success() && outgoing.method != Method::HEAD && outgoing.wants_it_plain();
    if meant && let Some(codings) = other_than("identity", headers, CONTENT_ENCODING) {
        let detail = format!("the response has Content-Encoding: {codings}, which was not asked for; send it as it is");
        return Err(Failure::new(ErrorKind::Encoded, detail));
    }
    Ok(())
}

/// The values of a header that lists codings, if there is another one than `plain` in it.
fn other_than(plain: &str, headers: &HeaderMap, name: HeaderName) -> Option<String> {
    let values: Vec<_> = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    let all_plain = |value: &str| {
        value.split(',').map(str::trim).all(|coding| coding.is_empty() || coding.eq_ignore_ascii_case(plain))
    };
    (!values.iter().all(|value| all_plain(value))).then(|| values.join(", ").chars().take(LONGEST_SHOWN).collect())
}

fn long_head(HeadLimits { bytes, fields }: HeadLimits) -> Failure {
    let detail = format!(
        "the response head has more than {bytes} bytes (client.max_response_head) or {fields} headers \
         (client.max_response_headers)"
    );
    Failure::new(ErrorKind::HeadTooLarge, detail)
}

pub(super) fn head_failure(error: &hyper::Error, limits: HeadLimits) -> Failure {
    if error.is_parse_too_large() {
        return long_head(limits);
    }
    if error.is_parse() || error.is_user() {
        return Failure::new(ErrorKind::Protocol, format!("the response is not valid HTTP: {}", chain(error)));
    }
    // A server may refuse the handshake after the client thought it done (TLS 1.3).
    if let Some(io) = cause::<io::Error>(error)
        && cause::<rustls::Error>(io).is_some()
    {
        return tls::explain(io);
    }
    Failure::new(ErrorKind::Reset, format!("the connection was lost before the response: {}", chain(error)))
}
