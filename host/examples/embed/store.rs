//! A store of one's own: a map, without bounds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use roster_host::model::{Contacts, Snapshot, Tag, Username};
use roster_host::store::{RosterStore, StoreError, StoreUsage};

/// The rosters, and the latest version of any: versions only grow, also over a drop.
#[derive(Default)]
pub(crate) struct MyStore(Mutex<(HashMap<Username, Arc<Snapshot>>, u64)>);

impl MyStore {
    fn lock(&self) -> MutexGuard<'_, (HashMap<Username, Arc<Snapshot>>, u64)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RosterStore for MyStore {
    fn get(&self, user: &Username) -> Option<Arc<Snapshot>> {
        self.lock().0.get(user).cloned()
    }

    fn replace(
        &self,
        user: &Username,
        expected: Option<u64>,
        contacts: Contacts,
        tag: Option<Tag>,
    ) -> Result<Arc<Snapshot>, StoreError> {
        let (rosters, latest) = &mut *self.lock();
        let found = rosters.get(user).map(|kept| kept.version());
        if found != expected {
            return Err(StoreError::Conflict { user: user.clone(), expected, found });
        }
        *latest += 1;
        let snapshot = Arc::new(Snapshot::new(*latest, tag, contacts));
        rosters.insert(user.clone(), Arc::clone(&snapshot));
        Ok(snapshot)
    }

    fn retag(&self, user: &Username, expected: u64, tag: Option<Tag>) -> Result<Arc<Snapshot>, StoreError> {
        let (rosters, _) = &mut *self.lock();
        match rosters.get_mut(user) {
            Some(kept) if kept.version() == expected => {
                *kept = Arc::new(Snapshot::new(expected, tag, kept.contacts().clone()));
                Ok(Arc::clone(kept))
            }
            other => {
                let found = other.map(|kept| kept.version());
                Err(StoreError::Conflict { user: user.clone(), expected: Some(expected), found })
            }
        }
    }

    fn remove(&self, user: &Username) -> Option<u64> {
        self.lock().0.remove(user).map(|kept| kept.version())
    }

    fn usage(&self) -> StoreUsage {
        let (rosters, _) = &*self.lock();
        StoreUsage { users: rosters.len(), bytes: rosters.values().map(|kept| kept.bytes()).sum() }
    }
}
