//! Cross-origin requests of browsers (the Fetch standard's CORS protocol), for the origins the operator lists.

use axum::body::Body;
use axum::response::Response;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE,
    HeaderValue, ORIGIN, VARY,
};
use http::{HeaderMap, StatusCode};

use crate::config::Origin;

/// Which origins may call the refresh route from a browser.
pub(in crate::http) struct Cors {
    origins: Vec<Origin>,
}

impl Cors {
    /// Lets `origins` (such as `https://app.example.org`) in and no other. Not even `*` is special.
    pub(in crate::http) fn new(origins: &[Origin]) -> Self {
        Self { origins: origins.to_vec() }
    }

    /// The request's origin, if it is listed.
    pub(in crate::http) fn allowed(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(ORIGIN)?;
        let asked: Origin = origin.to_str().ok()?.parse().ok()?;
        self.origins.contains(&asked).then(|| origin.clone())
    }

    /// The answer to a preflight request for a route with this method, if its origin is listed.
    pub(in crate::http) fn preflight(&self, headers: &HeaderMap, method: &'static str) -> Option<Response> {
        self.allowed(headers)?;
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let answered = response.headers_mut();
        answered.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(method));
        answered.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Authorization, Content-Type"));
        answered.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        Some(response)
    }

    /// Marks an answer for the origin that `allowed` gave. Where origins are listed at all, caches are told that answers
    /// differ.
    pub(in crate::http) fn mark(&self, response: &mut Response, origin: Option<HeaderValue>) {
        if self.origins.is_empty() {
            return;
        }
        response.headers_mut().append(VARY, HeaderValue::from_static("Origin"));
        if let Some(origin) = origin {
            response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        }
    }
}
