//! How often logins may fail.
//!
//! Two tables of leaking buckets ([`table`]): one by address, one by account. Whoever tries takes a place in both before
//! anything is looked at, and gets it back if the login is right; else it counts as a failure, also if the exchange was never
//! finished. So those who guess on many connections at once have as many guesses as on one. Where the places are taken by
//! others who have not finished, an attempt waits for them: the people of an office who all come back in the same second have
//! not failed.
//!
//! Each table is bounded; where it is full, the emptiest bucket makes room, so an attacker with very many addresses can at
//! most forget his own failures, and keeps nobody else out.

mod table;
#[cfg(test)]
mod tests;

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use roster_model::Username;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::config::{LoginLimits, Timeouts};
use crate::peers::network;
use table::{Room, Table};

/// Buckets in each table that nobody uses now; about 200 bytes each.
const MOST_BUCKETS: usize = 20_000;

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

/// Why an attempt does not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TurnedAway {
    /// Too many have failed.
    Failed(Limit),
    /// Nobody has to have failed: as many as may fail have begun, and were not over in time.
    UnderWay(Limit),
}

/// See the module.
pub(crate) struct Throttle {
    hasher: RandomState,
    /// So long an attempt waits for others.
    max_wait: Duration,
    tables: Mutex<Tables>,
}

struct Tables {
    addresses: Table,
    accounts: Table,
    /// The number of the last attempt.
    last: u64,
}

/// Where an attempt counts: its address, and its account if there can be one with that name.
type Keys = (u64, Option<u64>);

enum Begun {
    Attempt(u64),
    Occupied(Limit, watch::Receiver<()>),
    Full(Limit),
}

impl Tables {
    fn begin(&mut self, (address, account): Keys, now: Instant) -> Begun {
        let mut occupied = None;
        let tables =
            [(Some(address), &mut self.addresses, Limit::Address), (account, &mut self.accounts, Limit::Account)];
        for (key, table, limit) in tables {
            let Some(key) = key else { continue };
            match table.room(key, now) {
                Room::Full => return Begun::Full(limit),
                Room::Occupied(ended) => occupied = occupied.or(Some((limit, ended))),
                Room::Free => {}
            }
        }
        if let Some((limit, ended)) = occupied {
            return Begun::Occupied(limit, ended);
        }
        self.last += 1;
        self.addresses.begin(address, self.last, now);
        if let Some(account) = account {
            self.accounts.begin(account, self.last, now);
        }
        Begun::Attempt(self.last)
    }

    fn end(&mut self, (address, account): Keys, attempt: u64, failed: bool, now: Instant) {
        self.addresses.end(address, attempt, failed, now);
        if let Some(account) = account {
            self.accounts.end(account, attempt, failed, now);
        }
    }
}

impl Throttle {
    pub(crate) fn new(limits: &LoginLimits, timeouts: &Timeouts) -> Self {
        let table = |failures| Table::new(failures, limits.forgotten_after, timeouts.login, MOST_BUCKETS);
        let tables = Tables {
            addresses: table(limits.failures_per_address),
            accounts: table(limits.failures_per_account),
            last: 0,
        };
        // Its own exchange has to be over before the connection's deadline.
        Self { hasher: RandomState::new(), max_wait: timeouts.login / 3, tables: Mutex::new(tables) }
    }

    /// Begins an attempt; nothing may be looked at before. Waits while others who have not finished take all places.
    pub(crate) async fn begin(
        self: &Arc<Self>,
        address: IpAddr,
        domain: &str,
        user: Option<&Username>,
    ) -> Result<Attempt, TurnedAway> {
        let keys = (self.hasher.hash_one(network(address)), user.map(|user| self.hasher.hash_one((domain, user))));
        let began = Instant::now();
        loop {
            let (now, begun) = {
                let mut tables = self.tables.lock();
                let now = Instant::now();
                (now, tables.begin(keys, now))
            };
            let (limit, mut ended) = match begun {
                Begun::Attempt(number) => {
                    return Ok(Attempt { throttle: Arc::clone(self), keys, number, failed: true });
                }
                Begun::Full(limit) => return Err(TurnedAway::Failed(limit)),
                Begun::Occupied(limit, ended) => (limit, ended),
            };
            let left = self.max_wait.saturating_sub(now.duration_since(began));
            // An error of the channel is that all others have ended.
            if left.is_zero() || timeout(left, ended.changed()).await.is_err() {
                return Err(TurnedAway::UnderWay(limit));
            }
        }
    }
}

/// An attempt that is under way. Dropped, it has failed.
pub(crate) struct Attempt {
    throttle: Arc<Throttle>,
    keys: Keys,
    number: u64,
    failed: bool,
}

impl Attempt {
    /// It has not failed: the login was right, or nobody could say.
    pub(crate) fn give_back(mut self) {
        self.failed = false;
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let mut tables = self.throttle.tables.lock();
        // With the lock held, so that the tables see time pass in one direction.
        tables.end(self.keys, self.number, self.failed, Instant::now());
    }
}
