//! How bringing a roster up to date has ended.

use std::sync::Arc;

use crate::model::Snapshot;
use crate::rosters::error::RosterError;

/// How an update ended, for everybody who waited for it.
pub(in crate::rosters) type UpdateResult = Result<Update, RosterError>;

/// What an update did.
#[derive(Clone, Debug)]
pub enum Update {
    /// The roster was fetched.
    Fetched(Arc<Snapshot>),
    /// The application has the roster that is kept.
    Unchanged(Arc<Snapshot>),
    /// The application has another, which is kept now.
    Changed(Arc<Snapshot>),
    /// The user left meanwhile; nothing was kept.
    Left,
}

impl Update {
    /// The roster after the update.
    pub fn into_snapshot(self) -> Option<Arc<Snapshot>> {
        match self {
            Self::Fetched(snapshot) | Self::Unchanged(snapshot) | Self::Changed(snapshot) => Some(snapshot),
            Self::Left => None,
        }
    }

    pub(in crate::rosters) fn name(&self) -> &'static str {
        match self {
            Self::Fetched(_) => "fetched",
            Self::Unchanged(_) => "unchanged",
            Self::Changed(_) => "changed",
            Self::Left => "left",
        }
    }
}
