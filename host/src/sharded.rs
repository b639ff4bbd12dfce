//! A map from users to what is known of them, in shards: locks are held for a map operation only, and this many make them
//! all but uncontended on the cores of one machine.

use std::collections::HashMap;

use ahash::RandomState;
use parking_lot::Mutex;

use crate::model::Username;

const SHARDS: usize = 32;

/// Keyed at random, as the standard library's hash is: whoever may log in chooses the name.
type Shard<V> = HashMap<Username, V, RandomState>;

/// One map in [`SHARDS`] parts, each behind a lock of its own.
pub(crate) struct Sharded<V> {
    shards: Vec<Mutex<Shard<V>>>,
    hasher: RandomState,
}

impl<V> Default for Sharded<V> {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), hasher: RandomState::new() }
    }
}

impl<V> Sharded<V> {
    /// Works on the part of the map that `user` is in, under its lock.
    pub(crate) fn with_shard<R>(&self, user: &Username, work: impl FnOnce(&mut Shard<V>) -> R) -> R {
        let index = self.hasher.hash_one(user) as usize % SHARDS;
        match self.shards.get(index) {
            Some(shard) => work(&mut shard.lock()),
            // `index` is always in range; an empty map is the answer that harms nobody.
            None => work(&mut Shard::default()),
        }
    }

    /// Looks at everybody, one shard after the other.
    pub(crate) fn for_each(&self, mut look: impl FnMut(&Username, &V)) {
        for shard in &self.shards {
            shard.lock().iter().for_each(|(user, value)| look(user, value));
        }
    }
}
