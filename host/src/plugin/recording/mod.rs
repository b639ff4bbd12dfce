//! What one recorded call asked the application and what that answered, and the same responses again for another module.

pub(in crate::plugin) mod recorder;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{HeaderName, SET_COOKIE};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use parking_lot::Mutex;

use self::recorder::{MOST_BYTES_OF_CALL, RecordedCall};
use crate::http_client::{Deadlines, ErrorKind, SendError, shown};
use crate::plugin::outbound::Outbound;

/// What a request may be conditional on (RFC 9110 section 13.1).
const CONDITIONS: [HeaderName; 5] = [
    http::header::IF_MATCH,
    http::header::IF_NONE_MATCH,
    http::header::IF_MODIFIED_SINCE,
    http::header::IF_UNMODIFIED_SINCE,
    http::header::IF_RANGE,
];

/// What is recorded of a request: what decides over its answer. Not the rest of its header: it may hold a secret.
#[derive(PartialEq, Eq)]
pub(in crate::plugin) struct RecordedRequest {
    method: Method,
    uri: Uri,
    conditions: HeaderMap,
    body: Bytes,
}

impl RecordedRequest {
    pub(in crate::plugin) fn of(request: &Request<Bytes>) -> Self {
        let mut conditions = HeaderMap::new();
        for name in CONDITIONS {
            for value in request.headers().get_all(&name) {
                conditions.append(name.clone(), value.clone());
            }
        }
        let (method, uri) = (request.method().clone(), request.uri().clone());
        Self { method, uri, conditions, body: request.body().clone() }
    }

    /// Is it a request for what `recorded` asked for? Without the tag a module cannot ask conditionally.
    fn is_for(&self, recorded: &Self, with_tag: bool) -> bool {
        let conditions = self.conditions == recorded.conditions || (!with_tag && self.conditions.is_empty());
        conditions && self.method == recorded.method && self.uri == recorded.uri && self.body == recorded.body
    }

    /// For people: without the query, which may hold a key.
    fn shown(&self) -> String {
        let condition = if self.conditions.is_empty() { "" } else { " with a condition" };
        format!("{} {}{condition}", self.method, shown(&self.uri))
    }
}

/// A request and its answer.
pub(in crate::plugin) struct RecordedExchange {
    asked: RecordedRequest,
    answer: Result<RecordedResponse, SendError>,
}

struct RecordedResponse {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl RecordedExchange {
    pub(in crate::plugin) fn is_not_modified(&self) -> bool {
        matches!(&self.answer, Ok(answer) if answer.status == StatusCode::NOT_MODIFIED)
    }

    fn answer(&self) -> Result<Response<Bytes>, SendError> {
        let RecordedResponse { status, headers, body } = self.answer.as_ref().map_err(SendError::clone)?;
        let mut response = Response::new(body.clone());
        *response.status_mut() = *status;
        response.headers_mut().clone_from(headers);
        Ok(response)
    }
}

/// What one call asks and is answered.
#[derive(Default)]
pub(crate) struct Recording(Mutex<UnderWay>);

#[derive(Default)]
struct UnderWay {
    /// Requests without an answer yet.
    open: usize,
    exchanges: Vec<RecordedExchange>,
    bytes: usize,
}

impl Recording {
    /// A request is on its way.
    pub(in crate::plugin) fn asked(&self, request: &Request<Bytes>) -> RecordedRequest {
        self.0.lock().open += 1;
        RecordedRequest::of(request)
    }

    /// It was answered. The body is copied: it may be a small part of a large buffer, and few calls are recorded.
    pub(in crate::plugin) fn answered(&self, asked: RecordedRequest, answer: &Result<Response<Bytes>, SendError>) {
        let size = asked.body.len() + answer.as_ref().map_or(0, |answer| answer.body().len());
        let mut recorded = self.0.lock();
        recorded.bytes = recorded.bytes.saturating_add(size);
        if recorded.bytes > MOST_BYTES_OF_CALL {
            // Never closed, so the call is not kept.
            recorded.exchanges.clear();
            return;
        }
        recorded.open -= 1;
        let answer = answer.as_ref().map_err(SendError::clone).map(|answer| {
            let mut headers = answer.headers().clone();
            headers.remove(SET_COOKIE);
            RecordedResponse { status: answer.status(), headers, body: Bytes::copy_from_slice(answer.body()) }
        });
        recorded.exchanges.push(RecordedExchange { asked, answer });
    }

    /// The exchanges and the bytes of their bodies; `None` if there were too many, or if the module did not wait for one.
    pub(in crate::plugin) fn end(&self) -> Option<(Vec<RecordedExchange>, usize)> {
        let mut recorded = self.0.lock();
        (recorded.open == 0).then(|| (std::mem::take(&mut recorded.exchanges), recorded.bytes))
    }
}

/// How the requests of a call that was made again compare with those recorded.
pub(crate) enum Replayed {
    Same,
    /// One got no answer.
    Others(String),
    /// All were answered, and one that was recorded is missing.
    Fewer(String),
}

/// Stands in for the network when a recorded call is made again: who asks as was asked then gets the answer of then.
#[derive(Default)]
pub(crate) struct Replay(Mutex<Option<Playing>>);

struct Playing {
    call: Arc<RecordedCall>,
    with_tag: bool,
    /// Which exchanges were asked for.
    used: Vec<bool>,
    /// The first request that has no answer.
    unknown: Option<String>,
}

impl Replay {
    /// From now on answers as in `call`. `with_tag`: the module can ask for what has changed only.
    pub(crate) fn begin(&self, call: &Arc<RecordedCall>, with_tag: bool) {
        let used = vec![false; call.exchanges.len()];
        *self.0.lock() = Some(Playing { call: Arc::clone(call), with_tag, used, unknown: None });
    }

    /// In what the requests differed from those recorded.
    pub(crate) fn end(&self) -> Replayed {
        let Some(playing) = self.0.lock().take() else { return Replayed::Same };
        if let Some(unknown) = playing.unknown {
            return Replayed::Others(format!("asks for {unknown}"));
        }
        let mut exchanges = playing.call.exchanges.iter().zip(&playing.used);
        let missing = exchanges.find(|(_, used)| !**used);
        missing.map_or(Replayed::Same, |(exchange, _)| {
            Replayed::Fewer(format!("does not ask for {}", exchange.asked.shown()))
        })
    }

    /// The recorded response to `request`, or that there is none.
    fn answer(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, SendError> {
        let none = || SendError::new(ErrorKind::Denied, shown(request.uri()), "nothing of it was recorded");
        let mut playing = self.0.lock();
        let Some(playing) = playing.as_mut() else { return Err(none()) };
        let asked = RecordedRequest::of(request);
        let with_tag = playing.with_tag;
        let exchanges = playing.call.exchanges.iter().zip(&mut playing.used);
        for (exchange, used) in exchanges {
            if !*used && asked.is_for(&exchange.asked, with_tag) {
                *used = true;
                return exchange.answer();
            }
        }
        playing.unknown.get_or_insert_with(|| asked.shown());
        Err(none())
    }
}

#[async_trait]
impl Outbound for Replay {
    async fn send(&self, request: Request<Bytes>, _deadlines: Deadlines) -> Result<Response<Bytes>, SendError> {
        self.answer(&request)
    }
}
