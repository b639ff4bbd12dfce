//! What the next call of a hook will need of memory, by those before it. The hooks of an exchange are told apart: one makes a
//! request of a hundred bytes, the other reads a roster of any size, and both may run on the same instance.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::plugin::engine::budget::INSTANCE;
use crate::plugin::wit::{MAKE_REQUEST, READ_RESPONSE};

/// Bytes that an instance holds after a call, as far as is known.
pub(in crate::plugin) struct Needed {
    make_request: AtomicUsize,
    read_response: AtomicUsize,
    others: AtomicUsize,
}

impl Default for Needed {
    fn default() -> Self {
        let [make_request, read_response, others] = [INSTANCE; 3].map(AtomicUsize::new);
        Self { make_request, read_response, others }
    }
}

impl Needed {
    fn of(&self, hook: &str) -> &AtomicUsize {
        match hook {
            MAKE_REQUEST => &self.make_request,
            READ_RESPONSE => &self.read_response,
            _ => &self.others,
        }
    }

    /// For a call of `hook`.
    pub(in crate::plugin) fn by(&self, hook: &str) -> usize {
        self.of(hook).load(Ordering::Relaxed)
    }

    /// A call of `hook` wanted so much, and did not get it.
    pub(in crate::plugin) fn wanted(&self, hook: &str, bytes: usize) {
        self.of(hook).fetch_max(bytes, Ordering::Relaxed);
    }

    /// After a call of `hook` its instance holds so much: the next will need as much, or nearly as much as those before.
    pub(super) fn learn(&self, hook: &str, held: usize) {
        let before = self.by(hook);
        let needed = held.max(before - before.saturating_sub(held) / 8);
        if needed != before {
            self.of(hook).store(needed, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hook_of_an_exchange_is_known_by_itself() {
        let needed = Needed::default();
        needed.learn(READ_RESPONSE, 16 << 20);
        for _ in 0..100 {
            needed.learn(MAKE_REQUEST, INSTANCE);
        }
        assert_eq!([needed.by(MAKE_REQUEST), needed.by(READ_RESPONSE)], [INSTANCE, 16 << 20]);
        needed.learn(READ_RESPONSE, 8 << 20);
        assert_eq!(needed.by(READ_RESPONSE), 15 << 20);
        needed.wanted("summary", 3 << 20);
        assert_eq!([needed.by("check"), needed.by(MAKE_REQUEST)], [3 << 20, INSTANCE]);
    }
}
