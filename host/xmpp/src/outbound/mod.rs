//! What is on its way to one client: a queue between those who have something to say to a session and the task that writes
//! to its connection.
//!
//! The queue is bounded, in stanzas and in what they weigh ([`Stanza::weight`]). A client that does not read must not hold up
//! anybody else, nor fill memory: when its queue is full the session is ended. What waits for all clients together is bounded by
//! [`Memory`].

mod senders;
mod stanza;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use minidom::Element;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};

use senders::Senders;
pub(crate) use stanza::Shared;
pub use stanza::Stanza;

use crate::memory::{Claim, Memory, Reservation};

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
    series: Option<Item<Series>>,
    signals: Arc<Signals>,
    /// What the session keeps beside the queue.
    kept: usize,
}

/// What takes one place in the queue.
struct Item<T = Stanzas> {
    stanzas: T,
    /// What it counts for in this queue.
    weight: usize,
    /// What it holds.
    claims: usize,
    /// Whose share of the queue it takes.
    from: Option<Arc<str>>,
    _held: Option<Reservation>,
}

enum Stanzas {
    One(Stanza),
    Many(Series),
}

/// Stanzas for one or more sessions, and what they weigh together.
#[derive(Clone)]
pub(crate) struct Batch {
    stanzas: Arc<[Stanza]>,
    weight: usize,
}

/// Stanzas that are made when they are written, one by one: the presence of a hundred thousand contacts is never in memory
/// at once.
pub type Series = Box<dyn Iterator<Item = Stanza> + Send + Sync>;

struct Signals {
    /// What the session holds, among all that hold something.
    claim: Claim,
    senders: Mutex<Senders>,
    /// What the session shows to others weighs.
    shown: AtomicUsize,
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
            tokio::select! {
                () = self.overflow_notify.notified() => {}
                () = self.claim.gone() => return,
            }
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
    Stanza(Stanza),
    /// Something found no room, here or in all of the endpoint.
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
    /// What others may have waiting in the queue is used up, by this one or by all; the session goes on.
    #[error("too much is waiting for the client already")]
    Refused,
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
    /// The operator has ended it: the stream ends with `<policy-violation/>`.
    Dismissed,
    /// Its domain is no longer served: the stream ends with `<host-gone/>` (RFC 6120 section 4.9.3.5).
    HostGone,
    /// It waited for its client, and has made room for a new session of its user.
    Displaced,
}

/// The most that stanzas count for in one queue that belong together. The changes of a large roster, which its own application
/// has made, must not end a session by themselves. In all of the endpoint they count for what they are.
const HEAVIEST: usize = 256_000;

/// A queue for `capacity` stanzas, however large. A batch, such as the presences of all contacts, takes one place, so some
/// hundreds do.
pub fn queue(capacity: usize) -> (Outbound, Outgoing) {
    bounded_queue(capacity, usize::MAX)
}

/// The same, for stanzas that weigh no more than `bytes` together. One always finds room in an empty queue.
pub fn bounded_queue(capacity: usize, bytes: usize) -> (Outbound, Outgoing) {
    queue_in(&Memory::new(usize::MAX), capacity, bytes)
}

/// The same, of a session that has to go when it is one of the greediest and there is no room in `memory`.
pub fn queue_in(memory: &Arc<Memory>, capacity: usize, bytes: usize) -> (Outbound, Outgoing) {
    let (sender, receiver) = mpsc::channel(capacity.max(1));
    let signals = Arc::new(Signals {
        claim: memory.claim(),
        senders: Mutex::default(),
        shown: AtomicUsize::new(0),
        weight: AtomicUsize::new(0),
        most: bytes,
        overflow: AtomicBool::new(false),
        overflow_notify: Notify::new(),
        end: Mutex::new(None),
        end_notify: Notify::new(),
    });
    (Outbound { sender, signals: Arc::clone(&signals) }, Outgoing { receiver, series: None, signals, kept: 0 })
}

impl Outbound {
    /// Queues a stanza, complete with its `to`, `from` and `id`. Never waits.
    ///
    /// Stanzas to many sessions share one text.
    pub fn send(&self, stanza: impl Into<Stanza>) -> Result<(), NotQueued> {
        let stanza = stanza.into();
        stanza.hold(self.signals.claim.memory());
        let weight = stanza.weight();
        self.queue(Item { stanzas: Stanzas::One(stanza), weight, claims: weight, from: None, _held: None }, true)
    }

