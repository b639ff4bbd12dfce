//! Which users here have seen which resources of other nodes: who is told when such a resource goes without a word, because its
//! node is gone.
//!
//! Their rosters would not do: it is the other's roster that decides, and that went with its node.

use std::collections::{HashMap, HashSet};

use roster_model::Username;

use super::remotes::Id;

/// What one takes, bytes, about: its places in two tables.
const WEIGHT: usize = 100;

/// See the module.
#[derive(Default)]
pub(in crate::domain) struct Sightings {
    by_user: HashMap<Username, HashSet<Id>>,
    by_id: HashMap<Id, HashSet<Username>>,
    count: usize,
}

impl Sightings {
    /// Bytes.
    pub(in crate::domain::nodes) fn weight(&self) -> usize {
        self.count * WEIGHT
    }

    /// The user has seen it.
    pub(in crate::domain::nodes) fn add(&mut self, user: &Username, id: Id) {
        if self.by_id.entry(id).or_default().insert(user.clone()) {
            self.by_user.entry(user.clone()).or_default().insert(id);
            self.count += 1;
        }
    }

    /// The user has been told that it is away.
    pub(in crate::domain::nodes) fn remove(&mut self, user: &Username, id: Id) {
        take(&mut self.by_id, &id, user);
        if take(&mut self.by_user, user, &id) {
            self.count -= 1;
        }
    }

    pub(in crate::domain::nodes) fn has(&self, user: &Username, id: Id) -> bool {
        self.by_user.get(user).is_some_and(|seen| seen.contains(&id))
    }

    /// The user has no resource here any more that could be told.
    pub(in crate::domain) fn forget_user(&mut self, user: &Username) {
        for id in self.by_user.remove(user).unwrap_or_default() {
            take(&mut self.by_id, &id, user);
            self.count -= 1;
        }
    }

    /// It is gone. Who had seen it.
    pub(in crate::domain::nodes) fn forget(&mut self, id: Id) -> HashSet<Username> {
        let users = self.by_id.remove(&id).unwrap_or_default();
        for user in &users {
            take(&mut self.by_user, user, &id);
            self.count -= 1;
        }
        users
    }

    /// All that were seen of a node, and by whom.
    pub(in crate::domain::nodes) fn of_node(&self, node: u32) -> HashSet<(Id, Username)> {
        let of_node = self.by_id.iter().filter(|(id, _)| id.node == node);
        of_node.flat_map(|(id, users)| users.iter().map(|user| (*id, user.clone()))).collect()
    }
}

/// Takes `value` out of the set of `key`. True if it was there.
fn take<K: Eq + std::hash::Hash, V: Eq + std::hash::Hash>(
    sets: &mut HashMap<K, HashSet<V>>,
    key: &K,
    value: &V,
) -> bool {
    let Some(set) = sets.get_mut(key) else { return false };
    let was_there = set.remove(value);
    if set.is_empty() {
        sets.remove(key);
    }
    was_there
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_was_seen_is_forgotten_from_either_side() {
        let user = |name: &str| Username::new(name).unwrap();
        let (john, marie) = (user("john"), user("marie"));
        let [a, b, c] = [(1, 1), (1, 2), (2, 1)].map(|(node, number)| Id { node, number });
        let mut seen = Sightings::default();
        for (user, id) in [(&john, a), (&john, a), (&john, b), (&marie, a), (&marie, c)] {
            seen.add(user, id);
        }
        assert_eq!((seen.weight() / WEIGHT, seen.of_node(1).len()), (4, 3));
        assert!(seen.has(&john, a) && !seen.has(&john, c));
        assert_eq!(seen.forget(a), HashSet::from([john.clone(), marie.clone()]));
        seen.remove(&john, b);
        seen.remove(&john, b);
        seen.forget_user(&marie);
        assert_eq!(seen.weight(), 0);
        assert!(seen.by_id.is_empty() && seen.by_user.is_empty());
    }
}
