//! What holds for a request to any route: it names one host, its body comes in a way we understand, and its path has one
//! spelling.
//!
//! [`examine`] is called before a route is looked for, [`refuse`] is the middleware that answers: in between the request
//! is logged and counted like any other.

use std::net::Ipv6Addr;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{HOST, RETRY_AFTER, TRANSFER_ENCODING};
use http::{HeaderMap, Version};

use super::fault::Fault;
use super::target;
use crate::http::answers::json;
use crate::http::shortened::shortened;

/// Brings the path of `request` into its normal form, and notes what is wrong with the request.
pub(in crate::http) fn examine(request: &mut Request) {
    let checked = host(request).and_then(|()| transfer_coding(request.headers()));
    match checked.and_then(|()| target::normal(request.uri())) {
        Ok(None) => {}
        Ok(Some(uri)) => *request.uri_mut() = uri,
        Err(fault) => {
            request.extensions_mut().insert(fault);
        }
    }
}

/// The middleware.
pub(in crate::http) async fn refuse(State(body): State<json::ErrorBody>, request: Request, next: Next) -> Response {
    match request.extensions().get::<Fault>() {
        None => next.run(request).await,
        Some(fault) => {
            let response = json::error(fault.status(), body, &fault.to_string());
            match fault {
                Fault::TooManyRequests(_) => json::with_header(response, RETRY_AFTER, "1"),
                _ => response,
            }
        }
    }
}

/// RFC 9112 section 3.2, RFC 9113 section 8.3.1.
fn host(request: &Request) -> Result<(), Fault> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let authority = request.uri().authority().map(|authority| authority.as_str());
    match (hosts.next(), hosts.count()) {
        (Some(_), more @ 1..) => return Err(Fault::Hosts(more + 1)),
        (Some(host), _) if !host.to_str().is_ok_and(names_a_host) => {
            return Err(Fault::NotAHost(shortened(host)));
        }
        (None, _) if request.version() == Version::HTTP_11 => return Err(Fault::NoHost),
        (None, _) if request.version() > Version::HTTP_11 && authority.is_none() => return Err(Fault::NoHost),
        _ => {}
    }
    match authority {
        Some(authority) if !names_a_host(authority) => Err(Fault::NotAHost(shortened(authority))),
        _ => Ok(()),
    }
}

/// Whether `text` is a host, with a port or without. Of names (RFC 3986 section 3.2.2) without the characters that no name
/// in use has: with them it is a list or worse.
fn names_a_host(text: &str) -> bool {
    let (is_host, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, "")) => (address.parse::<Ipv6Addr>().is_ok(), ""),
            Some((address, rest)) => match rest.strip_prefix(':') {
                Some(port) => (address.parse::<Ipv6Addr>().is_ok(), port),
                None => (false, ""),
            },
            None => (false, ""),
        },
        None => {
            let (name, port) = text.split_once(':').unwrap_or((text, ""));
            (is_name(name), port)
        }
    };
    is_host && (port.is_empty() || (port.bytes().all(|digit| digit.is_ascii_digit()) && port.parse::<u16>().is_ok()))
}

fn is_name(name: &str) -> bool {
    let mut pieces = name.split('%');
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
    !name.is_empty()
        && pieces.next().is_some_and(plain)
        && pieces.all(|piece| {
            let escape = piece.get(..2).is_some_and(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
            escape && piece.get(2..).is_some_and(plain)
        })
}

/// RFC 9112 section 6.1. What does not end with `chunked`, and what is more than HTTP/1.1 takes, hyper has refused already.
fn transfer_coding(headers: &HeaderMap) -> Result<(), Fault> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter().map(|value| value.as_bytes().trim_ascii());
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => {
            let all: Vec<_> = headers.get_all(TRANSFER_ENCODING).iter().map(|value| value.as_bytes()).collect();
            Err(Fault::TransferCoding(shortened(all.join(&b", "[..]))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_with_or_without_a_port() {
        for (text, expected) in [
            ("localhost", true),
            ("LOCALHOST.:5280", true),
            ("example.com:", true),
            ("my_app-1.internal", true),
            ("xn--mnchen-3ya.example", true),
            ("m%C3%BCnchen.example", true),
            ("127.0.0.1:80", true),
            ("[::1]", true),
            ("[::ffff:127.0.0.1]:65535", true),
            ("", false),
            (":5280", false),
            ("@@bad@@", false),
            ("me:secret@localhost", false),
            ("a b", false),
            ("a, b", false),
            ("a,b", false),
            ("http://localhost", false),
            ("localhost/", false),
            ("localhost:http", false),
            ("localhost:65536", false),
            ("localhost:80:80", false),
            ("localhost:+80", false),
            ("::1", false),
            ("[::1", false),
            ("[::1]80", false),
            ("[localhost]", false),
            ("[fe80::1%25eth0]", false),
            ("50%", false),
            ("münchen.example", false),
            ("<script>", false),
        ] {
            assert_eq!(names_a_host(text), expected, "{text:?}");
        }
    }
}
