//! The resources that other nodes have, by their users.

use std::collections::HashMap;

use roster_model::Username;

/// Which resource: the place of its node, and the number it has there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::domain) struct Id {
    pub(in crate::domain) node: u32,
    pub(in crate::domain) number: u64,
}

/// A resource of another node.
#[derive(Debug)]
pub(in crate::domain) struct Remote {
    pub(in crate::domain) id: Id,
    pub(in crate::domain) resource: Box<str>,
    /// When it was bound, as its node says.
    pub(in crate::domain) bound: u64,
    /// None: not available.
    pub(in crate::domain) priority: Option<i8>,
    /// When it became available, among all that happens here.
    pub(in crate::domain::nodes) came: u64,
    pub(in crate::domain) carbons: bool,
    /// Its client is away.
    pub(in crate::domain) asleep: bool,
}

impl Remote {
    pub(in crate::domain) fn is_available(&self) -> bool {
        self.priority.is_some()
    }
}

/// What one takes beside its names, bytes, about: its places in two tables.
const OVERHEAD: usize = 250;

/// See the module.
#[derive(Default)]
pub(in crate::domain) struct Remotes {
    users: HashMap<Username, Vec<Remote>>,
    owners: HashMap<Id, Username>,
    weight: usize,
}

impl Remotes {
    /// No node has any.
    pub(in crate::domain) fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// Users that have one.
    pub(in crate::domain) fn len(&self) -> usize {
        self.users.len()
    }

    pub(in crate::domain) fn users(&self) -> impl Iterator<Item = &Username> {
        self.users.keys()
    }

    /// Bytes.
    pub(in crate::domain::nodes) fn weight(&self) -> usize {
        self.weight
    }

    /// Those of a user.
    pub(in crate::domain) fn of(&self, user: &str) -> &[Remote] {
        self.users.get(user).map(Vec::as_slice).unwrap_or_default()
    }

    /// The user is available at another node.
    pub(in crate::domain) fn has_available(&self, user: &str) -> bool {
        self.of(user).iter().any(Remote::is_available)
    }

    /// How many of a user's have another name than this.
    pub(in crate::domain) fn others(&self, user: &Username, resource: &str) -> usize {
        self.of(user.as_str()).iter().filter(|one| &*one.resource != resource).count()
    }

    pub(in crate::domain) fn named(&self, user: &str, resource: &str) -> Option<&Remote> {
        self.of(user).iter().find(|one| &*one.resource == resource)
    }

    /// The nodes at which the user has such a resource, each once.
    pub(in crate::domain) fn nodes_of(&self, user: &str, such: impl Fn(&Remote) -> bool) -> Vec<u32> {
        let mut nodes: Vec<u32> = self.of(user).iter().filter(|one| such(one)).map(|one| one.id.node).collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    }

    pub(in crate::domain::nodes) fn get(&self, id: Id) -> Option<(&Username, &Remote)> {
        let user = self.owners.get(&id)?;
        Some((user, self.of(user.as_str()).iter().find(|one| one.id == id)?))
    }

    pub(in crate::domain::nodes) fn get_mut(&mut self, id: Id) -> Option<&mut Remote> {
        let user = self.owners.get(&id)?;
        self.users.get_mut(user)?.iter_mut().find(|one| one.id == id)
    }

    pub(in crate::domain::nodes) fn insert(&mut self, user: &Username, remote: Remote) {
        self.weight += weight(user, &remote);
        // One text for all that name the user.
        let user = self.users.get_key_value(user).map_or(user, |(user, _)| user).clone();
        self.owners.insert(remote.id, user.clone());
        self.users.entry(user).or_default().push(remote);
    }

    pub(in crate::domain::nodes) fn remove(&mut self, id: Id) -> Option<(Username, Remote)> {
        let user = self.owners.remove(&id)?;
        let own = self.users.get_mut(&user)?;
        let remote = own.swap_remove(own.iter().position(|one| one.id == id)?);
        if own.is_empty() {
            self.users.remove(&user);
        }
        self.weight -= weight(&user, &remote);
        Some((user, remote))
    }

    /// How many a node has.
    pub(in crate::domain::nodes) fn count(&self, node: u32) -> usize {
        self.owners.keys().filter(|id| id.node == node).count()
    }

    /// All that a node has.
    pub(in crate::domain::nodes) fn of_node(&self, node: u32) -> Vec<Id> {
        self.owners.keys().filter(|id| id.node == node).copied().collect()
    }
}

fn weight(user: &Username, remote: &Remote) -> usize {
    OVERHEAD + user.as_str().len() + remote.resource.len()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn resources_are_found_by_user_and_by_number_and_weigh_nothing_when_they_are_gone() {
        let mut remotes = Remotes::default();
        let ids = [(1, 1), (1, 2), (2, 1), (2, 3)].map(|(node, number)| Id { node, number });
        for (id, name) in ids.into_iter().zip(["john", "marie", "john", "john"]) {
            let (resource, priority) = (id.number.to_string().into(), (id.node == 2).then_some(0));
            let remote = Remote { id, resource, bound: 0, priority, came: 0, carbons: false, asleep: false };
            remotes.insert(&Username::new(name).unwrap(), remote);
        }
        assert_eq!(remotes.len(), 2);
        assert_eq!(remotes.nodes_of("john", |_| true), [1, 2]);
        assert_eq!(remotes.nodes_of("john", Remote::is_available), [2]);
        assert_eq!(remotes.named("john", "3").unwrap().id, ids[3]);
        assert_eq!(remotes.get(ids[1]).unwrap().0.as_str(), "marie");
        assert_eq!(remotes.of_node(2).len(), 2);
        for id in ids {
            assert_eq!(remotes.remove(id).unwrap().1.id, id);
            assert!(remotes.remove(id).is_none() && remotes.get(id).is_none());
        }
        assert!(remotes.is_empty());
        assert_eq!(remotes.weight(), 0);
    }
}
