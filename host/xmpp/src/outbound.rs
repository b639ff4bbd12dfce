//! What is on its way to one client: a queue between those who have something to say to a session and the task that writes
//! to its connection.
//!
//! The queue is bounded. A client that does not read must not hold up anybody else, nor fill memory: when its queue is full
//! the session is ended.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use minidom::Element;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};

/// The end of a session's queue that others write to. Clones are one queue.
#[derive(Clone)]
pub struct Outbound {
    sender: mpsc::Sender<Item>,
    signals: Arc<Signals>,
}

/// The end that the session's own task reads from.
pub struct Outgoing {
    receiver: mpsc::Receiver<Item>,
    /// What is left of the batch that is being read.
    batch: VecDeque<Arc<Element>>,
    signals: Arc<Signals>,
}

/// What takes one place in the queue.
enum Item {
    One(Arc<Element>),
    Many(Arc<[Arc<Element>]>),
}

#[derive(Default)]
struct Signals {
    overflow: AtomicBool,
    overflow_notify: Notify,
    end: Mutex<Option<SessionEnd>>,
    end_notify: Notify,
}

impl Signals {
    async fn overflow(&self) {
        while !self.overflow.load(Ordering::Acquire) {
            self.overflow_notify.notified().await;
        }
    }

    async fn ended(&self) -> SessionEnd {
        loop {
            if let Some(why) = *self.end.lock() {
                return why;
            }
            self.end_notify.notified().await;
        }
    }
}

/// What happens to a session.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Something for its client.
    Stanza(Arc<Element>),
    /// Something found no room.
    Overflow,
    /// The domain has ended it.
    Ended(SessionEnd),
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

/// Why the domain ended a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionEnd {
    /// Another session has bound the same resource: the stream ends with `<conflict/>` (RFC 6120 section 7.7.2.2).
    Replaced,
}

/// A queue for `capacity` stanzas. A batch, such as the presences of all contacts, takes one place, so some hundreds do.
pub fn queue(capacity: usize) -> (Outbound, Outgoing) {
    let (sender, receiver) = mpsc::channel(capacity.max(1));
    let signals = Arc::new(Signals::default());
    (Outbound { sender, signals: Arc::clone(&signals) }, Outgoing { receiver, batch: VecDeque::new(), signals })
}

impl Outbound {
    /// Queues a stanza, complete with its `to`, `from` and `id`. Never waits.
    ///
    /// Stanzas to many sessions share one element.
    pub fn send(&self, stanza: impl Into<Arc<Element>>) -> Result<(), NotQueued> {
        self.queue(Item::One(stanza.into()))
    }

    /// Queues several stanzas that belong together, such as the pushes of one change of the roster. They take one place of
    /// the queue, as a roster of a thousand contacts does: what a client asked for, or what its own roster caused, must not
    /// end its session. Never waits.
    pub fn send_batch(&self, stanzas: Arc<[Arc<Element>]>) -> Result<(), NotQueued> {
        match &*stanzas {
            [] => Ok(()),
            [one] => self.queue(Item::One(Arc::clone(one))),
            _ => self.queue(Item::Many(stanzas)),
        }
    }

    /// Asks the session's task to end the session. The first reason counts.
    pub fn end(&self, why: SessionEnd) {
        self.signals.end.lock().get_or_insert(why);
        self.signals.end_notify.notify_one();
    }

    fn queue(&self, item: Item) -> Result<(), NotQueued> {
        match self.sender.try_send(item) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(NotQueued::Ended),
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.signals.overflow.store(true, Ordering::Release);
                self.signals.overflow_notify.notify_one();
                Err(NotQueued::Full)
            }
        }
    }
}

impl Outgoing {
    /// The next stanza; `None` when nobody is left who could send one. Safe to drop while it waits.
    pub async fn next(&mut self) -> Option<Arc<Element>> {
        loop {
            if let Some(stanza) = self.batch.pop_front() {
                return Some(stanza);
            }
            let item = self.receiver.recv().await?;
            if let Some(stanza) = self.open(item) {
                return Some(stanza);
            }
        }
    }

    /// What happens next to the session: a stanza, or its end. Safe to drop while it waits.
    pub async fn event(&mut self) -> Event {
        if let Some(stanza) = self.batch.pop_front() {
            return Event::Stanza(stanza);
        }
        loop {
            let item = tokio::select! {
                biased;
                () = self.signals.overflow() => return Event::Overflow,
                why = self.signals.ended() => return Event::Ended(why),
                item = self.receiver.recv() => item,
            };
            // Nobody is left who could send: the domain has let the session go.
            let Some(item) = item else { return std::future::pending().await };
            if let Some(stanza) = self.open(item) {
                return Event::Stanza(stanza);
            }
        }
    }

    /// The next stanza if there is one now.
    pub fn try_next(&mut self) -> Option<Arc<Element>> {
        if let Some(stanza) = self.batch.pop_front() {
            return Some(stanza);
        }
        let item = self.receiver.try_recv().ok()?;
        self.open(item)
    }

    /// Takes no more stanzas: whoever sends one learns that the session has ended. What is queued stays.
    pub fn close(&mut self) {
        self.receiver.close();
    }

    /// Returns when a stanza did not find room.
    pub async fn overflow(&self) {
        self.signals.overflow().await;
    }

    /// Returns when the domain has ended the session.
    pub async fn ended(&self) -> SessionEnd {
        self.signals.ended().await
    }

    fn open(&mut self, item: Item) -> Option<Arc<Element>> {
        match item {
            Item::One(stanza) => Some(stanza),
            Item::Many(stanzas) => {
                self.batch.extend(stanzas.iter().cloned());
                self.batch.pop_front()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn stanza(name: &str) -> Arc<Element> {
        Arc::new(Element::bare(name, "jabber:client"))
    }

    #[tokio::test]
    async fn batches_come_in_order_and_take_one_place() {
        let (out, mut incoming) = queue(2);
        out.send_batch([stanza("a"), stanza("b"), stanza("c")].into()).unwrap();
        out.send_batch(Arc::new([])).unwrap();
        out.send(stanza("d")).unwrap();
        assert_eq!(out.send(stanza("e")), Err(NotQueued::Full));
        incoming.overflow().await;
        for name in ["a", "b", "c", "d"] {
            assert_eq!(incoming.try_next().unwrap().name(), name);
        }
        assert!(incoming.try_next().is_none());
        drop(out);
        assert!(incoming.next().await.is_none());
    }

    #[tokio::test]
    async fn the_reader_hears_of_the_end() {
        let (out, incoming) = queue(1);
        out.end(SessionEnd::Replaced);
        assert_eq!(incoming.ended().await, SessionEnd::Replaced);
        drop(incoming);
        assert_eq!(out.send(stanza("a")), Err(NotQueued::Ended));
    }
}