    /// Queues a stanza of `from` if it fits into what one sender, and all of them, may have waiting. The session does not end
    /// if it does not.
    pub(crate) fn offer(&self, from: &str, stanza: Stanza) -> Result<(), NotQueued> {
        stanza.hold(self.signals.claim.memory());
        let weight = stanza.weight();
        let taken = self.signals.senders.lock().take(from, weight, (self.sender.max_capacity(), self.signals.most));
        let Some(from) = taken else { return Err(NotQueued::Refused) };
        let stanzas = Stanzas::One(stanza);
        let item = Item { stanzas, weight, claims: weight, from: Some(Arc::clone(&from)), _held: None };
        self.queue(item, false).inspect_err(|_| self.signals.senders.lock().give_back(&from, weight))
    }

    /// Queues a stanza if there is room; else it is let go, and the session goes on.
    pub(crate) fn try_send(&self, stanza: Stanza) -> Result<(), NotQueued> {
        stanza.hold(self.signals.claim.memory());
        let weight = stanza.weight();
        self.queue(Item { stanzas: Stanzas::One(stanza), weight, claims: weight, from: None, _held: None }, false)
    }

    /// Stanzas that belong together, to be queued for this session and others of the same endpoint: weighed once.
    pub(crate) fn batch(&self, stanzas: Arc<[Stanza]>) -> Batch {
        stanzas.iter().for_each(|stanza| stanza.hold(self.signals.claim.memory()));
        let weight = stanzas.iter().map(Stanza::weight).fold(0, usize::saturating_add);
        Batch { stanzas, weight }
    }

    /// Queues several stanzas that belong together, such as the pushes of one change of the roster. They take one place of
    /// the queue, as a roster of a thousand contacts does: what a client asked for, or what its own roster caused, must not
    /// end its session. Never waits.
    pub fn send_batch(&self, stanzas: Arc<[Stanza]>) -> Result<(), NotQueued> {
        self.send_weighed(&self.batch(stanzas))
    }

    /// The same.
    pub(crate) fn send_weighed(&self, batch: &Batch) -> Result<(), NotQueued> {
        let claims = batch.weight;
        match &*batch.stanzas {
            [] => Ok(()),
            [one] => self.send(one.clone()),
            _ => {
                let stanzas = Arc::clone(&batch.stanzas);
                let stanzas = (0..stanzas.len()).filter_map(move |place| stanzas.get(place).cloned());
                let (stanzas, weight) = (Stanzas::Many(Box::new(stanzas)), claims.min(HEAVIEST));
                self.queue(Item { stanzas, weight, claims, from: None, _held: None }, true)
            }
        }
    }

    /// The same for stanzas that are made when they are written, from something that holds `weight` bytes until then, and
    /// has `others` in common with others.
    pub(crate) fn send_series(
        &self,
        weight: usize,
        others: usize,
        stanzas: impl Iterator<Item = Stanza> + Send + Sync + 'static,
    ) -> Result<(), NotQueued> {
        let held = Some(self.signals.claim.memory().hold(weight));
        let claims = weight.saturating_add(others);
        let stanzas = Stanzas::Many(Box::new(stanzas));
        self.queue(Item { stanzas, weight, claims, from: None, _held: held }, true)
    }

    /// The session shows this to others from now on, in as many stanzas as it takes, or nothing.
    pub(crate) fn shows(&self, shared: Option<&Shared>) {
        let Signals { claim, shown, .. } = &*self.signals;
        if let Some(shared) = shared {
            shared.hold(claim.memory());
        }
        let weight = shared.map_or(0, Shared::weight);
        claim.add(weight);
        claim.sub(shown.swap(weight, Ordering::Relaxed));
    }

    /// Asks the session's task to end the session. The first reason counts.
    pub fn end(&self, why: SessionEnd) {
        self.signals.end.lock().get_or_insert(why);
        self.signals.end_notify.notify_one();
    }

