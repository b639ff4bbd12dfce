//! What is on its way to one client: a queue between those who have something to say to a session and the task that writes
//! to its connection.
//!
//! The queue is bounded, in stanzas and in what they weigh ([`weight`]). A client that does not read must not hold up
//! anybody else, nor fill memory: when its queue is full the session is ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use minidom::{Element, Node};
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
    /// What is left of the series that is being read.
    series: Option<Series>,
    signals: Arc<Signals>,
}

/// What takes one place in the queue.
struct Item {
    stanzas: Stanzas,
    weight: usize,
}

enum Stanzas {
    One(Arc<Element>),
    Many(Series),
}

/// Stanzas that are made when they are written, one by one: the presence of a hundred thousand contacts is never in memory
/// at once.
pub type Series = Box<dyn Iterator<Item = Arc<Element>> + Send + Sync>;

#[derive(Default)]
struct Signals {
    /// What the items in the queue weigh.
    weight: AtomicUsize,
    /// What they may weigh.
    most: usize,
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
    /// The account is gone: the stream ends with `<not-authorized/>` (XEP-0077 section 3.2).
    Expelled,
    /// It waited for its client, and has made room for a new session of its user.
    Displaced,
}

/// The most that one stanza or batch counts for, bytes. What is larger, such as a large roster, a client has asked for or its
/// own roster has caused; it must not end its session by itself.
const HEAVIEST: usize = 256_000;

/// About what a stanza takes on the wire, bytes: names, values and text, and at most 256 kB.
pub fn weight(stanza: &Element) -> usize {
    weigh(std::iter::once(stanza))
}

/// As [`weight`], of several that take one place.
pub(crate) fn weigh<'a>(stanzas: impl Iterator<Item = &'a Element>) -> usize {
    let mut sum = 0;
    for stanza in stanzas {
        add(stanza, &mut sum);
        if sum >= HEAVIEST {
            return HEAVIEST;
        }
    }
    sum
}

/// Stops when there is enough: what is counted costs no more than what may be kept. Stanzas are not deep, by the limits of
/// those who send them.
fn add(element: &Element, sum: &mut usize) {
    *sum += 2 * element.name().len() + 5;
    for ((_, name), value) in element.attrs() {
        *sum += name.len() + value.len() + 4;
    }
    for node in element.nodes() {
        if *sum >= HEAVIEST {
            return;
        }
        match node {
            Node::Element(child) => add(child, sum),
            Node::Text(text) => *sum += text.len(),
        }
    }
}

/// A queue for `capacity` stanzas, however large. A batch, such as the presences of all contacts, takes one place, so some
/// hundreds do.
pub fn queue(capacity: usize) -> (Outbound, Outgoing) {
    bounded_queue(capacity, usize::MAX)
}

/// The same, for stanzas that weigh no more than `bytes` together. One always finds room in an empty queue.
pub fn bounded_queue(capacity: usize, bytes: usize) -> (Outbound, Outgoing) {
    let (sender, receiver) = mpsc::channel(capacity.max(1));
    let signals = Arc::new(Signals { most: bytes, ..Signals::default() });
    (Outbound { sender, signals: Arc::clone(&signals) }, Outgoing { receiver, series: None, signals })
}

impl Outbound {
    /// Queues a stanza, complete with its `to`, `from` and `id`. Never waits.
    ///
    /// Stanzas to many sessions share one element.
    pub fn send(&self, stanza: impl Into<Arc<Element>>) -> Result<(), NotQueued> {
        let stanza = stanza.into();
        self.queue(Item { weight: weight(&stanza), stanzas: Stanzas::One(stanza) })
    }

    /// Queues several stanzas that belong together, such as the pushes of one change of the roster. They take one place of
    /// the queue, as a roster of a thousand contacts does: what a client asked for, or what its own roster caused, must not
    /// end its session. Never waits.
    pub fn send_batch(&self, stanzas: Arc<[Arc<Element>]>) -> Result<(), NotQueued> {
        match &*stanzas {
            [] => Ok(()),
            [one] => self.send(Arc::clone(one)),
            _ => {
                let weight = weigh(stanzas.iter().map(|stanza| &**stanza));
                self.send_series(weight, (0..stanzas.len()).filter_map(move |place| stanzas.get(place).cloned()))
            }
        }
    }

