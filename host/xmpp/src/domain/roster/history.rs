//! Which contacts changed at which version: what roster versioning needs (RFC 6121 section 2.6, XEP-0237).
//!
//! Only JIDs are kept. How a contact looks now is in the roster, so a client that comes back is told of each contact once,
//! however often it has changed.

use std::collections::{HashSet, VecDeque};

/// The last changes of one roster, bounded.
#[derive(Default)]
pub(in crate::domain) struct History {
    /// All changes after this version are in `entries`.
    complete_after: u64,
    /// Oldest first.
    entries: VecDeque<Entry>,
}

struct Entry {
    version: u64,
    /// When the contact was told of the user's presence for it, among all that happens in the domain.
    told: Option<u64>,
    jid: Box<str>,
}

impl History {
    /// Starts anew at `version`.
    pub(in crate::domain) fn reset(&mut self, version: u64) {
        self.complete_after = version;
        self.entries = VecDeque::new();
    }

    /// The contact `jid` changed at `version`, and because of it was told of the user's presence. No more than `limit` changes
    /// are kept.
    pub(in crate::domain) fn record(&mut self, version: u64, told: Option<u64>, jid: &str, limit: usize) {
        self.entries.push_back(Entry { version, told, jid: jid.into() });
        while self.entries.len() > limit {
            if let Some(oldest) = self.entries.pop_front() {
                self.complete_after = oldest.version;
            }
        }
    }

    /// When a change had the contact `jid` told of the user's presence, as far as that is kept.
    pub(in crate::domain) fn told(&self, jid: &str) -> Option<u64> {
        self.entries.iter().rev().filter(|entry| &*entry.jid == jid).find_map(|entry| entry.told)
    }

    /// The contacts that changed after `version`, each once, with the version of its last change, oldest first. None if
    /// that is not known.
    pub(in crate::domain) fn since(&self, version: u64) -> Option<Vec<(u64, &str)>> {
        if version < self.complete_after {
            return None;
        }
        let mut seen = HashSet::new();
        let newest_first = self.entries.iter().rev().take_while(|entry| entry.version > version);
        let mut changed: Vec<_> =
            newest_first.filter(|entry| seen.insert(&*entry.jid)).map(|entry| (entry.version, &*entry.jid)).collect();
        changed.reverse();
        Some(changed)
    }
}

/// The version each of several pushes may carry: a client that has seen only some of those of one version must not believe
/// that it has seen all of them, so all but the last carry the version before.
pub(in crate::domain) fn versions_to_tell(from: u64, at: &[u64]) -> Vec<u64> {
    let mut before = from;
    let mut told = Vec::with_capacity(at.len());
    for (place, version) in at.iter().enumerate() {
        if at.get(place + 1) != Some(version) {
            before = *version;
        }
        told.push(before);
    }
    told
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn changes_since_a_version_are_told_once_each() {
        let mut history = History::default();
        history.reset(10);
        for (version, jid) in [(11, "a"), (12, "b"), (12, "c"), (13, "a")] {
            history.record(version, None, jid, 100);
        }
        for (version, expected) in [
            (9, None),
            (10, Some(vec![(12, "b"), (12, "c"), (13, "a")])),
            (11, Some(vec![(12, "b"), (12, "c"), (13, "a")])),
            (12, Some(vec![(13, "a")])),
            (13, Some(vec![])),
        ] {
            assert_eq!(history.since(version), expected, "{version}");
        }
    }

    #[test]
    fn a_history_that_is_full_forgets_the_oldest_and_knows_it() {
        let mut history = History::default();
        for (version, jid) in [(1, "a"), (2, "b"), (2, "c"), (3, "d")] {
            history.record(version, None, jid, 2);
        }
        assert_eq!(history.since(1), None);
        assert_eq!(history.since(2), Some(vec![(3, "d")]));
    }

    #[test]
    fn a_version_is_told_with_its_last_change_only() {
        for (from, at, expected) in [
            (5, vec![], vec![]),
            (5, vec![6], vec![6]),
            (5, vec![6, 6, 6], vec![5, 5, 6]),
            (5, vec![6, 6, 8, 9, 9], vec![5, 6, 8, 8, 9]),
        ] {
            assert_eq!(versions_to_tell(from, &at), expected, "{at:?}");
        }
    }
}
