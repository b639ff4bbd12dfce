//! Roster events for any number of readers that come and go, and come back.

use std::collections::VecDeque;
use std::fmt;
use std::future::pending;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::{EventKind, RosterEvent, RosterSink, Undelivered};
use crate::model::{Change, Contacts, Snapshot};

/// The latest events, within a number and within bytes. Every event has an [`EventId`], and a reader goes on after any
/// that is remembered: replay and live are one walk along the ring, so nothing is lost or doubled where they meet. A reader
/// that falls behind is told what it missed ([`Missed`]); it never slows down a refresh.
pub struct EventStream {
    ring: Mutex<Ring>,
    newest: watch::Sender<u64>,
    epoch: Arc<str>,
    max_events: usize,
    max_bytes: usize,
}

/// Positions are counted from 1.
struct Ring {
    /// With the bytes of each.
    events: VecDeque<(Arc<RosterEvent>, usize)>,
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
    /// An event. Of the roster after a change only the version is kept.
    Event(EventId, Arc<RosterEvent>),
    /// Events are lost to this reader.
    Missed(Missed),
}

impl EventStream {
    /// A stream that remembers `max_events` events, or fewer that take `max_bytes`, and always the newest.
    pub fn new(max_events: usize, max_bytes: usize) -> Self {
        let ring = Ring { events: VecDeque::new(), bytes: 0, first: 1 };
        // Not to be guessed, only to be different.
        let epoch = format!("{:016x}", RandomState::new().hash_one(SystemTime::now()));
        Self {
            ring: Mutex::new(ring),
            newest: watch::Sender::new(0),
            epoch: epoch.into(),
            max_events: max_events.max(1),
            max_bytes,
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
        let bytes = weight(&event);
        let mut ring = self.ring.lock();
        ring.bytes += bytes;
        ring.events.push_back((event, bytes));
        while ring.events.len() > self.max_events || (ring.bytes > self.max_bytes && ring.events.len() > 1) {
            let Some((_, bytes)) = ring.events.pop_front() else { break };
            ring.bytes -= bytes;
            ring.first += 1;
        }
        // Before the next one is pushed: readers never see the number fall.
        self.newest.send_replace(ring.newest());
    }
}

impl Ring {
    fn newest(&self) -> u64 {
        self.first + self.events.len() as u64 - 1
    }

