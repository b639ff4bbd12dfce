//! How often logins may fail.
//!
//! Two tables of leaking buckets: one by address, one by account. Each is bounded; where a table is full, the emptiest of a
//! few buckets makes room, so an attacker with very many addresses can at most forget his own failures.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use roster_model::Username;

use crate::config::LoginLimits;

/// Buckets in each table; 40 bytes each.
const MOST_BUCKETS: usize = 20_000;
/// How many are looked at to find one that can go.
const SAMPLE: usize = 16;

/// Of which there were too many failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    Address,
    Account,
}

impl Limit {
    /// The field of [`LoginLimits`].
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Address => "failures_per_address",
            Self::Account => "failures_per_account",
        }
    }
}

/// See the module.
pub(crate) struct Throttle {
    hasher: RandomState,
    addresses: Table,
    accounts: Table,
}

impl Throttle {
    pub(crate) fn new(limits: &LoginLimits) -> Self {
        Self {
            hasher: RandomState::new(),
            addresses: Table::new(limits.failures_per_address, limits.forgotten_after),
            accounts: Table::new(limits.failures_per_account, limits.forgotten_after),
        }
    }

    /// Whether another try is looked at.
    pub(crate) fn check(&self, address: IpAddr, domain: &str, user: Option<&Username>) -> Result<(), Limit> {
        let now = Instant::now();
        if !self.addresses.has_room(self.hasher.hash_one(network(address)), now) {
            return Err(Limit::Address);
        }
        match user {
            Some(user) if !self.accounts.has_room(self.hasher.hash_one((domain, user)), now) => Err(Limit::Account),
            _ => Ok(()),
        }
    }

    /// A try has failed.
    pub(crate) fn failed(&self, address: IpAddr, domain: &str, user: Option<&Username>) {
        let now = Instant::now();
        self.addresses.add(self.hasher.hash_one(network(address)), now);
        if let Some(user) = user {
            self.accounts.add(self.hasher.hash_one((domain, user)), now);
        }
    }
}

/// Whoever has an IPv6 address has 2^64 of them.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None => IpAddr::V6((u128::from(v6) >> 64 << 64).into()),
        },
        v4 => v4,
    }
}

struct Table {
    capacity: f64,
    forgotten_per_second: f64,
    buckets: Mutex<HashMap<u64, Bucket>>,
}

#[derive(Clone, Copy)]
struct Bucket {
    level: f64,
    at: Instant,
}

impl Table {
    fn new(failures: u32, forgotten_after: Duration) -> Self {
        let capacity = f64::from(failures.max(1));
        let forgotten_per_second = capacity / forgotten_after.as_secs_f64().max(0.001);
        Self { capacity, forgotten_per_second, buckets: Mutex::default() }
    }

    fn level(&self, bucket: Bucket, now: Instant) -> f64 {
        let leaked = now.saturating_duration_since(bucket.at).as_secs_f64() * self.forgotten_per_second;
        (bucket.level - leaked).max(0.0)
    }

    fn has_room(&self, key: u64, now: Instant) -> bool {
        let buckets = self.buckets.lock();
        buckets.get(&key).is_none_or(|bucket| self.level(*bucket, now) + 1.0 <= self.capacity)
    }

    fn add(&self, key: u64, now: Instant) {
        let mut buckets = self.buckets.lock();
        if buckets.len() >= MOST_BUCKETS && !buckets.contains_key(&key) {
            let emptiest = buckets
                .iter()
                .take(SAMPLE)
                .min_by(|(_, a), (_, b)| self.level(**a, now).total_cmp(&self.level(**b, now)))
                .map(|(key, _)| *key);
            if let Some(emptiest) = emptiest {
                buckets.remove(&emptiest);
            }
        }
        let level = buckets.get(&key).map_or(0.0, |bucket| self.level(*bucket, now));
        buckets.insert(key, Bucket { level: (level + 1.0).min(self.capacity), at: now });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn limits(per_address: u32, per_account: u32) -> LoginLimits {
        LoginLimits {
            failures_per_address: per_address,
            failures_per_account: per_account,
            forgotten_after: Duration::from_secs(3600),
            ..LoginLimits::default()
        }
    }

    #[test]
    fn failures_of_one_address_turn_away_that_network_only() {
        let throttle = Throttle::new(&limits(3, 100));
        let (john, marie) = (Username::new("john").unwrap(), Username::new("marie").unwrap());
        let attacker: IpAddr = "2001:db8::1".parse().unwrap();
        for _ in 0..3 {
            assert_eq!(throttle.check(attacker, "x", Some(&john)), Ok(()));
            throttle.failed(attacker, "x", Some(&john));
        }
        for (address, expected) in [
            ("2001:db8::1", false),
            ("2001:db8::ffff:1", false),
            ("2001:db8:0:1::1", true),
            ("::ffff:192.0.2.1", true),
            ("192.0.2.1", true),
        ] {
            let expected = if expected { Ok(()) } else { Err(Limit::Address) };
            assert_eq!(throttle.check(address.parse().unwrap(), "x", Some(&marie)), expected, "{address}");
        }
    }

    #[test]
    fn failures_of_one_account_turn_away_that_account_only() {
        let throttle = Throttle::new(&limits(100, 2));
        let john = Username::new("john").unwrap();
        for n in [1, 2] {
            throttle.failed(IpAddr::from([192, 0, 2, n]), "x", Some(&john));
        }
        let other = IpAddr::from([192, 0, 2, 3]);
        assert_eq!(throttle.check(other, "x", Some(&john)), Err(Limit::Account));
        assert_eq!(throttle.check(other, "y", Some(&john)), Ok(()), "the same name in another domain");
        assert_eq!(throttle.check(other, "x", None), Ok(()));
    }

    #[test]
    fn failures_are_forgotten() {
        let table = Table::new(2, Duration::from_secs(20));
        let start = Instant::now();
        table.add(1, start);
        table.add(1, start);
        table.add(1, start);
        assert!(!table.has_room(1, start));
        assert!(!table.has_room(1, start + Duration::from_secs(9)));
        assert!(table.has_room(1, start + Duration::from_secs(11)));
        assert!(!table.has_room(1, start - Duration::from_millis(1)), "clocks of several threads");
    }

    #[test]
    fn a_table_is_bounded() {
        let table = Table::new(2, Duration::from_secs(20));
        let now = Instant::now();
        for key in 0..MOST_BUCKETS as u64 + 100 {
            table.add(key, now);
        }
        assert_eq!(table.buckets.lock().len(), MOST_BUCKETS);
    }
}
