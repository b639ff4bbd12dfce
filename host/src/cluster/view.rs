//! Which nodes there are, as all of them agree: a numbered list. Who owns a roster follows from it.

use serde::{Deserialize, Serialize};

use super::link::message::PROTOCOL;
use super::member::{Member, NodeName, hash};

/// The list of nodes. Numbers grow, and no number is given to two lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct View {
    pub(super) number: u64,
    /// The protocol of whoever wrote the list.
    pub(super) v: u32,
    /// In order of names.
    pub(super) nodes: Vec<Listed>,
}

/// A node in the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Listed {
    pub(super) member: Member,
    /// What the node speaks.
    pub(super) protocol: u32,
}

impl View {
    pub(super) fn members(&self) -> impl Iterator<Item = &Member> {
        self.nodes.iter().map(|listed| &listed.member)
    }

    pub(super) fn has(&self, member: &Member) -> bool {
        self.members().any(|one| one == member)
    }

    pub(super) fn named(&self, name: &NodeName) -> Option<&Member> {
        self.members().find(|one| one.name == *name)
    }

    /// The list after this one, with these nodes.
    pub(super) fn next(&self, mut nodes: Vec<Listed>) -> Self {
        nodes.sort_by(|one, other| one.member.cmp(&other.member));
        Self { number: self.number + 1, v: PROTOCOL, nodes }
    }

    /// Who owns the roster of `user`: by rendezvous hashing (Thaler and Ravishankar 1998), so that a node that comes or goes changes
    /// the owner of its own share only. By name, so that a restart changes nothing.
    pub(super) fn owner(&self, domain: &str, user: &str) -> Option<&Member> {
        let user = hash(&[domain, user]);
        self.members().max_by_key(|member| (mix(user ^ member.name.hash), &member.name))
    }
}

/// Spreads the bits: the finalizer of splitmix64.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn view(names: &[&str]) -> View {
        let listed = |name: &&str| Listed { member: Member { name: NodeName::new(name), incarnation: 7 }, protocol: 1 };
        View { number: 1, v: 1, nodes: names.iter().map(listed).collect() }
    }

    #[test]
    fn each_node_owns_its_share_and_only_the_share_of_one_that_goes_moves() {
        let (three, two) = (view(&["a", "b", "c"]), view(&["a", "b"]));
        let mut shares = std::collections::BTreeMap::new();
        for n in 0..3000 {
            let user = format!("user{n}");
            let owner = three.owner("example.com", &user).unwrap().name.as_str();
            *shares.entry(owner.to_owned()).or_insert(0) += 1;
            if owner != "c" {
                assert_eq!(two.owner("example.com", &user).unwrap().name.as_str(), owner, "{user}");
            }
        }
        assert!(shares.values().all(|share| (850..1150).contains(share)), "{shares:?}");
        assert_eq!(view(&[]).owner("example.com", "john"), None);
    }

    #[test]
    fn a_restart_changes_no_owner() {
        let mut again = view(&["a", "b", "c"]);
        again.nodes.iter_mut().for_each(|listed| listed.member.incarnation = 9);
        for n in 0..100 {
            let user = format!("user{n}");
            let (before, after) = (view(&["a", "b", "c"]), again.owner("x", &user).unwrap().name.clone());
            assert_eq!(before.owner("x", &user).unwrap().name, after);
        }
    }
}
