//! One node as a state machine: what happens to its users and its stream goes in, what it is to be told comes out. No clock, no
//! tasks, no sockets.
//!
//! | What | Who is it about |
//! |---|---|
//! | users | those that the node has a session of; each has one session of the host for it |
//! | stream | the one that is open; a newer one replaces it |
//! | lease | without a stream: when the users go |
//! | resync | why the node has to say anew which users it has; told on each stream until it does |

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::ring::{At, BadAck, Ring};
use crate::model::{EventKind, Snapshot, Username};

/// So long changes wait for others when no refresh runs that would find them.
const SEAL_DELAY: Duration = Duration::from_millis(20);
/// So long they wait while one runs: it may be held up by a single user.
const SEAL_DELAY_IN_REFRESH: Duration = Duration::from_secs(1);
/// How often it is looked whether a roster that could not be had is there.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What bounds a node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) max_users: usize,
    pub(super) lease: Duration,
}

/// See the module.
pub(super) struct State {
    pub(super) ring: Ring,
    bounds: Bounds,
    users: HashMap<Username, Seat>,
    stream: Option<Stream>,
    streams: u64,
    /// When the last stream was lost, or the first user came without one.
    without_stream: Option<Instant>,
    /// None is needed at first: there is nobody.
    resync: Option<&'static str>,
    syncs: u64,
    /// Users whose roster the node was promised instead of an answer, and when it is looked for.
    owed: HashSet<Username>,
    look: Option<Instant>,
    /// Refreshes of the domain that run.
    refreshes: usize,
}

/// A user of the node.
#[derive(Default)]
struct Seat {
    /// Answers with the user's roster that are still to be given.
    waiting: u32,
    /// A roster that was not told because an answer is to bring it.
    untold: Option<Arc<Snapshot>>,
    /// The sync that has confirmed the user last.
    sync: u64,
}

struct Stream {
    number: u64,
    /// The last event that was sent.
    read: u64,
    told_resync: bool,
}

/// The node has as many users as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooManyUsers;

/// What a stream sends next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Event(Bytes),
    Resync(&'static str),
    /// A newer stream has come: the last word.
    Replaced,
    Wait,
}

/// How a roster event is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Telling {
    Not,
    Delta,
    Whole,
}

impl State {
    pub(super) fn new(ring: Ring, bounds: Bounds) -> Self {
        Self {
            ring,
            bounds,
            users: HashMap::new(),
            stream: None,
            streams: 0,
            without_stream: None,
            resync: None,
            syncs: 0,
            owed: HashSet::new(),
            look: None,
            refreshes: 0,
        }
    }

    pub(super) fn users(&self) -> usize {
        self.users.len()
    }

    pub(super) fn has(&self, user: &Username) -> bool {
        self.users.contains_key(user)
    }

    /// A user has come, or is there; an answer with the roster is to follow. The number of the sync that it belongs to or comes
    /// after.
    pub(super) fn arrive(&mut self, user: &Username, now: Instant) -> Result<u64, TooManyUsers> {
        if !self.users.contains_key(user) {
            if self.users.len() >= self.bounds.max_users {
                return Err(TooManyUsers);
            }
            // Changes of before the user left: between them and those to come some were not told.
            if self.ring.is_open_for(user) {
                self.ring.seal();
            }
        }
        if self.stream.is_none() && (self.users.is_empty() || self.without_stream.is_none()) {
            self.without_stream = Some(now);
        }
        let seat = self.users.entry(user.clone()).or_default();
        seat.waiting += 1;
        seat.sync = self.syncs;
        Ok(self.syncs)
    }

