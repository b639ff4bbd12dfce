//! The store by itself, without what orders the calls of it.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use roster_interleavings::check;
use roster_interleavings::config::StoreConfig;
use roster_interleavings::model::{Contacts, Username};
use roster_interleavings::store::{MemoryStore, RosterStore, StoreUsage};
use shuttle::thread;

#[test]
fn versions_grow_bounds_hold_and_the_account_is_even() {
    check(1000, || {
        let store = Arc::new(MemoryStore::new(&StoreConfig { max_users: 2, ..StoreConfig::default() }));
        let users: Vec<_> = ["john", "marie", "michael"].map(|name| Username::new(name).unwrap()).into();
        let threads: Vec<_> = (0..3)
            .map(|first: usize| {
                let (store, users) = (Arc::clone(&store), users.clone());
                thread::spawn(move || {
                    for step in 0..3 {
                        let user = &users[(first + step) % users.len()];
                        let seen = store.get(user).map(|kept| kept.version());
                        if let Ok(kept) = store.replace(user, seen, Contacts::default(), None) {
                            assert!(seen.is_none_or(|seen| kept.version() > seen));
                            // Whoever builds on what was replaced is refused; no version comes back.
                            assert!(seen.is_none() || store.replace(user, seen, Contacts::default(), None).is_err());
                            let _ = store.retag(user, kept.version(), Some(b"tag".to_vec().into()));
                            assert!(store.get(user).is_none_or(|found| found.version() >= kept.version()));
                        }
                        assert!(store.usage().users <= 2);
                        store.remove(user);
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        for user in &users {
            store.remove(user);
        }
        assert_eq!(store.usage(), StoreUsage::default());
    });
}
