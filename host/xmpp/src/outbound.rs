//! What is on its way to one client: a queue between those who have something to say to a session and the task that writes
//! to its connection.
//!
//! The queue is bounded. A client that does not read must not hold up anybody else, nor fill memory: when its queue is full
//! the session is ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use minidom::Element;
use tokio::sync::{Notify, mpsc};

/// The end of a session's queue that others write to. Clones are one queue.
#[derive(Clone)]
pub struct Outbound {
    sender: mpsc::Sender<Arc<Element>>,
    overflow: Arc<Overflow>,
}

/// The end that the session's own task reads from.
pub struct Outgoing {
    receiver: mpsc::Receiver<Arc<Element>>,
    overflow: Arc<Overflow>,
}

#[derive(Default)]
struct Overflow {
    happened: AtomicBool,
    notify: Notify,
}

/// The stanza was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotQueued {
    /// The queue is full; the session is being ended.
    #[error("the client does not read")]
    Full,
    /// The session has ended.
    #[error("the session has ended")]
    Ended,
}

/// A queue for `capacity` stanzas.
pub fn queue(capacity: usize) -> (Outbound, Outgoing) {
    let (sender, receiver) = mpsc::channel(capacity.max(1));
    let overflow = Arc::new(Overflow::default());
    (Outbound { sender, overflow: Arc::clone(&overflow) }, Outgoing { receiver, overflow })
}

impl Outbound {
    /// Queues a stanza, complete with its `to`, `from` and `id`. Never waits.
    ///
    /// Stanzas to many sessions share one element.
    pub fn send(&self, stanza: impl Into<Arc<Element>>) -> Result<(), NotQueued> {
        match self.sender.try_send(stanza.into()) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(NotQueued::Ended),
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.overflow.happened.store(true, Ordering::Release);
                self.overflow.notify.notify_one();
                Err(NotQueued::Full)
            }
        }
    }
}

impl Outgoing {
    /// The next stanza; `None` when nobody is left who could send one.
    pub async fn next(&mut self) -> Option<Arc<Element>> {
        self.receiver.recv().await
    }

    /// The next stanza if there is one now.
    pub fn try_next(&mut self) -> Option<Arc<Element>> {
        self.receiver.try_recv().ok()
    }

    /// Returns when a stanza did not find room.
    pub async fn overflow(&self) {
        while !self.overflow.happened.load(Ordering::Acquire) {
            self.overflow.notify.notified().await;
        }
    }
}
