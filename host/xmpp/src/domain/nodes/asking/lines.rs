//! What one session writes to one user stays in the order in which it was written (RFC 6120 section 10.1), whichever of the user's
//! resources it is addressed to.
//!
//! A chat for a resource at another node may come back: the resource, or its node, is gone, and the chat is for the account. Until
//! that is known, what the session writes to the same user stands in line behind it, unless it goes the same way.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use roster_model::Username;

use super::waiting::Sent;
use crate::domain::session::Session;
use crate::outbound::Stanza;

/// The number of the session that writes, and whom it writes to.
pub(in crate::domain) type Pair = (u64, Username);

/// The resource at another node that a chat was sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::domain) struct Way {
    pub(in crate::domain) node: u32,
    pub(in crate::domain) resource: String,
}

/// All lines. One is there for as long as something stands in it.
#[derive(Default)]
pub(super) struct Lines {
    lines: HashMap<Pair, Line>,
    held: usize,
}

/// Oldest first.
#[derive(Default)]
struct Line {
    entries: VecDeque<Entry>,
    /// Somebody does what has to be done with the first.
    busy: bool,
}

enum Entry {
    /// The errand with that number has not been answered.
    Sent(u64, Way),
    /// It was not delivered.
    Failed(Box<Sent>),
    /// It has not been looked at.
    Held(Arc<Session>, Stanza),
    /// It is done, or is being done.
    Over,
}

/// What is to be done with the first in a line.
pub(super) enum Turn {
    /// It is for the account now.
    Again(Box<Sent>),
    /// It is to be delivered.
    Deliver(Arc<Session>, Stanza),
}

impl Lines {
    /// How many messages are held.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// A message of the pair has to wait. `way`: if it is for a resource at another node.
    pub(super) fn is_closed(&self, pair: &Pair, way: Option<&Way>) -> bool {
        let is_same = |entry: &Entry| matches!(entry, Entry::Sent(_, sent) if Some(sent) == way);
        self.lines.get(pair).is_some_and(|line| line.busy || !line.entries.iter().all(is_same))
    }

    /// The message waits until it is its turn.
    pub(super) fn hold(&mut self, pair: Pair, session: Arc<Session>, message: Stanza) {
        self.held += 1;
        self.lines.entry(pair).or_default().entries.push_back(Entry::Held(session, message));
    }

    /// A chat was sent: one that nothing stood in the way of, or the one whose turn it is.
    pub(super) fn sent(&mut self, pair: Pair, id: u64, way: Way) {
        let line = self.lines.entry(pair).or_default();
        match line.entries.front_mut() {
            Some(first) if line.busy => *first = Entry::Sent(id, way),
            _ => line.entries.push_back(Entry::Sent(id, way)),
        }
    }

    /// It is known what became of a chat. `failed`: it was not delivered.
    pub(super) fn settled(&mut self, pair: &Pair, id: u64, failed: Option<Sent>) {
        let Some(line) = self.lines.get_mut(pair) else { return };
        let is_it = |entry: &&mut Entry| matches!(entry, Entry::Sent(sent, _) if *sent == id);
        if let Some(entry) = line.entries.iter_mut().find(is_it) {
            *entry = failed.map_or(Entry::Over, |sent| Entry::Failed(Box::new(sent)));
        }
    }

    /// Whose turn it is. None if there is nothing to do now: the first is on its way, or somebody is at it. Who has got something
    /// does it and says [`Self::next`].
    pub(super) fn begin(&mut self, pair: &Pair) -> Option<Turn> {
        if self.lines.get(pair)?.busy { None } else { self.next(pair) }
    }

    /// What [`Self::begin`] has given is done. What comes then.
    pub(super) fn next(&mut self, pair: &Pair) -> Option<Turn> {
        let line = self.lines.get_mut(pair)?;
        line.busy = false;
        while line.entries.pop_front_if(|first| matches!(first, Entry::Over)).is_some() {}
        let Some(first) = line.entries.front_mut() else {
            self.lines.remove(pair);
            return None;
        };
        if matches!(first, Entry::Sent(..)) {
            return None;
        }
        line.busy = true;
        match std::mem::replace(first, Entry::Over) {
            Entry::Failed(sent) => Some(Turn::Again(sent)),
            Entry::Held(session, message) => {
                self.held = self.held.saturating_sub(1);
                Some(Turn::Deliver(session, message))
            }
            Entry::Sent(..) | Entry::Over => None,
        }
    }
}
