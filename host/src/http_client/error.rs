//! Why there is no response.

use std::net::IpAddr;
use std::time::Duration;

/// A request that got no usable response. One line for the operator's log; a URL is shown without its
/// query and without credentials.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The origin is not on the operator's list.
    #[error("{origin} is not an allowed origin")]
    Denied {
        /// Where the request was to go.
        origin: String,
    },
    /// The host name resolves only to addresses a plugin may not reach, or is such an address.
    #[error("{origin}: the address {address} is refused: it is {reason}")]
    AddressRefused {
        /// Where the request was to go.
        origin: String,
        /// The first address that was refused.
        address: IpAddr,
        /// What kind of address it is.
        reason: &'static str,
    },
    /// The host name could not be looked up.
    #[error("{origin}: the host name cannot be looked up: {reason}")]
    Dns {
        /// Where the request was to go.
        origin: String,
        /// What the resolver said.
        reason: String,
    },
    /// Nobody listens there.
    #[error("{origin}: connection refused")]
    ConnectRefused {
        /// Where the request was to go.
        origin: String,
    },
    /// No connection for another reason, such as no route.
    #[error("{origin}: cannot connect: {reason}")]
    Connect {
        /// Where the request was to go.
        origin: String,
        /// What the system said.
        reason: String,
    },
    /// DNS, TCP and TLS together took too long.
    #[error("{origin}: no connection within {after:?}")]
    ConnectTimeout {
        /// Where the request was to go.
        origin: String,
        /// The deadline that passed.
        after: Duration,
    },
    /// The server's certificate is not to be trusted.
    #[error("{origin}: {reason}")]
    Certificate {
        /// Where the request was to go.
        origin: String,
        /// What is wrong with it: unknown issuer, another name, expired.
        reason: String,
    },
    /// TLS failed for another reason.
    #[error("{origin}: TLS failed: {reason}")]
    Tls {
        /// Where the request was to go.
        origin: String,
        /// What TLS said.
        reason: String,
    },
    /// The head of the response did not come in time.
    #[error("{url}: no response within {after:?}")]
    FirstByteTimeout {
        /// What was asked for.
        url: String,
        /// The deadline that passed.
        after: Duration,
    },
    /// The body stopped coming.
    #[error("{url}: nothing more of the response body for {after:?}")]
    BodyTimeout {
        /// What was asked for.
        url: String,
        /// The deadline that passed.
        after: Duration,
    },
    /// The whole exchange, redirects included, took too long.
    #[error("{url}: not finished within {after:?}")]
    TotalTimeout {
        /// What was asked for.
        url: String,
        /// The deadline that passed.
        after: Duration,
    },
    /// The connection broke before there was a response.
    #[error("{url}: the connection was lost before the response: {reason}")]
    Reset {
        /// What was asked for.
        url: String,
        /// What the connection said.
        reason: String,
    },
    /// The connection broke within the body.
    #[error("{url}: the response body breaks off after {received} bytes: {reason}")]
    Incomplete {
        /// What was asked for.
        url: String,
        /// Bytes of the body that came.
        received: usize,
        /// What the connection said.
        reason: String,
    },
    /// The body is longer than `max_response`.
    #[error("{url}: the response body is longer than {limit} bytes")]
    TooLarge {
        /// What was asked for.
        url: String,
        /// `max_response`.
        limit: usize,
    },
    /// The head has too many header fields, or too long ones.
    #[error("{url}: the response head is too large")]
    HeadTooLarge {
        /// What was asked for.
        url: String,
    },
    /// What came is not HTTP.
    #[error("{url}: the response is not valid HTTP: {reason}")]
    Protocol {
        /// What was asked for.
        url: String,
        /// What the parser said.
        reason: String,
    },
    /// The server redirects to an origin that is not allowed.
    #[error("{url}: redirected to {to}, which is not an allowed origin")]
    RedirectDenied {
        /// What was asked for.
        url: String,
        /// Where the redirect leads: the origin only.
        to: String,
    },
    /// More redirects than `max_redirects`.
    #[error("{url}: more than {limit} redirects")]
    TooManyRedirects {
        /// The last hop.
        url: String,
        /// `max_redirects`.
        limit: usize,
    },
    /// The request cannot be sent as it is.
    #[error("{url}: {reason}")]
    BadRequest {
        /// What was asked for.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

macro_rules! kinds {
    ($($kind:ident $label:literal $doc:literal,)*) => {
        /// What kind of [`SendError`] it was: a label for metrics, and enough to choose a `wasi:http` error code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorKind {
            $(#[doc = $doc] $kind,)*
        }

        impl ErrorKind {
            /// Every kind, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];

            /// The label in metrics, in snake case.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => $label,)*
                }
            }
        }

        impl SendError {
            /// The kind, without the details.
            pub fn kind(&self) -> ErrorKind {
                match self {
                    $(Self::$kind { .. } => ErrorKind::$kind,)*
                }
            }
        }
    };
}

