//! The memory store: a hash map in shards, with one account of what they hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::{RosterStore, StoreError, StoreUsage};
use crate::config::StoreConfig;
use crate::model::{Contacts, Snapshot, Tag, Username};
use crate::sharded::Sharded;

/// What a map entry, a user's name and their bookkeeping take beside the snapshot, bytes, generously.
const ENTRY_OVERHEAD: usize = 160;

/// Keeps rosters in this process's memory.
pub struct MemoryStore {
    rosters: Sharded<Arc<Snapshot>>,
    /// One counter for all users: a version is never given twice, even if a roster is dropped and fetched again.
    next_version: AtomicU64,
    users: AtomicUsize,
    bytes: AtomicUsize,
    max_users: AtomicUsize,
    max_bytes: AtomicUsize,
}

impl MemoryStore {
    /// An empty store with the given bounds.
    pub fn new(config: &StoreConfig) -> Self {
        Self {
            rosters: Sharded::default(),
            next_version: AtomicU64::new(1),
            users: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            max_users: AtomicUsize::new(config.max_users),
            max_bytes: AtomicUsize::new(config.max_bytes),
        }
    }

    /// Other bounds from now on. What is kept stays; with less room, nothing is added until others have gone.
    pub fn rebound(&self, config: &StoreConfig) {
        self.max_users.store(config.max_users, Ordering::Relaxed);
        self.max_bytes.store(config.max_bytes, Ordering::Relaxed);
    }

    /// Sets aside room for `users` and `bytes` more, or says which limit is in the way.
    fn reserve(&self, user: &Username, users: usize, bytes: usize) -> Result<(), StoreError> {
        let total_users = self.users.fetch_add(users, Ordering::Relaxed) + users;
        let total_bytes = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let limit = if users > 0 && total_users > self.max_users.load(Ordering::Relaxed) {
            "store.max_users"
        } else if bytes > 0 && total_bytes > self.max_bytes.load(Ordering::Relaxed) {
            "store.max_bytes"
        } else {
            return Ok(());
        };
        self.release(users, bytes);
        Err(StoreError::Full { user: user.clone(), limit, users: total_users - users, bytes: total_bytes - bytes })
    }

