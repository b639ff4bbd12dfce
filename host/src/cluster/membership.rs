//! Who is live, as a state machine. All nodes agree by a value in the engine, the view; each node writes signs of life beside it.
//!
//! - A node may act while its *lease* runs: for four fifths of `cluster.node_timeout` after it began to write the latest sign of
//!   life that the engine has taken. Later it is *fenced*.
//! - Whoever has seen no new sign of life of another node for `cluster.node_timeout`, by a clock that only goes forward, takes it out
//!   of the view. By then that node is fenced, unless clocks run at different rates by a fifth. What time it is by the wall
//!   plays no part.
//! - The view is changed by compare-and-set only, so its numbers are one sequence for all, and a number stands for one list.
//! - Whoever is taken out comes back as another member: what was said to the one before is void.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::link::message::PROTOCOL;
use super::member::{Member, NodeName};
use super::view::{Listed, View};

/// See the module.
pub(super) struct Membership {
    me: Member,
    timeout: Duration,
    view: Option<Arc<View>>,
    /// Until when this node may act.
    lease: Option<Instant>,
    /// The lease that begins when the view is read, if this node is in it still.
    offered: Option<Instant>,
    /// How often this node was taken out of the view.
    lives: u32,
    /// The latest sign of life of each member, and since when it has been that.
    seen: BTreeMap<Member, (Option<u64>, Instant)>,
}

/// What is to be done about the view that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It is the one that is known.
    Same,
    /// It is new, and has this member.
    Enter(Arc<View>),
    /// It is to be replaced by this one, if it is still there.
    Write(View),
    /// This member was taken out of it, or another process has its name; it has a new life now, and looks again.
    Removed { by_namesake: bool },
    /// A process with the same name is live.
    Wait,
}

impl Membership {
    pub(super) fn new(me: Member, timeout: Duration) -> Self {
        Self { me, timeout, view: None, lease: None, offered: None, lives: 0, seen: BTreeMap::new() }
    }

    pub(super) fn me(&self) -> &Member {
        &self.me
    }

    pub(super) fn view(&self) -> Option<&Arc<View>> {
        self.view.as_ref()
    }

    /// May this node act?
    pub(super) fn is_live(&self, now: Instant) -> bool {
        self.view.is_some() && self.lease.is_some_and(|until| now < until)
    }

    /// A sign of life that was sent at `sent` has been taken by the engine. Who was silent for too long may have been taken out of the view
    /// meanwhile, so a lease that has run out begins again only when the view is [read](Self::read).
    pub(super) fn renewed(&mut self, sent: Instant) {
        let until = sent.checked_add(self.timeout * 4 / 5);
        match self.is_live(sent) {
            true => self.lease = self.lease.max(until),
            false => self.offered = self.offered.max(until),
        }
    }

    /// The engine has this view.
    pub(super) fn read(&mut self, view: Option<View>) -> Step {
        let mine = Listed { member: self.me.clone(), protocol: PROTOCOL };
        let namesake = view.as_ref().is_some_and(|view| view.named(&self.me.name).is_some());
        match view {
            Some(view) if view.has(&self.me) => {
                self.lease = self.lease.max(self.offered.take());
                if self.view.as_ref().is_some_and(|known| known.number >= view.number) {
                    return Step::Same;
                }
                self.seen.retain(|member, _| view.has(member));
                let view = Arc::new(view);
                self.view = Some(Arc::clone(&view));
                Step::Enter(view)
            }
            _ if self.view.is_some() => {
                self.begin_anew();
                Step::Removed { by_namesake: namesake }
            }
            None => Step::Write(View { number: 1, v: PROTOCOL, nodes: vec![mine] }),
            // After a restart the process before has the name. One that was in the cluster already does not take it from another.
            Some(_) if namesake && self.lives > 0 => Step::Wait,
            Some(view) => {
                let others = view.nodes.iter().filter(|one| one.member.name != self.me.name).cloned();
                Step::Write(view.next(others.chain([mine]).collect()))
            }
        }
    }

    /// This member's life is over, and another begins.
    fn begin_anew(&mut self) {
        self.me.incarnation += 1;
        self.lives += 1;
        (self.view, self.lease, self.offered) = (None, None, None);
    }

    /// The latest sign of life of `member` is `beat`.
    pub(super) fn heard(&mut self, member: &Member, beat: Option<u64>, now: Instant) {
        let seen = self.seen.entry(member.clone()).or_insert((beat, now));
        if seen.0 != beat {
            *seen = (beat, now);
        }
    }

    /// How long ago `member` gave a new sign of life, as far as is known here.
    pub(super) fn silence(&self, member: &Member, now: Instant) -> Option<Duration> {
        self.seen.get(member).map(|(_, since)| now.duration_since(*since))
    }

    /// The view without those who have given no sign of life for too long, if there are any.
    pub(super) fn without_dead(&self, now: Instant) -> Option<View> {
        let view = self.view.as_ref().filter(|_| self.is_live(now))?;
        let dead = |member: &Member| {
            *member != self.me && self.silence(member, now).is_some_and(|silence| silence >= self.timeout)
        };
        let left: Vec<Listed> = view.nodes.iter().filter(|listed| !dead(&listed.member)).cloned().collect();
        (left.len() < view.nodes.len()).then(|| view.next(left))
    }

    /// The view with the same nodes and another number: everybody says again whom they have.
    pub(super) fn again(&self) -> Option<View> {
        self.view.as_ref().map(|view| view.next(view.nodes.clone()))
    }

    /// The view without this node, which stops.
    pub(super) fn without_me(&self) -> Option<View> {
        let view = self.view.as_ref()?;
        Some(view.next(view.nodes.iter().filter(|listed| listed.member != self.me).cloned().collect()))
    }
}

/// The key of the view.
pub(super) const VIEW: &str = "view";

/// The key of a node's signs of life.
pub(super) fn beat_key(name: &NodeName) -> String {
    format!("beat.{name}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]
    use super::*;

    #[test]
    fn a_lease_that_has_run_out_begins_again_only_for_who_is_in_the_view_still() {
        let (second, start) = (Duration::from_secs(1), Instant::now());
        let at = |seconds: u32| start + second * seconds;
        for (stays, live) in [(true, true), (false, false)] {
            let me = Member { name: NodeName::new("a"), incarnation: 1 };
            let mut membership = Membership::new(me, 10 * second);
            membership.renewed(at(0));
            assert!(!membership.is_live(at(0)), "in no view");
            let Step::Write(view) = membership.read(None) else { panic!("it is the first") };
            assert!(matches!(membership.read(Some(view.clone())), Step::Enter(_)));
            assert!(membership.is_live(at(7)) && !membership.is_live(at(8)));
            membership.renewed(at(7));
            assert!(membership.is_live(at(14)), "in time, the view need not be looked at");
            membership.renewed(at(20));
            assert!(!membership.is_live(at(20)), "others may have given it up");
            let now = if stays { view } else { view.next(Vec::new()) };
            let step = membership.read(Some(now));
            assert!(matches!((step, stays), (Step::Same, true) | (Step::Removed { .. }, false)));
            assert_eq!(membership.is_live(at(20)), live);
        }
    }
}
