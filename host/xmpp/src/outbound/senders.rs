//! Whose stanzas wait for a client that is away: a share for each sender, and one for all of them, so that nobody can fill the
//! queue of a session that cannot read meanwhile.

use std::collections::HashMap;
use std::sync::Arc;

/// Of the queue, what one sender may take: a quarter.
const ONE: (usize, usize) = (1, 4);
/// And all of them: the rest is for what the server has to say.
const ALL: (usize, usize) = (3, 4);

/// See the module. As many entries as senders have something waiting.
#[derive(Debug, Default)]
pub(super) struct Senders {
    by_sender: HashMap<Arc<str>, Taken>,
    all: Taken,
}

#[derive(Clone, Copy, Debug, Default)]
struct Taken {
    stanzas: usize,
    bytes: usize,
}

impl Taken {
    /// One always fits.
    fn fits(self, weight: usize, (stanzas, bytes): (usize, usize), (part, of): (usize, usize)) -> bool {
        let share = |most: usize| most / of * part;
        self.stanzas == 0 || (self.stanzas < share(stanzas) && self.bytes.saturating_add(weight) <= share(bytes))
    }
}

impl Senders {
    /// A place for a stanza of `from` in a queue of so many stanzas and bytes, if its share and that of all have one.
    pub(super) fn take(&mut self, from: &str, weight: usize, most: (usize, usize)) -> Option<Arc<str>> {
        let before = self.by_sender.get(from).copied().unwrap_or_default();
        if !before.fits(weight, most, ONE) || !self.all.fits(weight, most, ALL) {
            return None;
        }
        let name = self.by_sender.get_key_value(from).map_or_else(|| Arc::from(from), |(name, _)| Arc::clone(name));
        let mine = self.by_sender.entry(Arc::clone(&name)).or_default();
        for taken in [mine, &mut self.all] {
            taken.stanzas += 1;
            taken.bytes += weight;
        }
        Some(name)
    }

    /// A stanza of `from` does not wait any more.
    pub(super) fn give_back(&mut self, from: &str, weight: usize) {
        let Some(mine) = self.by_sender.get_mut(from) else { return };
        for taken in [&mut *mine, &mut self.all] {
            taken.stanzas -= 1;
            taken.bytes -= weight;
        }
        if mine.stanzas == 0 {
            self.by_sender.remove(from);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_sender_has_a_share_and_all_of_them_leave_some() {
        for (weight, most, one, all) in
            [(1, (16, 1_000), 4, 12), (100, (1_000, 1_600), 4, 12), (5_000, (16, 1_000), 1, 1)]
        {
            let mut senders = Senders::default();
            let mut waiting = Vec::new();
            for n in 0..10 {
                let mut taken = 0;
                while let Some(name) = senders.take(&n.to_string(), weight, most) {
                    waiting.push(name);
                    taken += 1;
                }
                assert!(taken <= one, "{taken}");
            }
            assert_eq!(waiting.len(), all, "{weight} {most:?}");
            senders.give_back(&waiting.pop().unwrap(), weight);
            assert!(senders.take("new", weight, most).is_some());
            senders.give_back("new", weight);
            waiting.iter().for_each(|name| senders.give_back(name, weight));
            assert!(senders.by_sender.is_empty() && senders.all.stanzas == 0 && senders.all.bytes == 0);
        }
    }
}
