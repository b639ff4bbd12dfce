//! Roster events for any number of readers that come and go, and come back.

mod remembered;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt;
use std::future::pending;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, watch};
use tracing::warn;

use super::epoch;
use super::kept::slim;
use super::{RosterEvent, RosterSink, Undelivered};

pub use remembered::Remembered;

/// The latest events, within a number and within bytes. Every event has an [`EventId`], and a reader goes on after any
/// that is remembered: replay and live are one walk along the ring, so nothing is lost or doubled where they meet. A reader
/// that falls behind is told what it missed ([`Missed`]); it never slows down a refresh.
///
/// The JSON of an event is written once, when the first reader wants it, and remembered in its place: what all readers hold is
/// what is remembered.
pub struct EventStream {
    ring: Mutex<Ring>,
    newest: watch::Sender<u64>,
    epoch: Arc<str>,
    max_events: usize,
    max_bytes: usize,
    /// One JSON is written at a time: until it is done there are both.
    writing: AsyncMutex<()>,
}

/// Positions are counted from 1.
struct Ring {
    /// With the bytes of each. Nobody else keeps them.
    events: VecDeque<(Arc<Remembered>, usize)>,
    bytes: usize,
    /// The position of the oldest event that is remembered, or of the next one.
    first: u64,
}

/// The place of an event in the stream of this process. After a restart all are others, which shows in the first part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventId {
    epoch: Arc<str>,
    position: u64,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.position)
    }
}

/// Events that a reader will not see, for they are no longer remembered: those after one id up to and including another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missed {
    /// How many; `None` if the id the reader came with is none of this process.
    pub count: Option<u64>,
    /// The last id the reader has, as it gave it.
    pub after: String,
    /// The last event that is missed.
    pub to: EventId,
}

/// What a reader sees next.
#[derive(Clone, Debug)]
pub enum Reading {
    /// An event, for as long as it is remembered. Of the roster after a change only the version is.
    Event(EventId, Weak<Remembered>),
    /// Events are lost to this reader.
    Missed(Missed),
}

impl EventStream {
    /// A stream that remembers `max_events` events, or fewer that take `max_bytes`, and always the newest.
    pub fn new(max_events: usize, max_bytes: usize) -> Self {
        let ring = Ring { events: VecDeque::new(), bytes: 0, first: 1 };
        Self {
            ring: Mutex::new(ring),
            newest: watch::Sender::new(0),
            epoch: epoch::new(),
            max_events: max_events.max(1),
            max_bytes,
            writing: AsyncMutex::default(),
        }
    }

    /// A reader of everything that happens from now on, or after the event whose id is given.
    pub fn subscribe(self: &Arc<Self>, last_id: Option<&str>) -> EventReader {
        let news = self.newest.subscribe();
        let newest = self.ring.lock().newest();
        let known = last_id.and_then(|id| self.position(id)).filter(|position| *position <= newest);
        let lost = last_id.filter(|_| known.is_none()).map(|id| Missed {
            count: None,
            after: id.to_owned(),
            to: self.id(newest),
        });
        EventReader { stream: Arc::clone(self), news, read: known.unwrap_or(newest), lost }
    }

    /// How many readers there are.
    pub fn readers(&self) -> usize {
        self.newest.receiver_count()
    }

    fn id(&self, position: u64) -> EventId {
        EventId { epoch: Arc::clone(&self.epoch), position }
    }

    /// The position in `id`, if it is of this process.
    fn position(&self, id: &str) -> Option<u64> {
        let (epoch, position) = id.split_once('-')?;
        (epoch == &*self.epoch).then(|| position.parse().ok()).flatten()
    }

    fn push(&self, event: Arc<RosterEvent>) {
        let event = Remembered::new(event);
        let bytes = event.weight();
        let mut ring = self.ring.lock();
        ring.bytes += bytes;
        ring.events.push_back((Arc::new(event), bytes));
        ring.shrink(self.max_events, self.max_bytes);
        // Before the next one is pushed: readers never see the number fall.
        self.newest.send_replace(ring.newest());
    }
}

