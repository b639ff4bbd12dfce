//! `refresh` of a plugin that has it in two halves: what to ask, and what the answer means. The host sends the request in
//! between, while no instance of the plugin is held; see `wit/exchange.wit`.
//!
//! The rules are those of a request that a plugin sends by itself ([`super::outgoing`]), the errors too: the plugin is told
//! of them as `wasi:http` would.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri};
use wasmtime_wasi_http::DEFAULT_FORBIDDEN_HEADERS;
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;

use super::call::About;
use super::contract::{CallError, FetchError, Refreshed};
use super::known_roster::KnownRoster;
use super::last_exchange::LastExchange;
use super::outgoing;
use super::state::HEADER_BYTES;
use super::tape::Tape;
use super::version::{Hooks, TwoHalves, Wanted};
use super::wasm_plugin::WasmPlugin;
use crate::model::Username;

/// What `wasi:http` counts for a header field beside its name and value.
const FIELD_OVERHEAD: usize = 32;

impl WasmPlugin {
    /// Both halves and the request between them. Returns what the plugin says, and when it said so.
    pub(super) async fn refresh_in_halves(
        &self,
        about: About<'_>,
        user: &Username,
        known: KnownRoster,
        tape: Option<Arc<Tape>>,
        last_exchange: &LastExchange,
    ) -> Result<(Result<Refreshed, FetchError>, Instant), CallError> {
        let limits = &self.limits;
        let tag = known.tag().map(<[u8]>::to_vec);
        let asked = self.on_instance(about, limits, |store, hooks| match halves(hooks) {
            Ok(halves) => halves.ask(store, user, tag),
            Err(defect) => async { Err(defect) }.boxed(),
        });
        let asked = match asked.await? {
            (Ok(asked), _) => asked,
            (Err(error), ended) => return Ok((Err(error), ended)),
        };
        let answered = match request(asked) {
            _ if limits.max_requests_per_call == 0 => Err(ErrorCode::HttpRequestDenied),
            Ok(request) => {
                outgoing::send_one(&self.network, request, self.max_response, tape.as_deref(), last_exchange).await
            }
            Err(code) => Err(code),
        };
        let fetched = answered.as_ref().map_or(0, |response| response.body().len());
        self.stats.fetched(fetched);
        let answer = self.on_instance(about, limits, |store, hooks| match halves(hooks) {
            Ok(halves) => halves.answer(store, user, known, answered),
            Err(defect) => async { Err(defect) }.boxed(),
        });
        answer.await
    }
}

fn halves(hooks: &dyn Hooks) -> wasmtime::Result<&dyn TwoHalves> {
    // Looked at before an instance is made; see `Prepared::has_halves`.
    hooks.halves().ok_or_else(|| wasmtime::Error::msg("the plugin has no interface exchange"))
}

/// The request that the plugin wants, if it may be sent.
fn request(wanted: Wanted) -> Result<Request<Bytes>, ErrorCode> {
    let uri = Uri::try_from(wanted.url).map_err(|_| ErrorCode::HttpRequestUriInvalid)?;
    match uri.scheme_str() {
        Some("http" | "https") => {}
        Some(_) => return Err(ErrorCode::HttpProtocolError),
        None => return Err(ErrorCode::HttpRequestUriInvalid),
    }
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = uri;
    *request.headers_mut() = headers(wanted.headers)?;
    Ok(request)
}

fn headers(wanted: Vec<(String, Vec<u8>)>) -> Result<HeaderMap, ErrorCode> {
    let size: usize = wanted.iter().map(|(name, value)| name.len() + value.len() + FIELD_OVERHEAD).sum();
    if size > HEADER_BYTES {
        return Err(ErrorCode::HttpRequestHeaderSectionSize(Some(HEADER_BYTES as u32)));
    }
    let mut headers = HeaderMap::with_capacity(wanted.len());
    for (name, value) in wanted {
        let refused = || ErrorCode::InternalError(Some("the host refused a header".to_owned()));
        let known = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused())?;
        if DEFAULT_FORBIDDEN_HEADERS.contains(&known) {
            return Err(refused());
        }
        headers.append(known, HeaderValue::from_maybe_shared(Bytes::from(value)).map_err(|_| refused())?);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn wanted(url: &str, headers: &[(&str, &str)]) -> Wanted {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
        Wanted { url: url.to_owned(), headers }
    }

    #[test]
    fn a_plugin_gets_the_request_it_wants() {
        let request =
            request(wanted("https://app/c/john?a=b", &[("accept", "*/*"), ("If-None-Match", "\"v1\"")])).unwrap();
        assert_eq!(request.method(), http::Method::GET);
        assert_eq!(request.uri(), "https://app/c/john?a=b");
        assert_eq!(request.headers().get("accept").unwrap(), "*/*");
        assert_eq!(request.headers().get("if-none-match").unwrap(), "\"v1\"");
    }

    #[test]
    fn what_wasi_http_would_not_send_is_not_sent() {
        let long = "x".repeat(HEADER_BYTES);
        for (url, headers, code) in [
            ("", &[][..], "HttpRequestUriInvalid"),
            ("/contacts/john", &[], "HttpRequestUriInvalid"),
            ("http://a b/", &[], "HttpRequestUriInvalid"),
            ("ftp://app/", &[], "HttpProtocolError"),
            ("http://app/", &[("host", "other")], "InternalError"),
            ("http://app/", &[("connection", "close")], "InternalError"),
            ("http://app/", &[("a b", "")], "InternalError"),
            ("http://app/", &[("a", "b\r\nc: d")], "InternalError"),
            ("http://app/", &[("a", &long)], "HttpRequestHeaderSectionSize"),
        ] {
            let error = request(wanted(url, headers)).unwrap_err();
            assert!(format!("{error:?}").contains(code), "{url} {headers:?}: {error:?}");
        }
    }
}
