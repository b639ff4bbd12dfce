//! Requests of nodes that are not granted.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};

use super::API;
use super::node::ArrivalError;
use crate::http::answers::json;
use crate::http::body::BodyError;
use crate::model::{InvalidUsername, Username};
use crate::rosters::RosterError;

/// Why not.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("nothing is at this path; docs/attach.md has what there is")]
    NotFound,
    #[error("this host speaks version {API} of the attach API (/attach/v{API}/), and not {0:?}")]
    Version(String),
    #[error("there is no node {0:?} ([[attach.node]])")]
    NoNode(String),
    #[error("the header \"Authorization: Bearer ...\" with the token of this node is needed (attach.node.token)")]
    Unauthorized,
    #[error("this path does not take this method; docs/attach.md has what there is")]
    Method,
    #[error("{0}")]
    BadRequest(String),
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error(transparent)]
    Username(#[from] InvalidUsername),
    #[error("the node has {0} users, no more are allowed (attach.max_users)")]
    TooManyUsers(usize),
    #[error("{named} users are named, a node may have {limit} (attach.max_users)")]
    SyncTooLong { named: usize, limit: usize },
    #[error("the epoch is another: this host was started since; sync")]
    Epoch,
    #[error("event {0} does not exist yet")]
    Future(u64),
    #[error("no roster of {0} is in memory; ?fetch=1 asks the application")]
    NothingCached(Username),
    #[error("the user left before the roster arrived")]
    Left,
    #[error("the roster is not there yet; it comes as an event")]
    NotInTime,
    #[error(transparent)]
    Roster(RosterError),
    #[error("the host is stopping")]
    Stopping,
}

impl From<RosterError> for Refusal {
    fn from(error: RosterError) -> Self {
        match error {
            RosterError::Left => Self::Left,
            RosterError::Username(invalid) => Self::Username(invalid),
            error => Self::Roster(error),
        }
    }
}

impl Refusal {
    pub(super) fn of_arrival(error: ArrivalError, limit: usize) -> Self {
        match error {
            ArrivalError::TooMany => Self::TooManyUsers(limit),
            ArrivalError::Stopping => Self::Stopping,
            ArrivalError::Roster(error) => error.into(),
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::NotFound | Self::Version(_) | Self::NoNode(_) | Self::NothingCached(_) => StatusCode::NOT_FOUND,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::BadRequest(_) | Self::Username(_) | Self::Future(_) => StatusCode::BAD_REQUEST,
            Self::Body(error) => error.status(),
            Self::TooManyUsers(_) | Self::Roster(RosterError::TooManySessions { .. }) => StatusCode::TOO_MANY_REQUESTS,
            Self::SyncTooLong { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Epoch => StatusCode::CONFLICT,
            Self::NotInTime => StatusCode::GATEWAY_TIMEOUT,
            Self::Left | Self::Stopping | Self::Roster(RosterError::Store(_) | RosterError::Internal) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Roster(_) => StatusCode::BAD_GATEWAY,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = self.status();
        let response = json::error(status, json::refused, &self.to_string());
        match (self, status) {
            (Self::Body(error), _) => error.headers(response),
            (Self::Unauthorized, _) => json::with_header(response, WWW_AUTHENTICATE, "Bearer"),
            (_, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) => {
                json::with_header(response, RETRY_AFTER, "5")
            }
            _ => response,
        }
    }
}
