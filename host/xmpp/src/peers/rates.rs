//! So many in a second, for each network.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::network;

/// What may come at once, as seconds of what may come in the long run.
const BURST: u32 = 10;
/// Buckets that are kept; about 100 bytes each.
const MOST_BUCKETS: usize = 20_000;

/// Leaking buckets, one for each network. Their number is bounded: where there are too many, the emptiest is forgotten, so
/// whoever wants to have a full one forgotten has to fill all others.
pub struct Rates {
    /// In this time one is forgotten; zero: there is no limit.
    period: Duration,
    full: Duration,
    most: usize,
    buckets: Mutex<Buckets>,
}

#[derive(Default)]
struct Buckets {
    /// When a bucket is empty. The order of these times is the order of the levels, whenever it is looked at.
    empty_at: HashMap<IpAddr, Instant>,
    order: BTreeSet<(Instant, IpAddr)>,
}

impl Rates {
    /// `per_second` in the long run and ten times as many at once, or `at_once` if that is more. Zero: as many as they like.
    pub fn new(per_second: u32, at_once: usize) -> Self {
        Self::with(per_second, at_once, MOST_BUCKETS)
    }

    fn with(per_second: u32, at_once: usize, most: usize) -> Self {
        let period = match per_second {
            0 => Duration::ZERO,
            per_second => (Duration::from_secs(1) / per_second).max(Duration::from_nanos(1)),
        };
        let at_once = u32::try_from(at_once).unwrap_or(u32::MAX);
        let full = period.saturating_mul(per_second.saturating_mul(BURST).max(at_once));
        Self { period, full, most, buckets: Mutex::default() }
    }

    /// Whether `address` may have `amount` more now. If so, they are taken; if not, none is.
    pub fn take(&self, address: IpAddr, amount: u32) -> bool {
        self.period.is_zero()
            || self.buckets.lock().take(network(address), amount, Instant::now(), self, Duration::ZERO).is_some()
    }

    /// How long `address` has to wait for one more, which is taken: behind all that it asked for before. `None` if what waits
    /// is as much as may come at once; then none is taken.
    pub fn reserve(&self, address: IpAddr) -> Option<Duration> {
        if self.period.is_zero() {
            return Some(Duration::ZERO);
        }
        self.buckets.lock().take(network(address), 1, Instant::now(), self, self.full)
    }
}

impl Buckets {
    /// How long it takes until there is room for what has been taken; `None`, and nothing is taken, if that is longer than
    /// `max_wait`.
    fn take(
        &mut self,
        network: IpAddr,
        amount: u32,
        now: Instant,
        rates: &Rates,
        max_wait: Duration,
    ) -> Option<Duration> {
        let before = self.empty_at.get(&network).copied();
        let empty_at = before.unwrap_or(now).max(now) + rates.period.saturating_mul(amount);
        let wait = empty_at.duration_since(now).saturating_sub(rates.full);
        if wait > max_wait {
            return None;
        }
        if let Some(before) = before {
            self.order.remove(&(before, network));
        }
        self.empty_at.insert(network, empty_at);
        self.order.insert((empty_at, network));
        while let Some((emptiest, of)) = self.order.first().copied() {
            if emptiest > now && self.order.len() <= rates.most {
                break;
            }
            self.order.pop_first();
            self.empty_at.remove(&of);
        }
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_network_has_ten_seconds_worth_at_once_and_then_so_many_a_second() {
        let rates = Rates::new(10, 100);
        let (mut buckets, start) = (Buckets::default(), Instant::now());
        let [office, other] = ["192.0.2.1", "2001:db8::"].map(|address| address.parse().unwrap());
        for (at, network, amount, expected) in [
            (0, office, 99, true),
            (0, office, 2, false),
            (0, office, 1, true),
            (0, office, 1, false),
            (0, other, 100, true),
            (99, office, 1, false),
            (100, office, 1, true),
            (100, office, 1, false),
            (1100, office, 10, true),
            (1100, office, 1, false),
            (60_000, office, 101, false),
            (60_000, office, 100, true),
        ] {
            let now = start + Duration::from_millis(at);
            let taken = buckets.take(network, amount, now, &rates, Duration::ZERO).is_some();
            assert_eq!(taken, expected, "{at} ms: {network} {amount}");
        }
        assert_eq!(buckets.empty_at.len(), 1, "an empty one is forgotten");
        let more = Rates::new(10, 1000);
        let taken = Buckets::default().take(office, 1000, start, &more, Duration::ZERO);
        assert!(taken.is_some(), "as many as there may be");
        let unlimited = Rates::new(0, 1);
        assert!(unlimited.take(office, u32::MAX) && unlimited.reserve(office) == Some(Duration::ZERO), "no limit");
    }

    #[test]
    fn who_waits_has_a_turn_behind_what_was_asked_for_before_and_no_more_wait_than_may_come_at_once() {
        let rates = Rates::new(10, 0);
        let (mut buckets, start) = (Buckets::default(), Instant::now());
        let [office, other] = ["192.0.2.1", "192.0.2.2"].map(|address| address.parse().unwrap());
        for (at, network, amount, expected) in [
            (0, office, 100, Some(0)),
            (0, office, 1, Some(100)),
            (0, office, 1, Some(200)),
            (0, other, 1, Some(0)),
            (0, office, 98, Some(10_000)),
            (0, office, 1, None),
            (150, office, 1, Some(9950)),
            (150, office, 1, None),
            (60_000, office, 1, Some(0)),
        ] {
            let wait = buckets.take(network, amount, start + Duration::from_millis(at), &rates, rates.full);
            assert_eq!(wait, expected.map(Duration::from_millis), "{at} ms: {network} {amount}");
        }
    }

    #[test]
    fn a_network_is_an_address_of_ipv4_or_a_64_of_ipv6() {
        let rates = Rates::new(1, 10);
        let take = |address: &str| rates.take(address.parse().unwrap(), 10);
        for (address, expected) in [
            ("192.0.2.1", true),
            ("::ffff:192.0.2.1", false),
            ("192.0.2.2", true),
            ("2001:db8::1", true),
            ("2001:db8::ffff:ffff:ffff:ffff", false),
            ("2001:db8:0:1::1", true),
        ] {
            assert_eq!(take(address), expected, "{address}");
        }
    }

    #[test]
    fn very_many_networks_do_not_have_a_full_one_forgotten() {
        let rates = Rates::with(10, 0, 100);
        let (mut buckets, now) = (Buckets::default(), Instant::now());
        let full = "192.0.2.1".parse().unwrap();
        let mut take = |network, amount| {
            let taken = buckets.take(network, amount, now, &rates, Duration::ZERO).is_some();
            assert!(buckets.order.len() <= 100 && buckets.empty_at.len() <= 100);
            taken
        };
        assert!(take(full, 100));
        for n in 0..1000_u32 {
            assert!(take(IpAddr::from((0x0a00_0000 + n).to_be_bytes()), 50), "who is new is let in");
        }
        assert!(!take(full, 1));
    }
}
