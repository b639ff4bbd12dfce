//! The request that a plugin wants, checked and in the words of the HTTP client. What the client itself refuses is not looked
//! at here.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use wasmtime_wasi_http::DEFAULT_FORBIDDEN_HEADERS;

use crate::plugin::requests::{HEADER_BYTES, LONGEST_BODY};
use crate::plugin::wit::Wanted;

/// What a header field counts beside its name and value, as in `wasi:http`.
const FIELD_OVERHEAD: usize = 32;

/// A request that no host sends: the plugin is wrong.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadRequest {
    #[error("it makes a request for what is no URL with http or https")]
    Url,
    #[error("it makes a request with the method {0:?}, which is none")]
    Method(String),
    #[error("it makes a request with the header {0:?}, which is reserved for the host or is none")]
    Header(String),
    #[error("it makes a request with more than {HEADER_BYTES} bytes of headers")]
    Headers,
    #[error("it makes a request with a body of more than {LONGEST_BODY} bytes")]
    Body,
}

/// The request that the plugin wants, if a host may send such a one.
pub(super) fn of(wanted: Wanted) -> Result<Request<Bytes>, BadRequest> {
    let uri = Uri::try_from(wanted.url).map_err(|_| BadRequest::Url)?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(BadRequest::Url);
    }
    if wanted.body.len() > LONGEST_BODY {
        return Err(BadRequest::Body);
    }
    let method = Method::from_bytes(wanted.method.as_bytes()).map_err(|_| BadRequest::Method(wanted.method))?;
    let mut request = Request::new(Bytes::from(wanted.body));
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers(wanted.headers)?;
    Ok(request)
}

fn headers(wanted: Vec<(String, String)>) -> Result<HeaderMap, BadRequest> {
    let size: usize = wanted.iter().map(|(name, value)| name.len() + value.len() + FIELD_OVERHEAD).sum();
    if size > HEADER_BYTES {
        return Err(BadRequest::Headers);
    }
    let mut headers = HeaderMap::with_capacity(wanted.len());
    for (name, value) in wanted {
        let known =
            HeaderName::from_bytes(name.as_bytes()).ok().filter(|name| !DEFAULT_FORBIDDEN_HEADERS.contains(name));
        match (known, HeaderValue::from_maybe_shared(Bytes::from(value))) {
            (Some(known), Ok(value)) => drop(headers.append(known, value)),
            _ => return Err(BadRequest::Header(name)),
        }
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn wanted(method: &str, url: &str, headers: &[(&str, &str)]) -> Wanted {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Wanted { method: method.to_owned(), url: url.to_owned(), headers, body: Vec::new() }
    }

    #[test]
    fn a_plugin_gets_the_request_it_wants() {
        let headers = [("accept", "*/*"), ("If-None-Match", "\"é\"")];
        let request =
            of(Wanted { body: b"{}".to_vec(), ..wanted("QUERY", "https://app/c/john?a=b", &headers) }).unwrap();
        assert_eq!(request.method().as_str(), "QUERY");
        assert_eq!(request.uri(), "https://app/c/john?a=b");
        assert_eq!(request.headers().get("accept").unwrap(), "*/*");
        assert_eq!(request.headers().get("if-none-match").unwrap().as_bytes(), "\"é\"".as_bytes());
        assert_eq!(request.body(), "{}");
    }

    #[test]
    fn what_no_host_sends_is_named() {
        let long = "x".repeat(HEADER_BYTES);
        for (method, url, headers, says) in [
            ("GET", "", &[][..], "URL"),
            ("GET", "/contacts/john", &[], "URL"),
            ("GET", "http://a b/", &[], "URL"),
            ("GET", "ftp://app/", &[], "URL"),
            ("G T", "http://app/", &[], "method \"G T\""),
            ("GET", "http://app/", &[("host", "other")], "header \"host\""),
            ("GET", "http://app/", &[("connection", "close")], "header \"connection\""),
            ("GET", "http://app/", &[("a b", "")], "header \"a b\""),
            ("GET", "http://app/", &[("a", "b\r\nc: d")], "header \"a\""),
            ("GET", "http://app/", &[("a", &long)], "bytes of headers"),
        ] {
            let error = of(wanted(method, url, headers)).unwrap_err().to_string();
            assert!(error.contains(says), "{url} {headers:?}: {error}");
        }
        let long = of(Wanted { body: vec![0; LONGEST_BODY + 1], ..wanted("POST", "http://app/", &[]) });
        assert!(long.unwrap_err().to_string().contains("body"));
    }
}
