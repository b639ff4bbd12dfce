//! What an owner knows: which nodes have its users, with which roster, and what they are still to be told. No clock, no network.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use tokio::sync::Notify;

use crate::cluster::member::Member;
use crate::cluster::view::View;
use crate::model::{Change, Username};

/// A user of one of the virtual hosts, by its position in the configuration.
pub(in crate::cluster) type Whose = (usize, Username);

/// See the module.
#[derive(Default)]
pub(in crate::cluster) struct Registry {
    users: BTreeMap<Whose, Vec<Registered>>,
    /// The views in which users may have been forgotten, the latest of them.
    entered: BTreeSet<u64>,
    /// Who has said in this view whom they have.
    synced: BTreeSet<Member>,
    outboxes: BTreeMap<Member, Outbox>,
}

/// One node that has a user.
struct Registered {
    member: Member,
    /// See [`crate::cluster::link::message::RosterClaim::number`].
    number: u64,
    /// The roster that it has.
    version: Option<u64>,
    /// Replies to it that are still to be made: each has the newest roster.
    fetching: u32,
    /// Since this was said of the user its roster may be newer than the owner's: it is told nothing before the owner has asked the
    /// application again.
    doubtful: Option<u64>,
}

/// What a node is still to be told.
#[derive(Default)]
struct Outbox {
    waiting: BTreeMap<Whose, Pending>,
    in_flight: BTreeSet<Whose>,
    wake: Arc<Notify>,
}

/// What the next message says of a roster.
#[derive(Clone, Debug)]
pub(in crate::cluster) enum Pending {
    /// What turned the roster with this content version into the one with that.
    Delta(u64, Arc<[Change]>, u64),
    /// All of it.
    Whole,
}

/// Views that are remembered.
const MOST_ENTERED: usize = 256;

impl Registry {
    /// A new view: those of whom `owns` says no, and nodes that are gone, are forgotten. Which nodes are new, and which users nobody
    /// has here now at a node that had them.
    pub(in crate::cluster) fn enter(
        &mut self,
        view: &View,
        owns: impl Fn(&Whose) -> bool,
    ) -> (Vec<Member>, Vec<(Whose, Member)>) {
        self.synced.clear();
        self.entered.insert(view.number);
        if self.entered.len() > MOST_ENTERED {
            self.entered.pop_first();
        }
        let mut let_go = Vec::new();
        self.users.retain(|whose, registered| {
            let owned = owns(whose);
            registered.retain(|one| {
                let stays = owned && view.has(&one.member);
                if !stays {
                    let_go.push((whose.clone(), one.member.clone()));
                }
                stays
            });
            !registered.is_empty()
        });
        self.outboxes.retain(|member, outbox| {
            outbox.waiting.retain(|whose, _| owns(whose));
            // Whoever sends for it finds out.
            outbox.wake.notify_one();
            view.has(member)
        });
        let new: Vec<Member> = view.members().filter(|one| !self.outboxes.contains_key(one)).cloned().collect();
        for member in &new {
            self.outboxes.insert(member.clone(), Outbox::default());
        }
        (new, let_go)
    }

    /// Whether everybody is known still of whom a node has told that was in view `before` and then in `now`.
    pub(in crate::cluster) fn remembers(&self, before: u64, now: u64) -> bool {
        self.entered.range(..=before).next_back().is_some() && self.entered.range(before + 1..now).next().is_none()
    }

    /// `member` has said whom it has.
    pub(in crate::cluster) fn synced(&mut self, member: &Member) {
        self.synced.insert(member.clone());
    }

    /// Has everybody of `view` said whom they have?
    pub(in crate::cluster) fn is_ready(&self, view: &View) -> bool {
        view.members().all(|one| self.synced.contains(one))
    }

    /// Who has not.
    pub(in crate::cluster) fn awaited(&self, view: &View) -> Vec<Member> {
        view.members().filter(|one| !self.synced.contains(one)).cloned().collect()
    }

    /// `member` has `whose`, with this roster. False if that was heard before, or something that was said later: what is delivered twice
    /// must not count twice, for nobody reads a second reply.
    pub(in crate::cluster) fn register(
        &mut self,
        whose: &Whose,
        member: &Member,
        number: u64,
        version: Option<u64>,
        fetches: bool,
    ) -> bool {
        let all = self.users.entry(whose.clone()).or_default();
        let fetching = u32::from(fetches);
        match all.iter_mut().find(|one| one.member == *member) {
            Some(one) if one.number >= number => return false,
            Some(one) => {
                (one.number, one.version) = (number, version);
                one.fetching += fetching;
            }
            None => all.push(Registered { member: member.clone(), number, version, fetching, doubtful: None }),
        }
        true
    }

    /// The roster of `member` may be newer than the owner's, as it has said with `number`.
    pub(in crate::cluster) fn doubt(&mut self, whose: &Whose, member: &Member, number: u64) {
        if let Some(one) = self.registered(whose, member) {
            one.doubtful = one.doubtful.max(Some(number));
        }
    }

