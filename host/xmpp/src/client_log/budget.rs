//! How many lines there may be.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;

use crate::peers::network;

/// Lines of one kind of event: so many for each source, and so many in all. Remembers no more sources than there are lines.
pub(super) struct Budget {
    per_source: u32,
    lines: u32,
    left: u32,
    hasher: RandomState,
    sources: HashMap<u64, Source>,
    elsewhere: u64,
}

struct Source {
    left: u32,
    /// The latest of a network's.
    address: IpAddr,
    unlogged: u64,
}

/// Events that had no line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unlogged {
    /// Of those that had one before.
    pub(super) by_address: Vec<(IpAddr, u64)>,
    /// Of all others.
    pub(super) elsewhere: u64,
}

impl Budget {
    pub(super) fn new(per_source: u32, lines: u32) -> Self {
        Self { per_source, lines, left: lines, hasher: RandomState::new(), sources: HashMap::new(), elsewhere: 0 }
    }

    /// Whether one more event, of this network and perhaps of this account, has a line.
    pub(super) fn takes(&mut self, address: IpAddr, account: Option<&str>) -> bool {
        let key = self.hasher.hash_one((network(address), account));
        let fresh = Source { left: self.per_source, address, unlogged: 0 };
        let source = match self.sources.get_mut(&key) {
            Some(source) => source,
            None if self.left == 0 => {
                self.elsewhere += 1;
                return false;
            }
            None => self.sources.entry(key).or_insert(fresh),
        };
        source.address = address;
        if source.left == 0 || self.left == 0 {
            source.unlogged += 1;
            return false;
        }
        source.left -= 1;
        self.left -= 1;
        true
    }

    /// All lines are there again; says what had none.
    pub(super) fn renew(&mut self) -> Unlogged {
        self.left = self.lines;
        let mut by_address: HashMap<IpAddr, u64> = HashMap::new();
        for source in std::mem::take(&mut self.sources).into_values().filter(|source| source.unlogged > 0) {
            *by_address.entry(source.address).or_default() += source.unlogged;
        }
        let mut by_address: Vec<_> = by_address.into_iter().collect();
        by_address.sort_unstable();
        Unlogged { by_address, elsewhere: std::mem::take(&mut self.elsewhere) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_its_lines_and_then_is_counted() {
        let mut budget = Budget::new(2, 100);
        let mut lines = |text, account| (0..5).filter(|_| budget.takes(address(text), account)).count();
        for (text, account, expected) in [
            ("192.0.2.1", None, 2),
            ("192.0.2.2", None, 2),
            ("::ffff:192.0.2.2", None, 0),
            ("2001:db8::1", None, 2),
            ("2001:db8::2", None, 0),
            ("192.0.2.3", Some("john"), 2),
            ("192.0.2.3", Some("marie"), 2),
        ] {
            assert_eq!(lines(text, account), expected, "{text}");
        }
        let expected = [("192.0.2.1", 3), ("192.0.2.3", 6), ("::ffff:192.0.2.2", 8), ("2001:db8::2", 8)];
        let expected = expected.map(|(text, more)| (address(text), more)).to_vec();
        assert_eq!(budget.renew(), Unlogged { by_address: expected, elsewhere: 0 });
        assert_eq!(budget.renew(), Unlogged { by_address: vec![], elsewhere: 0 });
        assert!(budget.takes(address("192.0.2.1"), None));
    }

    #[test]
    fn lines_and_memory_are_bounded_however_many_addresses_there_are() {
        let mut budget = Budget::new(3, 50);
        let addresses: Vec<IpAddr> = (0..=255).map(|n| IpAddr::from([192, 0, 2, n])).collect();
        let lines = (0..4).flat_map(|_| &addresses).filter(|address| budget.takes(**address, None)).count();
        assert_eq!((lines, budget.sources.len()), (50, 50));
        let unlogged = budget.renew();
        assert_eq!((unlogged.by_address.len(), unlogged.elsewhere), (50, 206 * 4));
        assert!(unlogged.by_address.iter().all(|(_, more)| *more == 3));
    }
}
