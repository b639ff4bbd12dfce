//! Why there is no response.

use http::Uri;

/// A request that got no usable response. One line for the operator's log: the URL, without its query and without
/// credentials, then what happened and, where there is one, the key of the configuration that decides about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{target}: {detail}")]
pub struct SendError {
    kind: ErrorKind,
    target: String,
    detail: String,
}

impl SendError {
    /// The request for `target` failed. `detail` is one line without secrets.
    pub fn new(kind: ErrorKind, target: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { kind, target: target.into(), detail: detail.into() }
    }

    /// What kind of failure it was.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What was asked for, as it may be logged.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// What happened.
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

/// What happened to a request, before it is said to which.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) kind: ErrorKind,
    pub(super) detail: String,
}

impl Failure {
    pub(super) fn new(kind: ErrorKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }

    /// The failure of the request for `uri`.
    pub(super) fn of(self, uri: &Uri) -> SendError {
        SendError::new(self.kind, shown(uri), self.detail)
    }
}

macro_rules! kinds {
    ($($kind:ident $label:literal $doc:literal,)*) => {
        /// What kind of [`SendError`] it was: a label for metrics, and enough to choose what the plugin's error is.
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
    };
}

kinds! {
    Denied "denied" "The origin is not on the operator's list.",
    AddressRefused "address_refused" "The host name leads only to addresses a plugin may not reach, or is such an address.",
    Dns "dns" "The host name could not be looked up.",
    ConnectRefused "connect_refused" "Nobody listens there.",
    Connect "connect" "No connection for another reason, such as no route.",
    ConnectTimeout "connect_timeout" "DNS, TCP and TLS together took too long.",
    Certificate "certificate" "The server's certificate is not to be trusted.",
    Tls "tls" "TLS failed for another reason.",
    FirstByteTimeout "first_byte_timeout" "The head of the response did not come in time.",
    BodyTimeout "body_timeout" "The body stopped coming.",
    TotalTimeout "total_timeout" "The whole exchange, redirects included, took too long.",
    Reset "reset" "The connection broke before there was a response.",
    Incomplete "incomplete" "The connection broke within the body.",
    TooLarge "too_large" "The body is longer than `max_response`.",
    NoMemory "no_memory" "All bodies and plugins together take as much memory as they may.",
    HeadTooLarge "head_too_large" "The head has more header fields, or more bytes, than are taken.",
    Protocol "protocol" "What came is not HTTP.",
    Encoded "encoded" "The body is compressed, or encoded in another way that nobody asked for.",
    RedirectDenied "redirect_denied" "The server redirects to an origin that is not allowed.",
    TooManyRedirects "too_many_redirects" "More redirects than `max_redirects`.",
    BadRequest "bad_request" "The request cannot be sent as it is.",
}

/// `uri` as it may be logged: without a user name and password, and without its query, which may hold a key.
pub(crate) fn shown(uri: &http::Uri) -> String {
    let port = uri.port();
    let (colon, port) = port.as_ref().map_or(("", ""), |port| (":", port.as_str()));
    let path = if uri.path().is_empty() { "/" } else { uri.path() };
    let query = if uri.query().is_some() { "?..." } else { "" };
    // In one piece: it is made for each request.
    [uri.scheme_str().unwrap_or_default(), "://", uri.host().unwrap_or_default(), colon, port, path, query].concat()
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