    /// The session `ends` if there is no room.
    fn queue(&self, item: Item, ends: bool) -> Result<(), NotQueued> {
        let (weight, claims) = (item.weight, item.claims);
        self.signals.claim.add(claims);
        let before = self.signals.weight.fetch_add(weight, Ordering::Relaxed);
        let fits = before == 0 || before.saturating_add(weight) <= self.signals.most;
        let sent = if fits { self.sender.try_send(item) } else { Err(mpsc::error::TrySendError::Full(item)) };
        let Err(failed) = sent else { return Ok(()) };
        self.signals.weight.fetch_sub(weight, Ordering::Relaxed);
        self.signals.claim.sub(claims);
        match failed {
            mpsc::error::TrySendError::Closed(_) => Err(NotQueued::Ended),
            mpsc::error::TrySendError::Full(_) if !ends => Err(NotQueued::Refused),
            mpsc::error::TrySendError::Full(_) => {
                self.signals.overflow.store(true, Ordering::Release);
                self.signals.overflow_notify.notify_one();
                Err(NotQueued::Full)
            }
        }
    }
}

impl Outgoing {
    /// The next stanza, read back; `None` when nobody is left who could send one. Safe to drop while it waits.
    pub async fn next(&mut self) -> Option<Arc<Element>> {
        loop {
            if let Some(stanza) = self.of_series() {
                return stanza.element().map(Arc::new);
            }
            let item = self.receiver.recv().await?;
            if let Some(stanza) = self.open(item) {
                return stanza.element().map(Arc::new);
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

    /// The next stanza if there is one now, read back.
    pub fn try_next(&mut self) -> Option<Arc<Element>> {
        self.try_take()?.element().map(Arc::new)
    }

    /// The next stanza if there is one now.
    pub fn try_take(&mut self) -> Option<Stanza> {
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

    /// The session keeps so much beside what is queued.
    pub(crate) fn keeps(&mut self, bytes: usize) {
        let claim = &self.signals.claim;
        claim.add(bytes);
        claim.sub(std::mem::replace(&mut self.kept, bytes));
    }

    /// The session's client is away, or back.
    pub(crate) fn set_asleep(&self, asleep: bool) {
        self.signals.claim.set_asleep(asleep);
    }

    /// The session has to go because there is no room in all of the endpoint, whatever it may hold itself.
    pub(crate) fn has_to_go(&self) -> bool {
        self.signals.claim.has_to_go()
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

    fn open(&mut self, item: Item) -> Option<Stanza> {
        let Item { stanzas, weight, claims, from, _held } = item;
        match stanzas {
            Stanzas::One(stanza) => {
                self.taken(weight, claims);
                if let Some(from) = from {
                    self.signals.senders.lock().give_back(&from, weight);
                }
                Some(stanza)
            }
            Stanzas::Many(stanzas) => {
                self.series = Some(Item { stanzas, weight, claims, from, _held });
                self.of_series()
            }
        }
    }

    fn of_series(&mut self) -> Option<Stanza> {
        let next = self.series.as_mut()?.stanzas.next();
        if next.is_none()
            && let Some(Item { weight, claims, .. }) = self.series.take()
        {
            self.taken(weight, claims);
        }
        next
    }

    fn taken(&self, weight: usize, claims: usize) {
        self.signals.weight.fetch_sub(weight, Ordering::Relaxed);
        self.signals.claim.sub(claims);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn stanza(name: &str) -> Stanza {
        Stanza::from(Element::bare(name, "jabber:client"))
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
        assert_eq!(Stanza::from(heavy(10_000_000)).weight(), Stanza::from(heavy(1)).weight() + 9_999_999);
        let (out, mut incoming) = bounded_queue(100, 10_000);
        // What is larger than the bound passes while nothing else waits.
        out.send(heavy(20_000)).unwrap();
        assert_eq!(out.send(heavy(1)), Err(NotQueued::Full));
        incoming.next().await.unwrap();
        for _ in 0..3 {
            out.send_batch([heavy(3500).into(), heavy(3500).into()].into()).unwrap();
            assert_eq!(out.send(heavy(2000)), Err(NotQueued::Full));
            out.send(heavy(1000)).unwrap();
            for bytes in [3500, 3500, 1000] {
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
