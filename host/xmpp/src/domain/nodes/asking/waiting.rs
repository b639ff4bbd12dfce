//! What waits for an answer of other nodes. Beside the world, under a lock of its own that is taken last.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use minidom::Element;
use roster_model::Username;
use tokio::time::Instant;

use super::{Asking, Questions};
use crate::domain::Domain;
use crate::domain::disco;
use crate::domain::nodes::wire::Outcome;
use crate::domain::session::Session;
use crate::domain::stanza::Condition;
use crate::outbound::Stanza;

/// After that, a node that has not said what became of an errand has lost it.
const ERRAND_TIMEOUT: Duration = Duration::from_secs(1);
/// Errands that may wait at once. What is more is refused to its sender.
const MOST: usize = 10_000;

/// See the module.
#[derive(Default)]
pub(in crate::domain) struct Waiting {
    pub(in crate::domain::nodes) questions: Questions,
    /// By number: in the order in which they were sent, in which what becomes of them is told.
    errands: BTreeMap<u64, Sent>,
    /// Oldest first.
    order: VecDeque<(Instant, u64)>,
}

/// A stanza of a session here that is on its way to others.
pub(in crate::domain) struct Sent {
    pub(in crate::domain) session: Arc<Session>,
    pub(in crate::domain) stanza: Stanza,
    /// Nodes that have not answered.
    pub(in crate::domain) awaited: Vec<u32>,
    /// What the sender is told if none of them reaches anybody.
    pub(in crate::domain) failed: Condition,
    /// What it is.
    pub(in crate::domain) what: What,
}

/// What becomes of a stanza that is on its way.
#[derive(Clone, Debug)]
pub(in crate::domain) enum What {
    /// Its end is its end.
    Stanza,
    /// A chat for a session of this user at that node: if it is gone, it is for the account.
    Chat(Username, u32),
    /// A question what the account can do, which is answered if somebody shows it.
    Features,
}

impl Waiting {
    /// Waits for the errand. False if too many wait.
    fn add(&mut self, id: u64, sent: Sent) -> bool {
        if self.errands.len() >= MOST {
            return false;
        }
        self.order.push_back((Instant::now() + ERRAND_TIMEOUT, id));
        self.errands.insert(id, sent);
        true
    }

    /// The sender knows already.
    pub(in crate::domain) fn forget(&mut self, id: u64) {
        self.errands.remove(&id);
    }

    /// What `node` says of the errand. Some if that was the last word.
    fn answered(&mut self, node: u32, id: u64, how: Outcome) -> Option<Sent> {
        let sent = self.errands.get_mut(&id)?;
        sent.awaited.retain(|one| *one != node);
        if how == Outcome::Refused {
            sent.failed = Condition::ResourceConstraint;
        }
        if how == Outcome::Reached || sent.awaited.is_empty() { self.errands.remove(&id) } else { None }
    }

    /// Those that have waited for long enough.
    fn late(&mut self, now: Instant) -> Vec<Sent> {
        let mut late = Vec::new();
        while let Some((_, id)) = self.order.pop_front_if(|(at, _)| *at <= now) {
            late.extend(self.errands.remove(&id));
        }
        late
    }
}

impl Domain {
    /// Waits for what becomes of a stanza, under that number. False if too many wait already.
    pub(in crate::domain) fn wait(&self, id: u64, sent: Sent) -> bool {
        if let Some(memory) = self.memory.get() {
            sent.stanza.hold(memory);
        }
        self.waiting.lock().add(id, sent)
    }

    /// What became of an errand at a node.
    pub(in crate::domain) fn done(&self, place: u32, id: u64, how: Outcome) {
        let over = self.waiting.lock().answered(place, id, how);
        match over {
            Some(sent) if how == Outcome::Reached => self.arrived(&sent),
            Some(sent) => self.failed(sent),
            None => {}
        }
    }

    /// The node is gone: whatever waits for it waits no longer.
    pub(in crate::domain::nodes) fn nobody_answers(&self, place: u32) {
        let mut waiting = self.waiting.lock();
        let unanswered = waiting.questions.gone(place);
        let ids: Vec<u64> =
            waiting.errands.iter().filter(|(_, sent)| sent.awaited.contains(&place)).map(|(id, _)| *id).collect();
        let over: Vec<Sent> = ids.iter().filter_map(|id| waiting.answered(place, *id, Outcome::Gone)).collect();
        drop(waiting);
        over.into_iter().for_each(|sent| self.failed(sent));
        for Asking { sessions, user, why, .. } in unanswered {
            if let Some(why) = why {
                self.tell_away(&self.world.read(), &sessions, &user, why);
            }
        }
    }

    /// What has waited for long enough.
    pub(in crate::domain::nodes) fn give_up(&self) {
        let now = Instant::now();
        let late = self.waiting.lock().late(now);
        late.into_iter().for_each(|sent| self.failed(sent));
        let late = self.waiting.lock().questions.late(now);
        for (sessions, user, why) in late {
            self.tell_away(&self.world.read(), &sessions, &user, why);
        }
    }

    fn arrived(&self, sent: &Sent) {
        if let (What::Features, Some(iq)) = (&sent.what, sent.stanza.element()) {
            let answer = iq.children().next().map(disco::account_info);
            if let Some(answer) = answer {
                self.reply(&sent.session, &iq, answer.map(Some));
            }
        }
    }

    fn failed(&self, sent: Sent) {
        let Some(element): Option<Element> = sent.stanza.element() else { return };
        match &sent.what {
            What::Chat(user, node) => {
                let silent = sent.awaited.contains(node);
                self.message_again(&sent.session, &element, (user, *node), silent);
            }
            What::Stanza | What::Features => self.refuse(&sent.session, &element, sent.failed),
        }
    }
}
