//! Why a user's roster is not up to date.

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
