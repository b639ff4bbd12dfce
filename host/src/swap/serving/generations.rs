//! The modules that have served and can serve again.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::plugin::WasmPlugin;

/// Numbers the generations of one virtual host, from 1, and keeps the latest.
pub(in crate::swap) struct Generations {
    latest: u64,
    /// Those before the one that serves, the latest first.
    kept: VecDeque<Arc<WasmPlugin>>,
    most: usize,
}

impl Generations {
    /// `first` serves; up to `most` will be kept beside the one that serves.
    pub(in crate::swap) fn new(first: &WasmPlugin, most: usize) -> Self {
        first.stats().serve_as(1);
        Self { latest: 1, kept: VecDeque::new(), most }
    }

    /// Another number of generations that are kept. Returns those that no longer are.
    pub(in crate::swap) fn keep(&mut self, most: usize) -> VecDeque<Arc<WasmPlugin>> {
        self.most = most;
        self.kept.split_off(most.min(self.kept.len()))
    }

    /// `new` serves in the place of `old`. A module that has served before keeps its number. Returns those that are no
    /// longer kept.
    pub(in crate::swap) fn took_over(
        &mut self,
        new: &Arc<WasmPlugin>,
        old: Arc<WasmPlugin>,
    ) -> VecDeque<Arc<WasmPlugin>> {
        if new.stats().number() == 0 {
            self.latest += 1;
            new.stats().serve_as(self.latest);
        }
        self.kept.retain(|kept| !Arc::ptr_eq(kept, new) && !Arc::ptr_eq(kept, &old));
        // The same if it was put back as a failed canary at this moment.
        if !Arc::ptr_eq(new, &old) {
            self.kept.push_front(old);
        }
        self.kept.split_off(self.most.min(self.kept.len()))
    }

    /// The module before one that failed as a canary was put back, and `serves` serves now: seldom another, which has taken over
    /// since. The module that failed is not offered again.
    pub(in crate::swap) fn put_back(&mut self, serves: &Arc<WasmPlugin>) {
        self.kept.retain(|kept| !Arc::ptr_eq(kept, serves));
    }

    /// The generation before the one that serves, or the one with this number.
    pub(in crate::swap) fn find(&self, number: Option<u64>) -> Result<Arc<WasmPlugin>, String> {
        let found = match number {
            None => self.kept.front(),
            Some(number) => self.kept.iter().find(|kept| kept.stats().number() == number),
        };
        found.cloned().ok_or_else(|| match number.filter(|_| !self.kept.is_empty()) {
            Some(number) => format!("generation {number} is not kept; kept: {}", self.numbers()),
            None => "there is no generation to go back to".to_owned(),
        })
    }

    fn numbers(&self) -> String {
        let numbers: Vec<_> = self.kept.iter().map(|kept| kept.stats().number().to_string()).collect();
        numbers.join(", ")
    }

    /// Those kept, the latest first.
    pub(in crate::swap) fn kept(&self) -> impl Iterator<Item = &Arc<WasmPlugin>> {
        self.kept.iter()
    }
}
