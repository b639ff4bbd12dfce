//! The latest real calls of a module: what each hook was given, what the application answered it, and what came of it.
//!
//! A module that is to take over is run on them (`swap/trial/shadow`). Each module has its own recorder, so that what it
//! is compared with is what that module said; it is emptied when the module no longer serves.
//!
//! Recording must not be felt. The first calls of each hook are recorded, and from then on one in [`SAMPLE_INTERVAL`]; all others
//! cost a look at the time. What is recorded is bounded in calls and in bytes.
//!
//! Nothing secret is kept: the host's credentials are added to a request after it has passed here, of a request's own
//! header only the conditions are kept, and cookies of answers are not. It stays in memory; of a URL only what may be
//! logged is ever shown.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;

use super::{RecordedExchange, Recording};
use crate::model::{Change, Contact, ResponseDigest, Snapshot, Username};
use crate::plugin::api::{BadRequest, FetchError, FetchedRoster, Outcome, Refreshed, Reply};

/// Time from one recorded call of a hook to the next, when there are enough.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(100);
/// What all recorded calls of a module may take together, bytes.
const MOST_BYTES: usize = 4 << 20;
/// What one call may take; a longer one is not recorded.
pub(super) const MOST_BYTES_OF_CALL: usize = MOST_BYTES / 4;
/// What a call takes beside its texts, about.
const OVERHEAD: usize = 512;

/// The hooks that are recorded.
const HOOKS: usize = 5;

/// What a hook was called with, and what it said. A call that the module failed (a trap, a limit) is not here.
pub(crate) enum Call {
    Fetch {
        user: Username,
        said: Result<FetchedRoster, FetchError>,
    },
    ChangedUsers {
        body: Bytes,
        said: Result<Vec<String>, BadRequest>,
    },
    Refresh {
        user: Username,
        known: Arc<Snapshot>,
        said: Result<Refreshed, FetchError>,
    },
    Summary {
        outcome: Outcome,
        said: Reply,
    },
    /// Users with what the plugin had said of the rosters that were kept, and what the response said of each.
    Bulk {
        users: Vec<(Username, Option<Bytes>)>,
        said: Vec<PieceDigest>,
    },
}

/// What a response for many users says of one, to be compared with what another module makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PieceDigest {
    /// The user is asked for alone.
    Missing,
    Unchanged,
    Part(ResponseDigest),
}

/// A call and its exchanges with the application, in order.
pub(crate) struct RecordedCall {
    pub(crate) call: Call,
    pub(in crate::plugin) exchanges: Vec<RecordedExchange>,
    bytes: usize,
}

/// Which hook.
#[derive(Clone, Copy)]
pub(in crate::plugin) enum Hook {
    Fetch,
    ChangedUsers,
    Refresh,
    Summary,
    Bulk,
}

/// The latest calls of one module.
pub(in crate::plugin) struct Recorder {
    /// Calls of one hook. Zero: nothing is recorded.
    most: usize,
    began: Instant,
    hooks: [Sampling; HOOKS],
    kept: Mutex<RecordedCalls>,
}

#[derive(Default)]
struct Sampling {
    /// Calls so far, as long as all are recorded.
    first: AtomicUsize,
    /// When the next is recorded, milliseconds since the recorder began.
    next: AtomicU64,
}

#[derive(Default)]
struct RecordedCalls {
    /// The oldest first.
    calls: VecDeque<Arc<RecordedCall>>,
    bytes: usize,
}

impl Recorder {
    /// Keeps the latest `most` calls of each hook.
    pub(in crate::plugin) fn new(most: usize) -> Self {
        Self { most, began: Instant::now(), hooks: Default::default(), kept: Mutex::default() }
    }

