//! Requests and responses: how to make and read them. And errors that become others.

use serde::Deserialize;

use crate::bindings::xmpp::roster::types::{
    BadRequest, ConfigError, FetchError, FollowUp, Header, Method, Request, Response, Step,
};
use crate::etag;
use crate::url::UserError;

impl Request {
    /// A `GET` without headers: the host adds those that every request has, and the credentials.
    #[must_use]
    pub fn get(url: impl Into<String>) -> Self {
        Self { method: Method::Get, url: url.into(), headers: Vec::new(), body: Vec::new() }
    }

    /// A `POST` of this body.
    #[must_use]
    pub fn post(url: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self { method: Method::Post, url: url.into(), headers: Vec::new(), body: body.into() }
    }

    /// The same with one more header, its name in lower case.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push(Header { name: name.to_owned(), value: value.into() });
        self
    }

    /// The same with `Accept: application/json`.
    #[must_use]
    pub fn accept_json(self) -> Self {
        self.header("accept", "application/json")
    }

    /// The same, conditional if the tag is an entity tag: whoever has nothing new may answer 304.
    #[must_use]
    pub fn if_none_match(self, tag: Option<&[u8]>) -> Self {
        match etag::condition(tag) {
            Some(etag) => self.header("if-none-match", etag),
            None => self,
        }
    }

    /// This request as what follows, with what the plugin is handed with its response.
    #[must_use]
    pub const fn next(self, state: Vec<u8>) -> Step {
        Step::Next(FollowUp { request: self, state })
    }
}

impl Response {
    /// For a test: status 200 and this body.
    #[must_use]
    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, headers: Vec::new(), body: body.into() }
    }

    /// For a test: this status and no body.
    #[must_use]
    pub const fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// For a test: the same with a header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push(Header { name: name.to_owned(), value: value.to_owned() });
        self
    }

    /// The value of a header (its name in lower case) that is there once. Two say nothing.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|header| header.name == name);
        match (values.next(), values.next()) {
            (Some(header), None) => Some(&header.value),
            _ => None,
        }
    }

    /// The `ETag`, if it is one that can be sent back.
    #[must_use]
    pub fn etag(&self) -> Option<&str> {
        self.header(etag::ETAG).filter(|etag| etag::is_etag(etag))
    }

    /// The same as the tag of a roster.
    #[must_use]
    pub fn tag(&self) -> Option<Vec<u8>> {
        self.etag().map(|etag| etag.as_bytes().to_vec())
    }

    /// The body of a response with status 200.
    ///
    /// # Errors
    /// [`FetchError::Status`]: any other status.
    pub const fn content(&self) -> Result<&[u8], FetchError> {
        match self.status {
            200 => Ok(self.body.as_slice()),
            status => Err(FetchError::Status(status)),
        }
    }

    /// The body of a response with status 200, read as JSON.
    ///
    /// # Errors
    /// [`FetchError::Status`]; [`FetchError::Malformed`]: it is another JSON, or none, and where.
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, FetchError> {
        serde_json::from_slice(self.content()?).map_err(|error| FetchError::Malformed(format!("the body: {error}")))
    }
}

impl ConfigError {
    /// Why the setting with this key cannot work, to be read after the key.
    #[must_use]
    pub fn new(key: &str, reason: impl Into<String>) -> Self {
        Self { key: key.to_owned(), reason: reason.into() }
    }
}

impl BadRequest {
    /// What was expected and what was found.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

impl From<ConfigError> for FetchError {
    fn from(error: ConfigError) -> Self {
        Self::Misconfigured(format!("{} {}", error.key, error.reason))
    }
}

impl From<UserError> for FetchError {
    fn from(error: UserError) -> Self {
        Self::Misconfigured(format!("there is no URL for this user: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_conditional_if_the_tag_can_be_sent_back() {
        let names = |tag: Option<&[u8]>| {
            let request = Request::get("http://app/").accept_json().if_none_match(tag);
            request.headers.into_iter().map(|header| (header.name, header.value)).collect::<Vec<_>>()
        };
        let accept = ("accept".to_owned(), "application/json".to_owned());
        assert_eq!(names(Some(b"\"1\"")), [accept.clone(), ("if-none-match".to_owned(), "\"1\"".to_owned())]);
        assert_eq!((names(None), names(Some(b"*"))), (vec![accept.clone()], vec![accept]));
    }

    #[test]
    fn a_header_that_is_there_twice_says_nothing() {
        let response = Response::ok("").with_header("etag", "\"1\"");
        assert_eq!((response.etag(), response.tag().as_deref()), (Some("\"1\""), Some(&b"\"1\""[..])));
        assert_eq!(response.clone().with_header("etag", "\"1\"").etag(), None);
        assert_eq!(Response::ok("").with_header("etag", "1").etag(), None);
        assert_eq!(response.header("date"), None);
    }

    #[test]
    fn only_a_body_with_status_200_is_read() {
        assert_eq!(Response::ok("[1]").json::<Vec<u8>>(), Ok(vec![1]));
        assert_eq!(Response::status(404).json::<Vec<u8>>(), Err(FetchError::Status(404)));
        assert_eq!(Response::status(304).json::<Vec<u8>>(), Err(FetchError::Status(304)));
        for body in ["", "{}", "<html>", "[1"] {
            let read = Response::ok(body).json::<Vec<u8>>();
            assert!(matches!(&read, Err(FetchError::Malformed(reason)) if reason.contains("the body: ")), "{read:?}");
        }
    }
}