    /// The same for stanzas that are made when they are written, and weigh about `weight` together.
    pub fn send_series(
        &self,
        weight: usize,
        stanzas: impl Iterator<Item = Arc<Element>> + Send + Sync + 'static,
    ) -> Result<(), NotQueued> {
        self.queue(Item { stanzas: Stanzas::Many(Box::new(stanzas)), weight: weight.min(HEAVIEST) })
    }

    /// Asks the session's task to end the session. The first reason counts.
    pub fn end(&self, why: SessionEnd) {
        self.signals.end.lock().get_or_insert(why);
        self.signals.end_notify.notify_one();
    }

    fn queue(&self, item: Item) -> Result<(), NotQueued> {
        let weight = item.weight;
        let before = self.signals.weight.fetch_add(weight, Ordering::Relaxed);
        let fits = before == 0 || before.saturating_add(weight) <= self.signals.most;
        let sent = if fits { self.sender.try_send(item) } else { Err(mpsc::error::TrySendError::Full(item)) };
        let Err(failed) = sent else { return Ok(()) };
        self.signals.weight.fetch_sub(weight, Ordering::Relaxed);
        match failed {
            mpsc::error::TrySendError::Closed(_) => Err(NotQueued::Ended),
            mpsc::error::TrySendError::Full(_) => {
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
            if let Some(stanza) = self.of_series() {
                return Some(stanza);
            }
            let item = self.receiver.recv().await?;
            if let Some(stanza) = self.open(item) {
                return Some(stanza);
            }
        }
    }

    /// What happens next to the session: a stanza, if it `takes` any, or its end. Safe to drop while it waits.
    pub async fn event(&mut self, takes: bool) -> Event {
        loop {
            if let Some(stanza) = takes.then(|| self.of_series()).flatten() {
                return Event::Stanza(stanza);
            }
            let item = tokio::select! {
                biased;
                () = self.signals.overflow() => return Event::Overflow,
                why = self.signals.ended() => return Event::Ended(why),
                item = self.receiver.recv(), if takes => item,
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
        loop {
            if let Some(stanza) = self.of_series() {
                return Some(stanza);
            }
            let item = self.receiver.try_recv().ok()?;
            if let Some(stanza) = self.open(item) {
                return Some(stanza);
            }
        }
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
        self.signals.weight.fetch_sub(item.weight, Ordering::Relaxed);
        match item.stanzas {
            Stanzas::One(stanza) => Some(stanza),
            Stanzas::Many(series) => {
                self.series = Some(series);
                self.of_series()
            }
        }
    }

    fn of_series(&mut self) -> Option<Arc<Element>> {
        let next = self.series.as_mut()?.next();
        if next.is_none() {
            self.series = None;
        }
        next
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
    async fn the_queue_is_bounded_in_bytes_too() {
        let heavy = |bytes: usize| {
            let mut message = Element::bare("message", "jabber:client");
            message.append_text("x".repeat(bytes));
            Arc::new(message)
        };
        let own = weight(&heavy(0));
        assert_eq!(weight(&heavy(1000)), 1000 + own);
        assert_eq!(weight(&heavy(10_000_000)), HEAVIEST);
        let (out, mut incoming) = bounded_queue(100, 10_000);
        // What is larger than the bound passes while nothing else waits.
        out.send(heavy(20_000)).unwrap();
        assert_eq!(out.send(heavy(1)), Err(NotQueued::Full));
        incoming.next().await.unwrap();
        for _ in 0..3 {
            out.send_batch([heavy(4000), heavy(4000)].into()).unwrap();
            assert_eq!(out.send(heavy(2000)), Err(NotQueued::Full));
            out.send(heavy(1000)).unwrap();
            for bytes in [4000, 4000, 1000] {
                assert_eq!(incoming.next().await.unwrap().text().len(), bytes);
            }
        }
        assert!(incoming.try_next().is_none());
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
