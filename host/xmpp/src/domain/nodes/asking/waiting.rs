//! What waits for an answer of other nodes. Beside the world, under a lock of its own that is taken last.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use minidom::Element;
use roster_model::Username;
use tokio::time::Instant;

use super::lines::{Lines, Pair, Turn, Way};
use super::{Asking, Questions};
use crate::domain::Domain;
use crate::domain::disco;
use crate::domain::nodes::wire::Outcome;
use crate::domain::session::Session;
use crate::domain::stanza::Condition;
use crate::outbound::Stanza;

/// After that, a node that has not said what became of an errand has lost it.
const ERRAND_TIMEOUT: Duration = Duration::from_secs(1);
/// Errands, and messages behind them, that may wait at once. What is more is refused to its sender.
const MOST: usize = 10_000;

/// See the module.
#[derive(Default)]
pub(in crate::domain) struct Waiting {
    pub(in crate::domain::nodes) questions: Questions,
    /// By number: in the order in which they were sent, in which what becomes of them is told.
    errands: BTreeMap<u64, Sent>,
    /// Oldest first.
    order: VecDeque<(Instant, u64)>,
    lines: Lines,
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
    /// A chat for a resource of this user: if it is gone, it is for the account.
    Chat(Username, Way),
    /// A question what the account can do, which is answered if somebody shows it.
    Features,
}

/// An errand of which no more will be heard.
enum Ended {
    /// It came to somebody, or to nobody.
    Alone(Sent, bool),
    /// A chat, in whose line it may be somebody's turn.
    Chat(Pair),
}

impl Sent {
    fn chat(&self) -> Option<(Pair, &Way)> {
        match &self.what {
            What::Chat(user, way) => Some(((self.session.number, user.clone()), way)),
            What::Stanza | What::Features => None,
        }
    }
}

impl Waiting {
    fn is_full(&self) -> bool {
        self.errands.len() + self.lines.held() >= MOST
    }

    /// Waits for the errand. False if too many wait.
    fn add(&mut self, id: u64, sent: Sent) -> bool {
        if self.is_full() {
            return false;
        }
        if let Some((pair, way)) = sent.chat() {
            self.lines.sent(pair, id, way.clone());
        }
        self.order.push_back((Instant::now() + ERRAND_TIMEOUT, id));
        self.errands.insert(id, sent);
        true
    }

    /// What `node` says of the errand. Some if that was the last word.
    fn answered(&mut self, node: u32, id: u64, how: Outcome) -> Option<Ended> {
        let sent = self.errands.get_mut(&id)?;
        sent.awaited.retain(|one| *one != node);
        if how == Outcome::Refused {
            sent.failed = Condition::ResourceConstraint;
        }
        if how == Outcome::Reached || sent.awaited.is_empty() { self.over(id, how == Outcome::Reached) } else { None }
    }

    fn over(&mut self, id: u64, reached: bool) -> Option<Ended> {
        let sent = self.errands.remove(&id)?;
        let Some((pair, _)) = sent.chat() else { return Some(Ended::Alone(sent, reached)) };
        self.lines.settled(&pair, id, Some(sent).filter(|_| !reached));
        Some(Ended::Chat(pair))
    }

    /// Those that have waited for long enough.
    fn late(&mut self, now: Instant) -> Vec<Ended> {
        let mut late = Vec::new();
        while let Some((_, id)) = self.order.pop_front_if(|(at, _)| *at <= now) {
            late.extend(self.over(id, false));
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

    /// The sender knows already what becomes of the errand.
    pub(in crate::domain) fn forget(&self, id: u64) {
        let mut waiting = self.waiting.lock();
        if let Some(Ended::Chat(pair)) = waiting.over(id, true) {
            // Nothing stands behind what was only just sent: at most the line is removed.
            let _ = waiting.lines.begin(&pair);
        }
    }

    /// Whether `message` to the user has to wait behind others of the session, which are on their way. Then it does. `way`: if it is
    /// for a resource at another node. Err if too many wait.
    pub(in crate::domain) fn stands_in_line(
        &self,
        session: &Arc<Session>,
        user: &Username,
        way: Option<&Way>,
        message: &Element,
    ) -> Result<bool, Condition> {
        let pair = (session.number, user.clone());
        let mut waiting = self.waiting.lock();
        if !waiting.lines.is_closed(&pair, way) {
            return Ok(false);
        }
        if waiting.is_full() {
            return Err(Condition::ResourceConstraint);
        }
        let message = Stanza::from(message);
        if let Some(memory) = self.memory.get() {
            message.hold(memory);
        }
        waiting.lines.hold(pair, Arc::clone(session), message);
        Ok(true)
    }

    /// What became of an errand at a node.
    pub(in crate::domain) fn done(&self, place: u32, id: u64, how: Outcome) {
        let over = self.waiting.lock().answered(place, id, how);
        self.finish(over);
    }

    /// The node is gone: whatever waits for it waits no longer.
    pub(in crate::domain::nodes) fn nobody_answers(&self, place: u32) {
        let mut waiting = self.waiting.lock();
        let unanswered = waiting.questions.gone(place);
        let ids: Vec<u64> =
            waiting.errands.iter().filter(|(_, sent)| sent.awaited.contains(&place)).map(|(id, _)| *id).collect();
        let over: Vec<Ended> = ids.iter().filter_map(|id| waiting.answered(place, *id, Outcome::Gone)).collect();
        drop(waiting);
        self.finish(over);
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
        self.finish(late);
        let late = self.waiting.lock().questions.late(now);
        for (sessions, user, why) in late {
            self.tell_away(&self.world.read(), &sessions, &user, why);
        }
    }

    fn finish(&self, over: impl IntoIterator<Item = Ended>) {
        for over in over {
            match over {
                Ended::Alone(sent, true) => self.arrived(&sent),
                Ended::Alone(sent, false) => {
                    let element = sent.stanza.element();
                    element.iter().for_each(|element| self.refuse(&sent.session, element, sent.failed));
                }
                Ended::Chat(pair) => self.go_on(&pair),
            }
        }
    }

    /// Lets those in the line have their turns, until one is on its way.
    fn go_on(&self, pair: &Pair) {
        let mut turn = self.waiting.lock().lines.begin(pair);
        while let Some(one) = turn {
            match one {
                Turn::Deliver(session, message) => {
                    message.element().into_iter().for_each(|message| self.message_in_turn(&session, message));
                }
                Turn::Again(sent) => {
                    if let (What::Chat(user, way), Some(message)) = (&sent.what, sent.stanza.element()) {
                        let silent = sent.awaited.contains(&way.node);
                        self.message_again(&sent.session, &message, (user, way.node), silent);
                    }
                }
            }
            turn = self.waiting.lock().lines.next(pair);
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
}
