//! Who is told of roster changes.
//!
//! [`crate::rosters`] tells every sink of every event, one user's events in version order, before the refresh that
//! caused them is answered. The sinks: [`JsonLines`] (standard output or a file) and [`EventStream`] (what the admin
//! listener serves as server-sent events).

pub(crate) mod epoch;
mod event_stream;
mod json_lines;
mod kept;
mod outage;
mod output;

use std::sync::Arc;

use async_trait::async_trait;
use tokio::time::Instant;

pub use crate::model::{EventKind, RosterEvent};
pub use event_stream::{EventId, EventReader, EventStream, Missed, Reading, Remembered};
pub use json_lines::{JsonLines, JsonLinesError};

/// Somebody who wants to know what changes in rosters.
#[async_trait]
pub trait RosterSink: Send + Sync + 'static {
    /// A short name for logs and metrics.
    fn name(&self) -> &'static str;

    /// Takes note of `event`. Returns as soon as the event is queued for whoever wants it.
    ///
    /// Called with the events of one user one after another and in version order, and for several users at once. The
    /// caller waits, so an implementation has a bounded queue and gives up after a deadline of its own. The caller counts what
    /// is not taken; an implementation logs it, once for as long as it goes on.
    async fn deliver(&self, event: Arc<RosterEvent>) -> Result<(), Undelivered>;

    /// A refresh of `domain` begins; more may run at once, and each ends. What it finds may be passed on in one piece, if that
    /// does not keep anybody waiting for long.
    fn refresh_begins(&self, _domain: &Arc<str>) {}

    /// A refresh of `domain` has found all there is.
    fn refresh_ends(&self, _domain: &Arc<str>) {}

    /// Waits until those whom this sink tells have passed on all that it was told of `domain` so far, but not beyond `deadline`.
    /// Returns the names of those who have not.
    async fn confirmed(&self, _domain: &Arc<str>, _deadline: Instant) -> Vec<Arc<str>> {
        Vec::new()
    }

    /// The operator may have moved the output away (SIGHUP): it is opened anew.
    fn reopen(&self) {}

    /// The host stops: no event comes after this. What is queued is still written.
    fn close(&self) {}
}

/// A sink could not take an event; the roster itself is stored all the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undelivered {
    /// The queue stayed full for as long as the sink is willing to wait.
    #[error("its queue is full")]
    QueueFull,
    /// Nobody reads the queue any more.
    #[error("it is closed")]
    Closed,
}
