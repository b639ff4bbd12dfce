//! Requests to the admin listener that are not granted.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};

use crate::http::answers::json;
use crate::http::body::BodyError;
use crate::model::{InvalidUsername, Username};
use crate::rosters::{NotNow, RosterError};

/// Why not.
#[derive(Debug, thiserror::Error)]
pub(super) enum AdminError {
    #[error("nothing is at this path; GET / lists what there is")]
    NotFound,
    #[error("this path does not take this method; GET / lists what there is")]
    Method,
    #[error("the header \"Authorization: Bearer ...\" with the configured token is needed (admin.token)")]
    Unauthorized,
    #[error("the Host header names {0:?}; without a token (admin.token) only localhost and IP addresses are answered")]
    ForeignHost(String),
    #[error("pages of other sites may not change anything here (the Origin header is not that of this listener)")]
    Origin,
    #[error("{0}")]
    BadRequest(String),
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error(transparent)]
    Username(#[from] InvalidUsername),
    #[error("no virtual host has the domain {0:?}")]
    UnknownDomain(String),
    #[error("nothing is cached for {0}")]
    NothingCached(Username),
    #[error("nothing is known of {0}: no session, no roster, no request")]
    NothingKnown(Username),
    #[error("the session of {0} is at an attached server or another node: end it there")]
    Elsewhere(Username),
    #[error("{0} has no such session")]
    NoSession(Username),
    #[error("the roster is not there yet; the session stays")]
    NotInTime,
    #[error(transparent)]
    Roster(#[from] RosterError),
    #[error(transparent)]
    NotNow(#[from] NotNow),
    #[error("{limit} streams are open, no more are allowed (admin.max_streams)")]
    TooManyStreams { limit: usize },
    #[error("a plugin is only taken where a token is configured (admin.token)")]
    TokenNeeded,
    #[error("other components are being uploaded for this virtual host; try again")]
    Uploads,
    #[error("the host is stopping")]
    Stopping,
    #[error("the swap ended in an internal error, see the log")]
    Swap,
    #[error("this host was not started with a configuration file, so there is none to read again")]
    NoConfiguration,
    #[error("the reload ended in an internal error, see the log")]
    Reload,
    #[error("the metrics could not be written")]
    Metrics,
}

impl AdminError {
    fn status(&self) -> StatusCode {
        match self {
            Self::NotFound
            | Self::UnknownDomain(_)
            | Self::NothingCached(_)
            | Self::NothingKnown(_)
            | Self::NoSession(_)
            | Self::NoConfiguration => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::ForeignHost(_) | Self::Origin | Self::TokenNeeded => StatusCode::FORBIDDEN,
            Self::BadRequest(_) | Self::Username(_) | Self::Roster(RosterError::Username(_)) => StatusCode::BAD_REQUEST,
            Self::Body(error) => error.status(),
            Self::NotInTime => StatusCode::GATEWAY_TIMEOUT,
            Self::Roster(RosterError::TooManySessions { .. }) => StatusCode::TOO_MANY_REQUESTS,
            Self::Roster(RosterError::Left) | Self::Elsewhere(_) => StatusCode::CONFLICT,
            Self::Roster(RosterError::Store(_)) => StatusCode::INSUFFICIENT_STORAGE,
            Self::Roster(RosterError::Internal) | Self::Metrics | Self::Swap | Self::Reload => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            Self::Roster(_) => StatusCode::BAD_GATEWAY,
            Self::TooManyStreams { .. } | Self::Uploads | Self::Stopping | Self::NotNow(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }
}

impl IntoResponse for AdminError {
    fn into_response(self) -> Response {
        let response = json::error(self.status(), json::refused, &self.to_string());
        match self {
            Self::Body(error) => error.headers(response),
            Self::Unauthorized => json::with_header(response, WWW_AUTHENTICATE, "Bearer"),
            Self::TooManyStreams { .. } | Self::Uploads | Self::NotNow(_) => {
                json::with_header(response, RETRY_AFTER, "5")
            }
            _ => response,
        }
    }
}
