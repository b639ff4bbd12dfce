//! The events of one node: what is being put together, what is kept, what the node has passed on.
//!
//! Changes are collected in an open batch, and a sealed one is an event with a number (`seq`, from 1). Events are kept as the
//! bytes that go out, so what they take is known exactly.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use crate::model::Username;

/// An event is not made longer than this, but for a single roster that is.
pub(super) const LONGEST_EVENT: usize = 256 << 10;

/// See the module.
pub(super) struct Ring {
    epoch: Arc<str>,
    /// The changes of the open batch, with commas between them.
    open: Vec<u8>,
    /// Whose they are.
    open_users: HashSet<Username>,
    /// When the first of them came.
    since: Option<Instant>,
    events: VecDeque<Bytes>,
    bytes: usize,
    /// The number of the oldest event that is kept, or of the next one.
    first: u64,
    acked: u64,
    max_events: usize,
    max_bytes: usize,
}

/// What is to be read at a place of the ring.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum At {
    Event(Bytes),
    /// Nothing yet.
    End,
    /// It is kept no longer.
    Lost,
}

/// Why an acknowledgement is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadAck {
    /// Of another process.
    Epoch,
    /// Of an event that does not exist.
    Future,
}

impl Ring {
    pub(super) fn new(epoch: Arc<str>, max_events: usize, max_bytes: usize) -> Self {
        Self {
            epoch,
            open: Vec::new(),
            open_users: HashSet::new(),
            since: None,
            events: VecDeque::new(),
            bytes: 0,
            first: 1,
            acked: 0,
            max_events: max_events.max(1),
            max_bytes,
        }
    }

    pub(super) fn epoch(&self) -> &Arc<str> {
        &self.epoch
    }

    /// The number of the last event; 0: there was none.
    pub(super) fn newest(&self) -> u64 {
        self.first + self.events.len() as u64 - 1
    }

    pub(super) fn acked(&self) -> u64 {
        self.acked
    }

    /// When the first change of the open batch came; `None` if it is empty.
    pub(super) fn open_since(&self) -> Option<Instant> {
        self.since
    }

    /// Whether the open batch has changes of `user`.
    pub(super) fn is_open_for(&self, user: &Username) -> bool {
        self.open_users.contains(user)
    }

    /// One more change. True if an event was sealed to make room for it.
    pub(super) fn push(&mut self, user: &Username, change: &[u8], now: Instant) -> bool {
        let full = !self.open.is_empty() && self.open.len() + change.len() > LONGEST_EVENT;
        let sealed = full && self.seal();
        if !self.open.is_empty() {
            self.open.push(b',');
        }
        self.open.extend_from_slice(change);
        self.open_users.insert(user.clone());
        self.since.get_or_insert(now);
        sealed
    }

    /// Makes an event of the open batch. False if it is empty.
    pub(super) fn seal(&mut self) -> bool {
        if self.since.take().is_none() {
            return false;
        }
        let seq = self.newest() + 1;
        let head = format!("id: {}-{seq}\nevent: changes\ndata: {{\"seq\":{seq},\"rosters\":[", self.epoch);
        let event = [head.as_bytes(), &self.open, b"]}\n\n"].concat();
        (self.open, self.open_users) = (Vec::new(), HashSet::new());
        self.bytes += event.len();
        self.events.push_back(event.into());
        while self.events.len() > self.max_events || (self.bytes > self.max_bytes && self.events.len() > 1) {
            let Some(event) = self.events.pop_front() else { break };
            self.bytes -= event.len();
            self.first += 1;
        }
        true
    }

    /// What comes after event `seq`.
    pub(super) fn after(&self, seq: u64) -> At {
        let Some(index) = (seq + 1).checked_sub(self.first) else { return At::Lost };
        match usize::try_from(index).ok().and_then(|index| self.events.get(index)) {
            Some(event) => At::Event(event.clone()),
            None => At::End,
        }
    }

    /// The place in `id`, the last event that a reader has, if it can go on from there.
    pub(super) fn place(&self, id: &str) -> Option<u64> {
        let (epoch, seq) = id.rsplit_once('-')?;
        let seq: u64 = seq.parse().ok().filter(|_| epoch == &*self.epoch)?;
        (seq <= self.newest() && seq + 1 >= self.first).then_some(seq)
    }

    /// Everything up to `seq` has been passed on.
    pub(super) fn ack(&mut self, epoch: &str, seq: u64) -> Result<(), BadAck> {
        if epoch != &*self.epoch {
            return Err(BadAck::Epoch);
        }
        if seq > self.newest() {
            return Err(BadAck::Future);
        }
        self.acked = self.acked.max(seq);
        Ok(())
    }

    /// Forgets everything, as if all had been lost to a reader that lags.
    pub(super) fn clear(&mut self) {
        self.first = self.newest() + 1;
        (self.open, self.open_users, self.since, self.bytes) = (Vec::new(), HashSet::new(), None, 0);
        self.events = VecDeque::new();
    }

    /// What it takes, bytes.
    #[cfg(test)]
    pub(super) fn memory(&self) -> (usize, usize) {
        (self.events.len(), self.bytes)
    }
}