impl Ring {
    /// Forgets the oldest, but never the newest.
    fn shrink(&mut self, max_events: usize, max_bytes: usize) {
        while self.events.len() > max_events || (self.bytes > max_bytes && self.events.len() > 1) {
            let Some((_, bytes)) = self.events.pop_front() else { break };
            self.bytes -= bytes;
            self.first += 1;
        }
    }

    fn newest(&self) -> u64 {
        self.first + self.events.len() as u64 - 1
    }

    fn index(&self, position: u64) -> Option<usize> {
        usize::try_from(position.checked_sub(self.first)?).ok()
    }

    fn get(&self, position: u64) -> Option<&Arc<Remembered>> {
        self.events.get(self.index(position)?).map(|(event, _)| event)
    }

    /// The event at `position` weighs something else now.
    fn weigh(&mut self, position: u64) {
        let index = self.index(position);
        if let Some((event, bytes)) = index.and_then(|index| self.events.get_mut(index)) {
            let now = event.weight();
            self.bytes = self.bytes + now - std::mem::replace(bytes, now);
        }
    }
}

#[async_trait]
impl RosterSink for EventStream {
    fn name(&self) -> &'static str {
        "event-stream"
    }

    async fn deliver(&self, event: Arc<RosterEvent>) -> Result<(), Undelivered> {
        self.push(slim(event));
        Ok(())
    }
}

/// A reader of an [`EventStream`].
pub struct EventReader {
    stream: Arc<EventStream>,
    news: watch::Receiver<u64>,
    /// The position of the last event it has seen, or does not want to.
    read: u64,
    lost: Option<Missed>,
}

impl EventReader {
    /// Where it is: with this id a later reader goes on from here.
    pub fn id(&self) -> EventId {
        self.stream.id(self.read)
    }

    /// What comes next. May be dropped while it waits.
    pub async fn next(&mut self) -> Reading {
        loop {
            if let Some(missed) = self.lost.take() {
                return Reading::Missed(missed);
            }
            // What is pushed from here on is a change.
            self.news.borrow_and_update();
            if let Some(reading) = self.look() {
                return reading;
            }
            if self.news.changed().await.is_err() {
                // The stream is ours, so its sender is there.
                pending::<()>().await;
            }
        }
    }

    /// The JSON of an event that it has seen; `None` if it is no longer remembered. Not to be kept while somebody is waited for.
    pub async fn json(&self, id: &EventId, event: &Weak<Remembered>) -> Option<Bytes> {
        let written = |event: &Weak<Remembered>| event.upgrade().map(|event| event.json());
        if let Some(json) = written(event)? {
            return Some(json);
        }
        let _alone = self.stream.writing.lock().await;
        if let Some(json) = written(event)? {
            return Some(json);
        }
        let json = event.upgrade()?.write().await;
        let json = json.inspect_err(|error| warn!(%error, "a roster event could not be written")).ok()?;
        let mut ring = self.stream.ring.lock();
        ring.weigh(id.position);
        ring.shrink(self.stream.max_events, self.stream.max_bytes);
        Some(json)
    }

    /// Goes back before an event that was forgotten before the reader had it: it is missed.
    pub fn back_before(&mut self, id: &EventId) {
        if id.position < self.stream.ring.lock().first {
            self.read = id.position.saturating_sub(1);
        }
    }

    fn look(&mut self) -> Option<Reading> {
        let ring = self.stream.ring.lock();
        let (next, first) = (self.read + 1, ring.first);
        if next < first {
            let after = self.stream.id(self.read).to_string();
            self.read = first - 1;
            let to = self.stream.id(self.read);
            return Some(Reading::Missed(Missed { count: Some(first - next), after, to }));
        }
        let event = Arc::downgrade(ring.get(next)?);
        self.read = next;
        Some(Reading::Event(self.stream.id(next), event))
    }
}
