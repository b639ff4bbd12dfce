//! Roster events for any number of readers that come and go.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::broadcast;

use super::{RosterEvent, RosterSink, Undelivered};

/// A ring of the latest events. A reader that falls behind loses the oldest and is told how many ([`Missed`]); it
/// never slows down a refresh.
pub struct EventStream {
    sender: broadcast::Sender<Arc<RosterEvent>>,
}

/// A reader of an [`EventStream`] fell behind and lost this many events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} events were missed")]
pub struct Missed(pub u64);

impl EventStream {
    /// A stream that remembers `capacity` events for slow readers.
    pub fn new(capacity: usize) -> Self {
        Self { sender: broadcast::Sender::new(capacity.max(1)) }
    }

    /// A reader of everything that happens from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<RosterEvent>> {
        self.sender.subscribe()
    }

    /// How many readers there are.
    pub fn readers(&self) -> usize {
        self.sender.receiver_count()
    }
}

#[async_trait]
impl RosterSink for EventStream {
    fn name(&self) -> &'static str {
        "event-stream"
    }

    async fn deliver(&self, event: Arc<RosterEvent>) -> Result<(), Undelivered> {
        // An error only says that nobody listens.
        let _ = self.sender.send(event);
        Ok(())
    }
}
