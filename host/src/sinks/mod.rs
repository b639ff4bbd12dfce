//! Who is told of roster changes.
//!
//! [`crate::rosters`] tells every sink of every event, one user's events in version order, before the refresh that
//! caused them is answered. The sinks: [`JsonLines`] (standard output or a file) and [`EventStream`] (what the admin
//! listener serves as server-sent events).

mod event_stream;
mod json_lines;
mod kept;
mod outage;
mod output;

use std::sync::Arc;

use async_trait::async_trait;

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