    fn get(&self, position: u64) -> Option<&Arc<RosterEvent>> {
        let index = usize::try_from(position.checked_sub(self.first)?).ok()?;
        self.events.get(index).map(|(event, _)| event)
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

/// The event without the whole roster, which a change does not tell: it would be kept for a few bytes.
fn slim(event: Arc<RosterEvent>) -> Arc<RosterEvent> {
    match &event.kind {
        EventKind::Loaded(_) | EventKind::Dropped { .. } => event,
        EventKind::Changed { snapshot, changes } => Arc::new(RosterEvent {
            domain: Arc::clone(&event.domain),
            user: event.user.clone(),
            kind: EventKind::Changed {
                snapshot: Arc::new(Snapshot::new(snapshot.version(), None, Contacts::default())),
                changes: Arc::clone(changes),
            },
        }),
    }
}

/// The memory that an event keeps, bytes. A roster that was loaded is shared with the store for as long as it is current.
fn weight(event: &RosterEvent) -> usize {
    let kind = match &event.kind {
        EventKind::Loaded(snapshot) => snapshot.bytes(),
        EventKind::Changed { changes, .. } => {
            size_of::<Snapshot>() + changes.iter().map(weight_of_change).sum::<usize>()
        }
        EventKind::Dropped { .. } => 0,
    };
    size_of::<RosterEvent>() + event.user.as_str().len() + kind
}

fn weight_of_change(change: &Change) -> usize {
    let texts = match change {
        Change::Remove(jid) => jid.len(),
        Change::Put(contact) => {
            let groups = contact.groups.iter().map(|group| size_of::<String>() + group.len()).sum::<usize>();
            contact.jid.len() + contact.name.as_ref().map_or(0, String::len) + groups
        }
    };
    size_of::<Change>() + texts
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

    fn look(&mut self) -> Option<Reading> {
        let ring = self.stream.ring.lock();
        let (next, first) = (self.read + 1, ring.first);
        if next < first {
            let after = self.stream.id(self.read).to_string();
            self.read = first - 1;
            let to = self.stream.id(self.read);
            return Some(Reading::Missed(Missed { count: Some(first - next), after, to }));
        }
        let event = Arc::clone(ring.get(next)?);
        self.read = next;
        Some(Reading::Event(self.stream.id(next), event))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
    use super::*;
    use crate::model::Username;

    fn dropped(user: &str, version: u64) -> Arc<RosterEvent> {
        let user = Username::new(user).unwrap();
        Arc::new(RosterEvent { domain: "x".into(), user, kind: EventKind::Dropped { version } })
    }

    fn version(event: &RosterEvent) -> u64 {
        match event.kind {
            EventKind::Dropped { version } => version,
            _ => panic!("{event:?}"),
        }
    }

    async fn deliver(stream: &EventStream, version: u64) {
        stream.deliver(dropped("john", version)).await.unwrap();
    }

    /// What is there to read, without waiting: versions, and for what is missed the count.
    async fn rest(reader: &mut EventReader) -> Vec<Result<u64, Option<u64>>> {
        let mut read = Vec::new();
        loop {
            tokio::select! {
                biased;
                next = reader.next() => read.push(match next {
                    Reading::Event(_, event) => Ok(version(&event)),
                    Reading::Missed(missed) => Err(missed.count),
                }),
                () = tokio::task::yield_now() => return read,
            }
        }
    }

    #[tokio::test]
    async fn a_reader_goes_on_after_the_last_event_it_has() {
        let stream = Arc::new(EventStream::new(4, 1 << 20));
        let id = |position: u64| format!("{}-{position}", stream.epoch);
        for number in 1..=6 {
            deliver(&stream, number).await;
        }
        for (last, expected) in [
            (None, vec![]),
            (Some(id(6)), vec![]),
            (Some(id(5)), vec![Ok(6)]),
            (Some(id(2)), vec![Ok(3), Ok(4), Ok(5), Ok(6)]),
            (Some(id(1)), vec![Err(Some(1)), Ok(3), Ok(4), Ok(5), Ok(6)]),
            (Some(id(0)), vec![Err(Some(2)), Ok(3), Ok(4), Ok(5), Ok(6)]),
            // Of another process, from the future, and none at all.
            (Some("0123456789abcdef-5".to_owned()), vec![Err(None)]),
            (Some(id(7)), vec![Err(None)]),
            (Some("5".to_owned()), vec![Err(None)]),
            (Some(id(0).replace("-0", "--1")), vec![Err(None)]),
            (Some("\u{0}😀".to_owned()), vec![Err(None)]),
        ] {
            let mut reader = stream.subscribe(last.as_deref());
            assert_eq!(rest(&mut reader).await, expected, "{last:?}");
            assert_eq!(reader.id().to_string(), id(6), "{last:?}");
        }
        let mut reader = stream.subscribe(Some(&id(0)));
        let Reading::Missed(missed) = reader.next().await else { panic!("nothing missed") };
        assert_eq!((missed.after, missed.to.to_string()), (id(0), id(2)));
    }

    #[tokio::test]
    async fn the_ring_is_bounded_in_bytes_and_keeps_the_newest_event() {
        let one = weight(&dropped("john", 1));
        for (max_bytes, kept) in [(0, 1), (one, 1), (3 * one, 3), (3 * one + one / 2, 3), (100 * one, 8)] {
            let stream = Arc::new(EventStream::new(8, max_bytes));
            let mut reader = stream.subscribe(None);
            for number in 1..=20 {
                deliver(&stream, number).await;
            }
            let held = {
                let ring = stream.ring.lock();
                (ring.events.len(), ring.bytes)
            };
            assert_eq!(held, (kept, kept * one), "{max_bytes}");
            let mut expected = vec![Err(Some(20 - kept as u64))];
            expected.extend((20 - kept as u64 + 1..=20).map(Ok));
            assert_eq!(rest(&mut reader).await, expected, "{max_bytes}");
        }
    }

    #[tokio::test]
    async fn a_change_does_not_keep_the_whole_roster() {
        let contact = |n: usize| crate::model::Contact {
            jid: format!("c{n}@example.com"),
            name: None,
            subscription: crate::model::Subscription::Both,
            ask: false,
            groups: Vec::new(),
        };
        let contacts: Vec<_> = (0..1000).map(contact).collect();
        let snapshot = Arc::new(Snapshot::new(7, None, Contacts::pack(&contacts, 1000).unwrap()));
        let changes: Arc<[Change]> = Arc::from([Change::Put(contact(1))]);
        let event = Arc::new(RosterEvent {
            domain: "x".into(),
            user: Username::new("john").unwrap(),
            kind: EventKind::Changed { snapshot: Arc::clone(&snapshot), changes },
        });
        let stream = Arc::new(EventStream::new(8, 1 << 20));
        let mut reader = stream.subscribe(None);
        stream.deliver(Arc::clone(&event)).await.unwrap();
        assert!(stream.ring.lock().bytes < 1000, "{}", stream.ring.lock().bytes);
        let Reading::Event(_, kept) = reader.next().await else { panic!("nothing") };
        assert_eq!(serde_json::to_string(&*kept).unwrap(), serde_json::to_string(&*event).unwrap());
        drop(event);
        assert_eq!(Arc::strong_count(&snapshot), 1, "the ring does not hold the roster");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nothing_is_lost_or_doubled_between_replay_and_live() {
        const WRITERS: u64 = 4;
        const EVENTS: u64 = 2000;
        let stream = Arc::new(EventStream::new((WRITERS * EVENTS) as usize, 1 << 30));
        let origin = stream.subscribe(None).id().to_string();
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let stream = Arc::clone(&stream);
                tokio::spawn(async move {
                    for number in 0..EVENTS {
                        stream.deliver(dropped(&format!("w{writer}"), number)).await.unwrap();
                        if number % 64 == 0 {
                            tokio::task::yield_now().await;
                        }
                    }
                })
            })
            .collect();
        // Each reader breaks off again and again while there is writing, and comes back with its last id.
        let readers: Vec<_> = (1..=4)
            .map(|patience| {
                let (stream, mut last) = (Arc::clone(&stream), origin.clone());
                tokio::spawn(async move {
                    let mut next = [0; WRITERS as usize];
                    while next.iter().sum::<u64>() < WRITERS * EVENTS {
                        let mut reader = stream.subscribe(Some(&last));
                        for _ in 0..patience * 7 {
                            if next.iter().sum::<u64>() == WRITERS * EVENTS {
                                break;
                            }
                            let Reading::Event(id, event) = reader.next().await else { panic!("missed") };
                            let writer: usize = event.user.as_str().trim_start_matches('w').parse().unwrap();
                            assert_eq!(version(&event), next[writer], "each writer's events once and in order");
                            next[writer] += 1;
                            last = id.to_string();
                        }
                    }
                })
            })
            .collect();
        for task in writers.into_iter().chain(readers) {
            tokio::time::timeout(std::time::Duration::from_secs(60), task).await.unwrap().unwrap();
        }
        assert_eq!(stream.readers(), 0);
    }
}