    /// An answer is given to whoever arrived in or after `sync`: with this roster, or without any, and then the roster is owed.
    /// False: the user has left. What is returned beside is to be told as a whole, at once.
    ///
    /// The answer contains what the events so far say of the user, for what was told before is in the snapshot.
    pub(super) fn answered(
        &mut self,
        user: &Username,
        sync: u64,
        answer: Option<&Snapshot>,
        now: Instant,
    ) -> (bool, Option<Arc<Snapshot>>) {
        let Some(seat) = self.users.get_mut(user) else { return (false, None) };
        seat.waiting = seat.waiting.saturating_sub(1);
        if sync < seat.sync {
            // The node takes no notice of it, for it has asked again with a sync.
            return (true, seat.untold.take_if(|_| seat.waiting == 0));
        }
        let newer = |untold: &Arc<Snapshot>| answer.is_none_or(|answer| answer.version() < untold.version());
        let late = match answer {
            // Another answer may still bring it.
            None if seat.waiting > 0 => None,
            _ => seat.untold.take().filter(newer),
        };
        if answer.is_some() || late.is_some() {
            self.owed.remove(user);
        } else {
            self.owed.insert(user.clone());
            self.look.get_or_insert(now + LOOK_AGAIN);
        }
        (true, late)
    }

    /// Users whose rosters are owed, when it is time to look for them.
    pub(super) fn look_for(&mut self, now: Instant) -> Vec<Username> {
        if self.look.is_none_or(|at| now < at) {
            return Vec::new();
        }
        self.look = (!self.owed.is_empty()).then(|| now + LOOK_AGAIN);
        self.owed.iter().cloned().collect()
    }

    /// The roster of `user` is there. True if it is still owed, and is to be told as a whole now.
    pub(super) fn pay(&mut self, user: &Username) -> bool {
        self.owed.remove(user)
    }

    /// A user has left. False if there was none.
    pub(super) fn leave(&mut self, user: &Username) -> bool {
        self.owed.remove(user);
        self.users.remove(user).is_some()
    }

    /// The node is about to say anew which users it has; whoever comes from now on is not on its list. Number of this sync.
    pub(super) fn begin_sync(&mut self) -> u64 {
        self.syncs += 1;
        self.syncs
    }

    /// The list is there.
    pub(super) fn accept_sync(&mut self) {
        self.resync = None;
        if let Some(stream) = &mut self.stream {
            stream.told_resync = false;
        }
    }

    /// Whether no newer sync has begun.
    pub(super) fn is_last_sync(&self, sync: u64) -> bool {
        self.syncs == sync
    }

    /// Those whom neither `sync` nor anybody since has named.
    pub(super) fn unnamed(&self, sync: u64) -> Vec<Username> {
        self.users.iter().filter(|(_, seat)| is_unnamed(seat, sync)).map(|(user, _)| user.clone()).collect()
    }

    /// Lets go of `user`, if that still is one of them.
    pub(super) fn leave_unnamed(&mut self, user: &Username, sync: u64) -> bool {
        self.users.get(user).is_some_and(|seat| is_unnamed(seat, sync)) && self.leave(user)
    }

    /// How `kind`, which happened to `user`, is to be told.
    pub(super) fn telling(&mut self, user: &Username, kind: &EventKind) -> Telling {
        let Some(seat) = self.users.get_mut(user) else { return Telling::Not };
        match kind {
            EventKind::Dropped { .. } => Telling::Not,
            EventKind::Loaded(snapshot) if seat.waiting > 0 => {
                seat.untold = Some(Arc::clone(snapshot));
                Telling::Not
            }
            EventKind::Loaded(_) => {
                self.owed.remove(user);
                Telling::Whole
            }
            // What it builds on has not been told.
            EventKind::Changed { .. } if seat.untold.take().is_some() | self.owed.remove(user) => Telling::Whole,
            EventKind::Changed { before, snapshot, .. } if before.content_version() == snapshot.content_version() => {
                Telling::Not
            }
            EventKind::Changed { snapshot, changes, .. } if changes.len() > snapshot.contacts().len() => Telling::Whole,
            EventKind::Changed { .. } => Telling::Delta,
        }
    }

    /// Tells it: `change` is how it is written. True if somebody who waits has to look.
    pub(super) fn tell(&mut self, user: &Username, change: &[u8], now: Instant) -> bool {
        let begins = self.ring.open_since().is_none();
        self.ring.push(user, change, now) || begins
    }

    pub(super) fn refresh_begins(&mut self) {
        self.refreshes += 1;
    }