    /// For a call that begins `now`, if it is one to record.
    pub(in crate::plugin) fn begin(&self, hook: Hook, now: Instant) -> Option<Recording> {
        if self.most == 0 {
            return None;
        }
        let sampling = self.hooks.get(hook as usize)?;
        if sampling.first.load(Ordering::Relaxed) < self.most {
            sampling.first.fetch_add(1, Ordering::Relaxed);
            return Some(Recording::default());
        }
        let now = u64::try_from(now.saturating_duration_since(self.began).as_millis()).unwrap_or(u64::MAX);
        let next = sampling.next.load(Ordering::Relaxed);
        let after = now.saturating_add(SAMPLE_INTERVAL.as_millis() as u64);
        let mine =
            now >= next && sampling.next.compare_exchange(next, after, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        mine.then(Recording::default)
    }

    /// Keeps the call that it is of. `size`: of its texts, bytes, known before anything is copied.
    pub(in crate::plugin) fn keep(&self, recording: &Recording, size: usize, call: impl FnOnce() -> Call) {
        let Some((exchanges, answers)) = recording.end() else { return };
        let bytes = size.saturating_add(answers).saturating_add(OVERHEAD);
        if bytes > MOST_BYTES_OF_CALL {
            return;
        }
        let call = Arc::new(RecordedCall { call: call(), exchanges, bytes });
        let mut kept = self.kept.lock();
        let hook = call.hook();
        let same = kept.calls.iter().filter(|kept| kept.hook() == hook).count();
        if same >= self.most
            && let Some(oldest) = kept.calls.iter().position(|kept| kept.hook() == hook)
            && let Some(gone) = kept.calls.remove(oldest)
        {
            kept.bytes -= gone.bytes;
        }
        kept.bytes += bytes;
        kept.calls.push_back(call);
        while kept.bytes > MOST_BYTES
            && let Some(gone) = kept.calls.pop_front()
        {
            kept.bytes -= gone.bytes;
        }
    }

    /// The calls kept now, the oldest first.
    pub(in crate::plugin) fn calls(&self) -> Vec<Arc<RecordedCall>> {
        self.kept.lock().calls.iter().map(Arc::clone).collect()
    }

    /// Forgets all of them.
    pub(in crate::plugin) fn clear(&self) {
        let gone = std::mem::take(&mut *self.kept.lock());
        drop(gone);
    }
}

impl RecordedCall {
    /// The hook's name.
    pub(crate) fn hook(&self) -> &'static str {
        match self.call {
            Call::Fetch { .. } => "fetch",
            Call::ChangedUsers { .. } => "changed-users",
            Call::Refresh { .. } => "refresh",
            Call::Summary { .. } => "summary",
            Call::Bulk { .. } => "bulk",
        }
    }

    /// The application answered that nothing has changed, or may have: only somebody with the tag can have asked for that.
    pub(crate) fn needs_tag(&self) -> bool {
        matches!(self.call, Call::Bulk { .. }) || self.exchanges.iter().any(RecordedExchange::is_not_modified)
    }
}

/// The texts of a fetched roster, bytes.
pub(in crate::plugin) fn size_of_roster(said: &Result<FetchedRoster, FetchError>) -> usize {
    said.as_ref().map_or(0, |roster| roster.contacts.iter().map(size_of_contact).sum())
}

/// The texts of a delta, bytes.
pub(in crate::plugin) fn size_of_refreshed(said: &Result<Refreshed, FetchError>) -> usize {
    let Ok(Refreshed::Changed(delta)) = said else { return 0 };
    let size = |change: &Change| match change {
        Change::Put(contact) => size_of_contact(contact),
        Change::Remove(jid) => jid.len() + size_of::<Contact>(),
    };
    delta.changes.iter().map(size).sum()
}

fn size_of_contact(contact: &Contact) -> usize {
    let groups: usize = contact.groups.iter().map(|group| group.len() + size_of::<String>()).sum();
    size_of::<Contact>() + contact.jid.len() + contact.name.as_deref().map_or(0, str::len) + groups
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn record(recorder: &Recorder, hook: Hook, size: usize, status: u16) -> bool {
        let Some(recording) = recorder.begin(hook, Instant::now()) else { return false };
        let said = Reply { status, content_type: String::new(), body: Vec::new() };
        recorder.keep(&recording, size, || Call::Summary { outcome: Outcome::Single(true), said });
        true
    }

    fn statuses(recorder: &Recorder) -> Vec<u16> {
        let status = |call: &Arc<RecordedCall>| match &call.call {
            Call::Summary { said, .. } => said.status,
            _ => 0,
        };
        recorder.calls().iter().map(status).collect()
    }

    #[test]
    fn the_first_calls_are_recorded_and_then_one_in_a_while_takes_the_place_of_the_oldest() {
        let recorder = Recorder::new(3);
        let recorded = (0..100).filter(|n| record(&recorder, Hook::Summary, 0, *n)).count();
        assert!((4..10).contains(&recorded), "{recorded}");
        assert_eq!(recorder.calls().len(), 3);
        std::thread::sleep(SAMPLE_INTERVAL + Duration::from_millis(5));
        assert!(record(&recorder, Hook::Summary, 0, 200));
        assert_eq!(statuses(&recorder).last(), Some(&200));
        assert_eq!(recorder.calls().len(), 3);
        recorder.clear();
        assert!(recorder.calls().is_empty());
    }

    #[test]
    fn zero_records_nothing() {
        assert!(!record(&Recorder::new(0), Hook::Fetch, 0, 200));
    }

    #[test]
    fn what_is_kept_is_bounded_in_bytes() {
        let recorder = Recorder::new(100);
        assert!(record(&recorder, Hook::Summary, MOST_BYTES_OF_CALL, 1));
        assert!(recorder.calls().is_empty(), "too long by itself");
        for n in 0..20 {
            assert!(record(&recorder, Hook::Summary, MOST_BYTES_OF_CALL - OVERHEAD, n));
        }
        assert_eq!(statuses(&recorder), [16, 17, 18, 19]);
        assert_eq!(recorder.kept.lock().bytes, MOST_BYTES);
    }
}