kinds! {
    Denied "denied" "See [`SendError::Denied`].",
    AddressRefused "address_refused" "See [`SendError::AddressRefused`].",
    Dns "dns" "See [`SendError::Dns`].",
    ConnectRefused "connect_refused" "See [`SendError::ConnectRefused`].",
    Connect "connect" "See [`SendError::Connect`].",
    ConnectTimeout "connect_timeout" "See [`SendError::ConnectTimeout`].",
    Certificate "certificate" "See [`SendError::Certificate`].",
    Tls "tls" "See [`SendError::Tls`].",
    FirstByteTimeout "first_byte_timeout" "See [`SendError::FirstByteTimeout`].",
    BodyTimeout "body_timeout" "See [`SendError::BodyTimeout`].",
    TotalTimeout "total_timeout" "See [`SendError::TotalTimeout`].",
    Reset "reset" "See [`SendError::Reset`].",
    Incomplete "incomplete" "See [`SendError::Incomplete`].",
    TooLarge "too_large" "See [`SendError::TooLarge`].",
    HeadTooLarge "head_too_large" "See [`SendError::HeadTooLarge`].",
    Protocol "protocol" "See [`SendError::Protocol`].",
    RedirectDenied "redirect_denied" "See [`SendError::RedirectDenied`].",
    TooManyRedirects "too_many_redirects" "See [`SendError::TooManyRedirects`].",
    BadRequest "bad_request" "See [`SendError::BadRequest`].",
}

/// `uri` as it may be logged: without a user name and password, and without its query, which may hold a key.
pub(crate) fn shown(uri: &http::Uri) -> String {
    let mut text = shown_origin(uri);
    text.push_str(if uri.path().is_empty() { "/" } else { uri.path() });
    if uri.query().is_some() {
        text.push_str("?...");
    }
    text
}

/// The origin of `uri` as it was written, without a user name and password.
pub(super) fn shown_origin(uri: &http::Uri) -> String {
    let host = uri.host().unwrap_or_default();
    let port = uri.port().map_or_else(String::new, |port| format!(":{port}"));
    format!("{}://{host}{port}", uri.scheme_str().unwrap_or_default())
}

/// An error and what caused it, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        // Some wrappers already repeat what they wrap.
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}

/// The first error of type `E` among `error` and its causes. `io::Error` hides what it wraps from `source`.
pub(super) fn cause<'a, E: std::error::Error + 'static>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        next = match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn a_shown_url_has_neither_query_nor_credentials() {
        for (uri, text) in [
            ("http://john:secret@app.example.org:8000/a?b=c", "http://app.example.org:8000/a?..."),
            ("https://app.example.org", "https://app.example.org/"),
            ("http://[::1]:80/x", "http://[::1]:80/x"),
        ] {
            assert_eq!(shown(&uri.parse().unwrap()), text);
        }
    }

    #[test]
    fn labels_are_unique() {
        let labels: std::collections::BTreeSet<_> = ErrorKind::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(labels.len(), ErrorKind::ALL.len());
    }
}
