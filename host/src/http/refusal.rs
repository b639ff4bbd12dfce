//! Every answer of the refresh route that the plugin does not write.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use serde::Serialize;

use super::answers::json;
use super::body::BodyError;
use crate::plugin::{CallError, FetchError};
use crate::rosters::{NotNow, RequestError};

/// Why the host answers a refresh request itself. The text is what the application's developer reads.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("nothing is at this path; use POST /roster_admin/refresh or GET /roster_admin/refresh/USERNAME")]
    NotFound,
    #[error("this path takes {0} only")]
    Method(&'static str),
    #[error("the header \"Authorization: Bearer ...\" with the configured token is needed (http.token)")]
    Unauthorized,
    #[error("web pages of this origin may not call here (the request has an Origin header; http.cors_origins)")]
    Origin,
    #[error("the username in the path is not UTF-8 once percent-decoded")]
    Path,
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error("{limit} refresh requests are being worked on; no more are taken now (http.max_requests)")]
    Busy { limit: usize },
    #[error("the request was not done within {0:?} (http.request_timeout)")]
    Deadline(Duration),
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    TooMuch(RequestError),
    #[error(transparent)]
    NotNow(#[from] NotNow),
    #[error("the plugin gave an answer that HTTP cannot carry: {0}")]
    Answer(String),
    #[error("internal error, see the log")]
    Internal,
}

impl From<RequestError> for Refusal {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Call(error) => Self::Call(error),
            RequestError::NotNow(error) => Self::NotNow(error),
            error => Self::TooMuch(error),
        }
    }
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Origin => StatusCode::FORBIDDEN,
            Self::Path => StatusCode::BAD_REQUEST,
            Self::Body(error) => error.status(),
            Self::Busy { .. } | Self::NotNow(_) | Self::Call(CallError::Busy { .. } | CallError::NoRoom { .. }) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::TooMuch(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Deadline(_) | Self::Call(CallError::TimedOut { .. } | CallError::CpuTime { .. }) => {
                StatusCode::GATEWAY_TIMEOUT
            }
            Self::Call(CallError::Fetch(failure)) if failure.error == FetchError::TimedOut => {
                StatusCode::GATEWAY_TIMEOUT
            }
            Self::Call(_) | Self::Answer(_) | Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// The shape the reference documents, so that an application reads refusals as it reads answers.
#[derive(Serialize)]
struct Shape<'a> {
    status: &'static str,
    message: &'a str,
    updated: u32,
    errors: u32,
}

/// The body of a refusal.
pub(super) fn body(message: &str) -> Vec<u8> {
    json::body(&Shape { status: "error", message, updated: 0, errors: 0 })
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = self.status();
        let response = json::error(status, body, &self.to_string());
        match (self, status) {
            (Self::Body(error), _) => error.headers(response),
            (Self::Method(allowed), _) => json::with_header(response, ALLOW, allowed),
            (Self::Unauthorized, _) => json::with_header(response, WWW_AUTHENTICATE, "Bearer"),
            (_, StatusCode::SERVICE_UNAVAILABLE) => json::with_header(response, RETRY_AFTER, "1"),
            (_, StatusCode::GATEWAY_TIMEOUT) => json::with_header(response, RETRY_AFTER, "5"),
            _ => response,
        }
    }
}
