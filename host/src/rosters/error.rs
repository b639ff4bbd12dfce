//! Why a user's roster is not up to date.

use super::NotNow;
use crate::model::{InvalidRoster, InvalidUsername};
use crate::plugin::CallError;
use crate::store::StoreError;

/// Why a user's roster could not be fetched or refreshed. The roster that was kept, if any, still is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RosterError {
    /// The name is no username.
    #[error(transparent)]
    Username(#[from] InvalidUsername),
    /// The plugin gave no roster.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The plugin gave a roster that cannot be kept.
    #[error("the plugin's roster is refused: {0}")]
    Invalid(#[from] InvalidRoster),
    /// The store did not keep it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The user left while the roster was being fetched.
    #[error("the user left before the roster arrived")]
    Left,
    /// The user has as many sessions as are allowed.
    #[error("the user has {limit} sessions, no more are allowed")]
    TooManySessions {
        /// How many are allowed.
        limit: usize,
    },
    /// A defect of this program; details are in the log.
    #[error("internal error, see the log")]
    Internal,
}

impl RosterError {
    /// A short name for metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Username(_) => "username",
            Self::Call(error) => error.kind(),
            Self::Invalid(_) => "invalid-roster",
            Self::Store(_) => "store",
            Self::Left => "left",
            Self::TooManySessions { .. } => "sessions",
            Self::Internal => "internal",
        }
    }
}

/// Why a refresh request could not be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// A call of the plugin gave no result.
    #[error(transparent)]
    Call(#[from] CallError),
    /// It names too many users.
    #[error("the request names {named} users, at most {limit} are refreshed at once (limits.max_users_per_request)")]
    TooManyUsers {
        /// How many it names.
        named: usize,
        /// How many it may name.
        limit: usize,
    },
    /// It names so many users that they were not even counted.
    #[error(
        "the request names more users than can be counted, at most {limit} are refreshed at once (limits.max_users_per_request)"
    )]
    FarTooManyUsers {
        /// How many it may name.
        limit: usize,
    },
    /// This node cannot serve it now.
    #[error(transparent)]
    NotNow(#[from] NotNow),
    /// The plugin cannot read the body within its limits.
    #[error(
        "the body of {bytes} bytes is more than the plugin can read within its limits; send a shorter one: {reason}"
    )]
    Body {
        /// How long it is.
        bytes: usize,
        /// Which limit it was.
        reason: CallError,
    },
}

/// A body that is not longer is nothing that uses up a limit.
const SHORT_BODY: usize = 64 << 10;

impl RequestError {
    /// What to think of `error` of the hook that was to read a body of `bytes`.
    pub(super) fn of_body(bytes: usize, error: CallError, limit: usize) -> Self {
        match error {
            CallError::TooLarge { .. } => Self::FarTooManyUsers { limit },
            CallError::Memory { .. } | CallError::CpuTime { .. } if bytes > SHORT_BODY => {
                Self::Body { bytes, reason: error }
            }
            error => Self::Call(error),
        }
    }
}
