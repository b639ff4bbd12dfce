//! What a plugin wants sent, checked, and how it looks on the wire.

mod credentials;
pub(super) mod redirect;
pub(super) mod site;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, COOKIE, HOST};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use http_body_util::Full;

pub(crate) use self::credentials::authorization;
use self::site::Site;
use super::connections::RequestBody;
use super::error::{ErrorKind, SendError, shown};

/// Header fields that steer the connection and not the request: the host's business (RFC 9110 section 7.6.1,
/// RFC 9113 section 8.2.2). `expect` would make the server wait for a body that is already on its way.
const REFUSED: [&str; 11] = [
    "connection",
    "expect",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A request that may be sent more than once: again, or to where a redirect leads.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) method: Method,
    pub(super) uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

impl Outgoing {
    /// # Errors
    ///
    /// [`ErrorKind::BadRequest`] for what no origin should get.
    pub(super) fn new(request: Request<Bytes>) -> Result<Self, SendError> {
        let (parts, body) = request.into_parts();
        let bad = |reason: &str| Err(SendError::new(ErrorKind::BadRequest, shown(&parts.uri), reason));
        if !matches!(parts.uri.scheme_str(), Some("http" | "https")) {
            return bad("only http and https URLs can be requested");
        }
        let Some(authority) = parts.uri.authority().filter(|authority| !authority.host().is_empty()) else {
            return bad("the URL has no host");
        };
        if authority.as_str().contains('@') {
            return bad("the URL contains a user name or password; the host's configuration is the place for them");
        }
        // TRACE would show the plugin the credentials that the host adds.
        if parts.method == Method::CONNECT || parts.method == Method::TRACE {
            return bad("the methods CONNECT and TRACE are not supported");
        }
        if parts.headers.keys().any(|name| REFUSED.contains(&name.as_str())) {
            return bad("a header field of the request is reserved for the host");
        }
        let mut headers = parts.headers;
        // Both follow from the request itself.
        headers.remove(HOST);
        headers.remove(CONTENT_LENGTH);
        Ok(Self { method: parts.method, uri: parts.uri, headers, body })
    }

    /// Asking twice does no harm, and the answer is all that is wanted.
    pub(super) fn is_safe(&self) -> bool {
        self.method == Method::GET || self.method == Method::HEAD
    }

    /// A connection that got all of the request while it was answering: nothing of it is still being written.
    pub(super) fn is_bodiless(&self) -> bool {
        self.body.is_empty()
    }

    /// # Errors
    ///
    /// [`ErrorKind::BadRequest`] when both the plugin and the host want to say who is asking.
    pub(super) fn check_for(&self, site: &Site) -> Result<(), SendError> {
        if site.authorization.is_some() && self.headers.contains_key(AUTHORIZATION) {
            let reason = "the host adds the credentials for this origin; the plugin must not";
            return Err(SendError::new(ErrorKind::BadRequest, shown(&self.uri), reason));
        }
        Ok(())
    }

    /// The same request for another URL. What the plugin meant for one origin's eyes is not for another's.
    pub(super) fn redirect(&mut self, uri: Uri, same_origin: bool) {
        self.uri = uri;
        if !same_origin {
            self.headers.remove(AUTHORIZATION);
            self.headers.remove(COOKIE);
        }
    }

    /// Nobody asked for a body that is compressed or otherwise encoded.
    pub(super) fn wants_it_plain(&self) -> bool {
        !self.headers.contains_key(ACCEPT_ENCODING)
    }

    /// The request as `site` gets it.
    pub(super) fn to_wire(&self, site: &Site, http2: bool) -> Request<RequestBody> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        let path = self.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        let mut headers = HeaderMap::with_capacity(self.headers.len() + 3);
        if http2 {
            *request.uri_mut() = site.absolute(path);
            *request.version_mut() = http::Version::HTTP_2;
        } else {
            *request.uri_mut() = Uri::from(path);
            headers.insert(HOST, site.host.clone());
        }
        for (name, value) in &self.headers {
            headers.append(name, value.clone());
        }
        // hyper leaves it out for an empty body; some servers then answer 411 (RFC 9110 section 8.6).
        if self.body.is_empty() && matches!(self.method, Method::POST | Method::PUT | Method::PATCH) {
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        if let Some(authorization) = &site.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        *request.headers_mut() = headers;
        request
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

    use super::*;

    fn reason(request: http::request::Builder) -> Option<String> {
        let error = Outgoing::new(request.body(Bytes::new()).unwrap()).err()?;
        assert_eq!(error.kind(), ErrorKind::BadRequest, "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
        Some(error.detail().to_owned())
    }

    #[test]
    fn requests_that_no_origin_should_get_are_refused() {
        let get = |uri: &str| Request::get(uri.parse::<Uri>().unwrap());
        for (request, wrong) in [
            (get("http://a/"), None),
            (get("https://a/?b").header("x-anything", "1").header("host", "b").header("content-length", "7"), None),
            (get("/relative"), Some("http and https")),
            (get("ftp://a/"), Some("http and https")),
            (get("http://me:secret@a/"), Some("user name")),
            (get("http://a/").method("CONNECT"), Some("CONNECT")),
            (get("http://a/").header("Connection", "close"), Some("reserved")),
            (get("http://a/").header("Transfer-Encoding", "chunked"), Some("reserved")),
            (get("http://a/").header("Expect", "100-continue"), Some("reserved")),
        ] {
            let shown = format!("{request:?}");
            match (reason(request), wrong) {
                (None, None) => {}
                (Some(reason), Some(wrong)) => assert!(reason.contains(wrong), "{shown}: {reason}"),
                (found, wrong) => panic!("{shown}: {found:?}, expected {wrong:?}"),
            }
        }
    }
}
