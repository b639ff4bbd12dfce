//! Plays the web application of a step: holds each request against what is expected and gives the answer that is listed.

use std::collections::VecDeque;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use parking_lot::Mutex;

use super::case::{self, AnswerData, ExpectRequest, Fault, ScriptedExchange};
use crate::http_client::{Deadlines, ErrorKind, SendError};
use crate::plugin::Outbound;

/// See the module.
pub(super) struct Application {
    script: Mutex<VecDeque<ScriptedExchange>>,
    faults: Mutex<Vec<String>>,
}

impl Application {
    pub(super) fn new(script: &[ScriptedExchange]) -> Self {
        Self { script: Mutex::new(script.iter().cloned().collect()), faults: Mutex::default() }
    }

    /// What was not as expected, the requests that did not come included.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = self.faults.lock().clone();
        let missing = self.script.lock().len();
        if missing > 0 {
            faults.push(format!("{missing} requests fewer than expected"));
        }
        faults
    }
}

#[async_trait]
impl Outbound for Application {
    async fn send(&self, request: Request<Bytes>, _deadlines: Deadlines) -> Result<Response<Bytes>, SendError> {
        let url = request.uri().to_string();
        let exchange = self.script.lock().pop_front();
        let Some(ScriptedExchange { request: expected, answer }) = exchange else {
            self.faults.lock().push(format!("a request that is not expected: {} {url}", request.method()));
            return Err(denied(url));
        };
        self.faults.lock().extend(compare(&request, &expected));
        match answer.fault {
            Some(fault) => Err(failed(fault, url)),
            None => response(&answer).map_err(|reason| {
                self.faults.lock().push(format!("the case itself is wrong: {reason}"));
                denied(url)
            }),
        }
    }
}

fn compare(request: &Request<Bytes>, expected: &ExpectRequest) -> Vec<String> {
    let mut faults = Vec::new();
    let method = expected.method.as_deref().unwrap_or("GET");
    if request.method() != method {
        faults.push(format!("the request is a {}; expected {method}", request.method()));
    }
    let path = request.uri().path_and_query().map_or("", |path| path.as_str());
    if expected.path.as_deref().is_some_and(|expected| expected != path) {
        faults.push(format!("the request is for {path}; expected {}", expected.path.as_deref().unwrap_or_default()));
    }
    for (name, expected) in &expected.headers {
        let sent = request.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let fine = match (sent.as_deref(), expected.as_deref()) {
            (sent, Some("*")) => sent.is_some(),
            (sent, expected) => sent == expected,
        };
        if !fine {
            faults.push(format!("the header {name} is {sent:?}; expected {expected:?}"));
        }
    }
    if let Some(expected) = &expected.json {
        let sent = serde_json::from_slice::<serde_json::Value>(request.body());
        if sent.as_ref().ok() != Some(expected) {
            let sent = String::from_utf8_lossy(request.body());
            faults.push(format!("the request's body is {sent}; expected {expected}"));
        }
    }
    faults
}

fn response(answer: &AnswerData) -> Result<Response<Bytes>, String> {
    let body = case::body(answer.body.as_deref(), answer.body_base64.as_deref(), answer.body_repeat.as_ref())?;
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(answer.status.unwrap_or(200)).map_err(|error| error.to_string())?;
    match &answer.headers {
        None => {
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        Some(headers) => {
            for (name, value) in headers {
                let name = HeaderName::try_from(name).map_err(|error| error.to_string())?;
                let value = HeaderValue::try_from(value).map_err(|error| error.to_string())?;
                response.headers_mut().append(name, value);
            }
        }
    }
    Ok(response)
}

fn failed(fault: Fault, url: String) -> SendError {
    let kind = match fault {
        Fault::Refused => ErrorKind::ConnectRefused,
        Fault::Reset => ErrorKind::Reset,
        Fault::Truncated => ErrorKind::Incomplete,
        Fault::Timeout => ErrorKind::FirstByteTimeout,
        Fault::TooLarge => ErrorKind::TooLarge,
    };
    SendError::new(kind, url, "the case says so")
}

fn denied(url: String) -> SendError {
    SendError::new(ErrorKind::Denied, url, "the case has no such request")
}
