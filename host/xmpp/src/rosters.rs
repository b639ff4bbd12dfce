//! What the endpoint asks its host for.

use std::sync::Arc;

use async_trait::async_trait;
use roster_model::{Snapshot, Username};

/// The rosters of one XMPP domain.
///
/// Beside answering, the host tells [`crate::domain::Domain::roster_event`] of every change, one user's events one
/// after another and in version order.
#[async_trait]
pub trait RosterSource: Send + Sync + 'static {
    /// A session of `user` wants the roster: from memory, else from the application. From now until
    /// [`RosterSource::disconnect`] the host keeps the roster and tells of its changes, also if this call fails. Asking again
    /// for the same session only asks for the roster again.
    ///
    /// May take as long as the host's own deadlines (seconds) and always ends.
    async fn connect(&self, user: &Username, session: &str) -> Result<Arc<Snapshot>, RosterUnavailable>;

    /// The session has ended.
    fn disconnect(&self, user: &Username, session: &str);

    /// The roster that is kept of `user` at this moment; asks nobody.
    fn cached(&self, user: &Username) -> Option<Arc<Snapshot>>;
}

/// The roster cannot be had now. The text is for the log, not for the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct RosterUnavailable {
    /// Why, in one line.
    pub reason: String,
}
