//! With several nodes each roster has an owner, one of them, which alone asks the application for it. Here is the seam: who is asked
//! to have rosters brought up to date at all nodes that hold them, and told who needs one no longer.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::model::Username;

/// The owners of the rosters of one virtual host, whichever nodes they are.
#[async_trait]
pub trait Owners: Send + Sync + 'static {
    /// Has the rosters of `users` brought up to date. Returns when all nodes that hold them have passed on what was found, by
    /// `deadline` at the latest.
    async fn refresh(&self, users: Vec<Username>, deadline: Instant) -> Result<Spread, NotNow>;

    /// The last session of `user` at this node has left.
    fn left(&self, user: &Username);
}

/// How a refresh at all nodes went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    /// Users whose roster is not known to be up to date everywhere.
    pub failed: Vec<Username>,
    /// Who has not said in time that clients were told: attached servers of any node.
    pub unconfirmed: Vec<Arc<str>>,
}

/// Nothing is refreshed now: this node is cut off from the others, or has not found them yet. It passes without a restart.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this node cannot refresh rosters now, try again: {reason}")]
pub struct NotNow {
    /// Why, in one line.
    pub reason: String,
}