    /// Whether it still may be.
    pub(in crate::cluster) fn doubts(&mut self, whose: &Whose, member: &Member, number: u64) -> bool {
        self.registered(whose, member).is_some_and(|one| one.doubtful == Some(number))
    }

    /// Of which of `users` which nodes may have something newer, as they have said with these numbers.
    pub(in crate::cluster) fn doubtful(&self, index: usize, users: &[Username]) -> Vec<(Whose, Member, u64)> {
        let whose = users.iter().map(|user| (index, user.clone()));
        let all =
            whose.flat_map(|whose| self.users.get(&whose).into_iter().flatten().map(move |one| (whose.clone(), one)));
        all.filter_map(|(whose, one)| Some((whose, one.member.clone(), one.doubtful?))).collect()
    }

    /// The owner has asked the application since that was said with `number`.
    pub(in crate::cluster) fn settle(&mut self, whose: &Whose, member: &Member, number: u64) {
        if let Some(one) = self.registered(whose, member)
            && one.doubtful.is_some_and(|doubtful| doubtful <= number)
        {
            one.doubtful = None;
        }
        // What was kept back may go.
        if let Some(outbox) = self.outboxes.get(member) {
            outbox.wake.notify_one();
        }
    }

    /// The reply to `member` is made; with this roster, if there is one.
    pub(in crate::cluster) fn fetched(&mut self, whose: &Whose, member: &Member, version: Option<u64>) {
        let Some(one) = self.registered(whose, member) else { return };
        one.fetching = one.fetching.saturating_sub(1);
        if version.is_some() {
            one.version = version;
        }
    }

    /// `member` has the user no longer, unless it has said otherwise since `number`. True if it had.
    pub(in crate::cluster) fn unregister(&mut self, whose: &Whose, member: &Member, number: u64) -> bool {
        let Some(all) = self.users.get_mut(whose) else { return false };
        let before = all.len();
        all.retain(|one| one.member != *member || one.number > number);
        let removed = all.len() < before;
        if all.is_empty() {
            self.users.remove(whose);
        }
        if removed && let Some(outbox) = self.outboxes.get_mut(member) {
            outbox.waiting.remove(whose);
        }
        removed
    }

    fn registered(&mut self, whose: &Whose, member: &Member) -> Option<&mut Registered> {
        self.users.get_mut(whose)?.iter_mut().find(|one| one.member == *member)
    }

    /// The latest that `member` has said of the user, if it has the user; and whether it may be told of the roster now.
    pub(in crate::cluster) fn number_of(&mut self, whose: &Whose, member: &Member) -> Option<(u64, bool)> {
        self.registered(whose, member).map(|one| (one.number, one.doubtful.is_none()))
    }

    /// Whether a node has another roster of the user than the one with `version`.
    pub(in crate::cluster) fn differs(&self, whose: &Whose, version: Option<u64>) -> bool {
        self.users.get(whose).is_some_and(|all| all.iter().any(|one| one.version != version))
    }

    /// The roster with content version `version` has come of `delta`: whoever has another is to be told.
    pub(in crate::cluster) fn changed(&mut self, whose: &Whose, version: u64, delta: Option<(u64, &Arc<[Change]>)>) {
        let Some(all) = self.users.get(whose) else { return };
        for one in all {
            // Of a first fetch the reply has it. Who has a roster already is told in any case: a reply may get lost.
            if one.version == Some(version) || (one.version.is_none() && one.fetching > 0) {
                continue;
            }
            let Some(outbox) = self.outboxes.get_mut(&one.member) else { continue };
            let pending = match delta {
                Some((from, changes)) if one.version == Some(from) && !outbox.has(whose) => {
                    Pending::Delta(from, Arc::clone(changes), version)
                }
                _ => Pending::Whole,
            };
            outbox.waiting.insert(whose.clone(), pending);
            outbox.wake.notify_one();
        }
    }

    /// `member` needs the whole roster, also if it is being told something of it.
    pub(in crate::cluster) fn again(&mut self, whose: &Whose, member: &Member) {
        let has_user = self.registered(whose, member).is_some();
        if let Some(outbox) = self.outboxes.get_mut(member).filter(|_| has_user) {
            outbox.waiting.insert(whose.clone(), Pending::Whole);
            outbox.wake.notify_one();
        }
    }

    /// What wakes whoever sends to `member`; none if it is gone.
    pub(in crate::cluster) fn wake(&self, member: &Member) -> Option<Arc<Notify>> {
        self.outboxes.get(member).map(|outbox| Arc::clone(&outbox.wake))
    }