    /// What has come meanwhile is one event. True if there is one.
    pub(super) fn refresh_ends(&mut self) -> bool {
        self.refreshes = self.refreshes.saturating_sub(1);
        self.ring.seal()
    }

    /// A stream is opened by a reader that has `last` or nothing. Its number, and whether it replaces another.
    pub(super) fn open_stream(&mut self, last: Option<&str>) -> (u64, bool) {
        let newest = self.ring.newest();
        let read = match last {
            Some(id) => self.ring.place(id).unwrap_or_else(|| {
                let other = id.rsplit_once('-').is_none_or(|(epoch, _)| epoch != &**self.ring.epoch());
                self.resync.get_or_insert(if other { "this host does not know the id" } else { LAGGED });
                newest
            }),
            None => {
                if self.ring.acked() < newest {
                    self.resync.get_or_insert("there are events that were never acknowledged");
                }
                newest
            }
        };
        self.streams += 1;
        self.without_stream = None;
        let replaced = self.stream.replace(Stream { number: self.streams, read, told_resync: false });
        (self.streams, replaced.is_some())
    }

    /// What stream `number` sends next.
    pub(super) fn next(&mut self, number: u64) -> Step {
        let Some(stream) = self.stream.as_mut().filter(|stream| stream.number == number) else {
            return Step::Replaced;
        };
        let event = self.ring.after(stream.read);
        if event == At::Lost {
            stream.read = self.ring.newest();
            self.resync.get_or_insert(LAGGED);
        }
        if let Some(reason) = self.resync
            && !stream.told_resync
        {
            stream.told_resync = true;
            return Step::Resync(reason);
        }
        match event {
            At::Event(event) => {
                stream.read += 1;
                Step::Event(event)
            }
            At::End | At::Lost => Step::Wait,
        }
    }

    /// Stream `number` has ended. True if it was the one.
    pub(super) fn close_stream(&mut self, number: u64, now: Instant) -> bool {
        let own = self.stream.as_ref().is_some_and(|stream| stream.number == number);
        if own {
            self.stream = None;
            self.without_stream = Some(now);
        }
        own
    }

    pub(super) fn is_live(&self) -> bool {
        self.stream.is_some()
    }

    pub(super) fn ack(&mut self, epoch: &str, seq: u64) -> Result<(), BadAck> {
        self.ring.ack(epoch, seq)
    }

    /// When [`seal_if_due`](Self::seal_if_due) or [`is_over`](Self::is_over) is to be asked next.
    pub(super) fn due(&self) -> Option<Instant> {
        let seal = self.ring.open_since().map(|since| since + self.seal_delay());
        let lease = self.without_stream.filter(|_| !self.users.is_empty()).map(|since| since + self.bounds.lease);
        [seal, lease, self.look].into_iter().flatten().min()
    }

    fn seal_delay(&self) -> Duration {
        if self.refreshes > 0 { SEAL_DELAY_IN_REFRESH } else { SEAL_DELAY }
    }

    /// Makes an event of changes that have waited for long enough.
    pub(super) fn seal_if_due(&mut self, now: Instant) -> bool {
        self.ring.open_since().is_some_and(|since| since + self.seal_delay() <= now) && self.ring.seal()
    }

    /// Whether the lease is over.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.without_stream.is_some_and(|since| since + self.bounds.lease <= now)
    }

    /// Lets go of some users of a node whose lease is over, at most `most`, and of what was to be told to it.
    pub(super) fn expire(&mut self, now: Instant, most: usize) -> Vec<Username> {
        if !self.is_over(now) {
            return Vec::new();
        }
        self.resync = Some("no stream was open for longer than the lease, so the users were dropped");
        self.ring.clear();
        let gone: Vec<_> = self.users.keys().take(most).cloned().collect();
        for user in &gone {
            self.leave(user);
        }
        if self.users.is_empty() {
            self.users = HashMap::new();
        }
        gone
    }
}

const LAGGED: &str = "events were lost, for more came than are kept (attach.ring_events, attach.ring_memory)";

fn is_unnamed(seat: &Seat, sync: u64) -> bool {
    seat.sync < sync && seat.waiting == 0
}