    fn release(&self, users: usize, bytes: usize) {
        self.users.fetch_sub(users, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Puts what `make` makes in the place of the roster at version `expected`. Only growth needs room.
    fn swap(
        &self,
        user: &Username,
        expected: Option<u64>,
        make: impl FnOnce(Option<&Arc<Snapshot>>) -> Snapshot,
    ) -> Result<Arc<Snapshot>, StoreError> {
        self.rosters.with_shard(user, |shard| {
            let old = shard.get(user);
            let found = old.map(|snapshot| snapshot.version());
            if found != expected {
                return Err(StoreError::Conflict { user: user.clone(), expected, found });
            }
            let new = Arc::new(make(old));
            let (before, after) = (old.map_or(0, |old| cost(user, old)), cost(user, &new));
            self.reserve(user, usize::from(old.is_none()), after.saturating_sub(before))?;
            self.release(0, before.saturating_sub(after));
            shard.insert(user.clone(), Arc::clone(&new));
            Ok(new)
        })
    }
}

fn cost(user: &Username, snapshot: &Snapshot) -> usize {
    ENTRY_OVERHEAD + user.as_str().len() + snapshot.bytes()
}

impl RosterStore for MemoryStore {
    fn get(&self, user: &Username) -> Option<Arc<Snapshot>> {
        self.rosters.with_shard(user, |shard| shard.get(user).cloned())
    }

    fn replace(
        &self,
        user: &Username,
        expected: Option<u64>,
        contacts: Contacts,
        tag: Option<Tag>,
    ) -> Result<Arc<Snapshot>, StoreError> {
        self.swap(user, expected, |_| Snapshot::new(self.next_version.fetch_add(1, Ordering::Relaxed), tag, contacts))
    }

    fn retag(&self, user: &Username, expected: u64, tag: Option<Tag>) -> Result<Arc<Snapshot>, StoreError> {
        self.swap(user, Some(expected), |old| {
            Snapshot::new(expected, tag, old.map(|old| old.contacts().clone()).unwrap_or_default())
        })
    }

    fn remove(&self, user: &Username) -> Option<u64> {
        let old = self.rosters.with_shard(user, |shard| shard.remove(user))?;
        self.release(1, cost(user, &old));
        Some(old.version())
    }

    fn usage(&self) -> StoreUsage {
        StoreUsage { users: self.users.load(Ordering::Relaxed), bytes: self.bytes.load(Ordering::Relaxed) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::model::{Contact, Subscription};

    fn user(name: &str) -> Username {
        Username::new(name).unwrap()
    }

    fn roster(contacts: usize) -> Contacts {
        let all: Vec<_> = (0..contacts)
            .map(|n| Contact {
                jid: format!("c{n}@x"),
                name: None,
                subscription: Subscription::Both,
                ask: false,
                groups: vec![],
            })
            .collect();
        Contacts::pack(&all, contacts).unwrap()
    }

    #[test]
    fn an_older_answer_never_replaces_a_newer_one() {
        let store = MemoryStore::new(&StoreConfig::default());
        let john = user("john");
        let first = store.replace(&john, None, roster(1), None).unwrap();
        let second = store.replace(&john, Some(first.version()), roster(2), None).unwrap();
        assert!(second.version() > first.version());
        for expected in [None, Some(first.version())] {
            let late = store.replace(&john, expected, roster(3), None).unwrap_err();
            assert_eq!(late, StoreError::Conflict { user: john.clone(), expected, found: Some(second.version()) });
        }
        assert_eq!(store.get(&john).unwrap().contacts().len(), 2);
    }

    #[test]
    fn a_roster_fetched_again_has_a_greater_version() {
        let store = MemoryStore::new(&StoreConfig::default());
        let john = user("john");
        let before = store.replace(&john, None, roster(1), None).unwrap().version();
        assert_eq!(store.remove(&john), Some(before));
        assert_eq!(store.remove(&john), None);
        assert!(store.replace(&john, None, roster(1), None).unwrap().version() > before);
    }

    #[test]
    fn another_tag_is_not_another_version() {
        let store = MemoryStore::new(&StoreConfig::default());
        let john = user("john");
        let version = store.replace(&john, None, roster(2), None).unwrap().version();
        let tagged = store.retag(&john, version, Some(b"new".to_vec().into())).unwrap();
        assert_eq!(
            (tagged.version(), tagged.tag(), tagged.contacts().len()),
            (version, Some(&b"new".to_vec().into()), 2)
        );
    }

    #[test]
    fn the_bounds_hold_and_what_was_kept_stays() {
        let store = MemoryStore::new(&StoreConfig { max_users: 1, ..StoreConfig::default() });
        store.replace(&user("john"), None, roster(1), None).unwrap();
        let full = store.replace(&user("marie"), None, roster(1), None).unwrap_err();
        assert!(matches!(full, StoreError::Full { limit: "store.max_users", users: 1, .. }), "{full}");

        let store = MemoryStore::new(&StoreConfig { max_bytes: 1000, ..StoreConfig::default() });
        let version = store.replace(&user("john"), None, roster(1), None).unwrap().version();
        let kept = store.usage();
        let full = store.replace(&user("john"), Some(version), roster(100), None).unwrap_err();
        assert!(matches!(full, StoreError::Full { limit: "store.max_bytes", .. }), "{full}");
        assert_eq!(store.usage(), kept);
        assert_eq!(store.get(&user("john")).unwrap().contacts().len(), 1);
    }

    #[test]
    fn a_full_store_still_replaces_what_does_not_grow() {
        let john = user("john");
        let taken = cost(&john, &Snapshot::new(1, None, roster(3)));
        let store = MemoryStore::new(&StoreConfig { max_bytes: taken, ..StoreConfig::default() });
        let version = store.replace(&john, None, roster(3), None).unwrap().version();
        let version = store.replace(&john, Some(version), roster(3), None).unwrap().version();
        store.retag(&john, version, None).unwrap();
        store.replace(&john, Some(version), roster(2), None).unwrap();
        assert!(store.usage().bytes < taken);
    }

    #[test]
    fn the_account_is_even_when_everything_is_gone() {
        let store = MemoryStore::new(&StoreConfig::default());
        for n in 0..100 {
            let version = store.replace(&user(&format!("u{n}")), None, roster(n), None).unwrap().version();
            store.replace(&user(&format!("u{n}")), Some(version), roster(n / 2), None).unwrap();
        }
        assert_eq!(store.usage().users, 100);
        for n in 0..100 {
            store.remove(&user(&format!("u{n}")));
        }
        assert_eq!(store.usage(), StoreUsage::default());
    }
}