    /// What to tell `member` next, at most so many rosters.
    pub(in crate::cluster) fn take(&mut self, member: &Member, most: usize) -> Vec<(Whose, Pending)> {
        let Some(outbox) = self.outboxes.get_mut(member) else { return Vec::new() };
        let users = &self.users;
        let doubtful = |whose: &Whose| {
            let all = users.get(whose).into_iter().flatten();
            all.filter(|one| one.member == *member).any(|one| one.doubtful.is_some())
        };
        let taken: Vec<_> = outbox.waiting.extract_if(.., |whose, _| !doubtful(whose)).take(most).collect();
        outbox.in_flight.extend(taken.iter().map(|(whose, _)| whose.clone()));
        taken
    }

    /// `member` has the roster with `version` now; none: it has not taken it.
    pub(in crate::cluster) fn told(&mut self, whose: &Whose, member: &Member, version: Option<u64>) {
        if let Some(outbox) = self.outboxes.get_mut(member) {
            outbox.in_flight.remove(whose);
        }
        if let (Some(version), Some(one)) = (version, self.registered(whose, member)) {
            one.version = Some(version);
        }
    }

    /// `member` has not taken it, and is told all of it.
    pub(in crate::cluster) fn not_taken(&mut self, whose: &Whose, member: &Member) {
        self.told(whose, member, None);
        self.again(whose, member);
    }

    /// Those of `users` that some node is still to be told of, and the nodes.
    pub(in crate::cluster) fn untold(
        &self,
        domain: usize,
        users: &HashSet<Username>,
    ) -> (HashSet<Username>, BTreeSet<Member>) {
        let (mut untold, mut nodes) = (HashSet::new(), BTreeSet::new());
        for (member, outbox) in &self.outboxes {
            for (of, user) in outbox.waiting.keys().chain(&outbox.in_flight) {
                if *of == domain && users.contains(user) {
                    untold.insert(user.clone());
                    nodes.insert(member.clone());
                }
            }
        }
        (untold, nodes)
    }

    /// How many rosters are still to be told to each node.
    pub(in crate::cluster) fn lag(&self) -> BTreeMap<Member, usize> {
        let lag = |outbox: &Outbox| outbox.waiting.len() + outbox.in_flight.len();
        self.outboxes.iter().map(|(member, outbox)| (member.clone(), lag(outbox))).collect()
    }

    /// How many users it knows of.
    pub(in crate::cluster) fn len(&self) -> usize {
        self.users.len()
    }
}

impl Outbox {
    fn has(&self, whose: &Whose) -> bool {
        self.waiting.contains_key(whose) || self.in_flight.contains(whose)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::cluster::member::NodeName;
    use crate::cluster::view::Listed;

    /// A node that has the user, and a view that it is in.
    fn known() -> (Registry, Member, Whose) {
        let member = Member { name: NodeName::new("c"), incarnation: 1 };
        let mut registry = Registry::default();
        let listed = vec![Listed { member: member.clone(), protocol: 1 }];
        registry.enter(&View { number: 1, v: 1, nodes: listed }, |_| true);
        let whose = (0, Username::new("john").unwrap());
        assert!(registry.register(&whose, &member, 1, Some(7), false));
        (registry, member, whose)
    }

    #[test]
    fn who_may_have_something_newer_is_told_nothing_before_the_application_was_asked_since() {
        let (mut registry, member, whose) = known();
        registry.changed(&whose, 8, None);
        assert!(registry.register(&whose, &member, 5, Some(9), false));
        registry.doubt(&whose, &member, 5);
        assert!(registry.take(&member, 10).is_empty(), "it is kept back");
        assert_eq!(registry.number_of(&whose, &member), Some((5, false)), "also what was on its way");
        let users = HashSet::from([whose.1.clone()]);
        assert_eq!(registry.untold(0, &users).0, users, "and a refresh waits for it");
        registry.settle(&whose, &member, 4);
        assert!(registry.take(&member, 10).is_empty(), "the application was asked before that");
        assert_eq!(registry.doubtful(0, std::slice::from_ref(&whose.1)), [(whose.clone(), member.clone(), 5)]);
        registry.doubt(&whose, &member, 6);
        assert!(!registry.doubts(&whose, &member, 5) && registry.doubts(&whose, &member, 6));
        registry.settle(&whose, &member, 6);
        assert!(registry.doubtful(0, std::slice::from_ref(&whose.1)).is_empty());
        let taken = registry.take(&member, 10);
        assert!(matches!(taken.as_slice(), [(taken, Pending::Whole)] if *taken == whose), "{taken:?}");
    }

    #[test]
    fn what_is_delivered_twice_or_late_counts_once() {
        let (mut registry, member, whose) = known();
        assert!(registry.register(&whose, &member, 5, Some(7), true));
        registry.fetched(&whose, &member, Some(8));
        for number in [5, 1] {
            assert!(!registry.register(&whose, &member, number, None, true), "{number}");
        }
        registry.changed(&whose, 9, None);
        assert_eq!(registry.take(&member, 10).len(), 1, "no reply is under way that has it");
        assert!(!registry.differs(&whose, Some(8)), "the node has what it was replied");
    }
}
