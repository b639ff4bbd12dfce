//! So many at once, in all and for each network, where those make room who make the other side wait.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::network;

/// How often those who wait look whether somebody has waited for long enough to make room.
const LOOK: Duration = Duration::from_millis(100);

/// Permits for connections. When all are taken, one more gets that of a connection whose client is waited for, of the network
/// that has most of them the one that was waited for longest; but never at the cost of a network that has fewer than its own.
pub struct Permits {
    most: usize,
    most_per_network: usize,
    /// So long a client may be waited for in any case.
    grace: Duration,
    taken: Mutex<Taken>,
    changed: Notify,
}

#[derive(Default)]
struct Taken {
    all: usize,
    last: u64,
    networks: HashMap<IpAddr, HashMap<u64, Arc<Entry>>>,
}

struct Entry {
    /// Since when its client is waited for; `None`: it is not.
    waiting_since: Mutex<Option<Instant>>,
    lost: CancellationToken,
}

/// One permit, which may be lost to another while its client is waited for. Dropped, it is given back.
pub struct Permit {
    network: IpAddr,
    number: u64,
    entry: Arc<Entry>,
    of: Arc<Permits>,
}

/// Why there is none.
enum Full {
    /// The network has as many as it may.
    Network,
    All,
}

impl Taken {
    /// The connection that makes room for one more of `network`, if it has to be of that network or not.
    fn victim(&self, network: IpAddr, own: bool, waits: impl Fn(&Entry) -> Option<Duration>) -> Option<(IpAddr, u64)> {
        let here = self.networks.get(&network).map_or(0, HashMap::len);
        let others = self.networks.iter().filter(|(other, entries)| match own {
            true => **other == network,
            false => **other == network || entries.len() >= here,
        });
        let longest = |entries: &HashMap<u64, Arc<Entry>>| {
            entries.iter().filter_map(|(number, entry)| Some((waits(entry)?, Reverse(*number)))).max()
        };
        let longest = others.filter_map(|(other, entries)| {
            let (waited, number) = longest(entries)?;
            Some((entries.len(), waited, number, *other))
        });
        longest.max().map(|(_, _, Reverse(number), other)| (other, number))
    }

    fn remove(&mut self, network: IpAddr, number: u64) -> Option<Arc<Entry>> {
        let entries = self.networks.get_mut(&network)?;
        let entry = entries.remove(&number)?;
        if entries.is_empty() {
            self.networks.remove(&network);
        }
        self.all -= 1;
        Some(entry)
    }
}

impl Permits {
    /// `most` in all and `most_per_network` for one; a client is waited for so long before its permit may be lost.
    pub fn new(most: usize, most_per_network: usize, grace: Duration) -> Arc<Self> {
        Arc::new(Self { most, most_per_network, grace, taken: Mutex::default(), changed: Notify::new() })
    }

    /// A permit for `address`, as soon as there is one.
    pub async fn take(self: &Arc<Self>, address: IpAddr) -> Permit {
        loop {
            let changed = self.changed.notified();
            if let Ok(permit) = self.try_take(address) {
                return permit;
            }
            let _ = tokio::time::timeout(LOOK, changed).await;
        }
    }

    /// A permit for `address`, as soon as there is one; `None` if its own network has as many as it may.
    pub async fn take_in_share(self: &Arc<Self>, address: IpAddr) -> Option<Permit> {
        loop {
            let changed = self.changed.notified();
            match self.try_take(address) {
                Ok(permit) => return Some(permit),
                Err(Full::Network) => return None,
                Err(Full::All) => drop(tokio::time::timeout(LOOK, changed).await),
            }
        }
    }

    fn try_take(self: &Arc<Self>, address: IpAddr) -> Result<Permit, Full> {
        let (network, now) = (network(address), Instant::now());
        let mut taken = self.taken.lock();
        let here = taken.networks.get(&network).map_or(0, HashMap::len);
        let own = here >= self.most_per_network;
        if (own || taken.all >= self.most) && !self.make_room(&mut taken, network, own, now) {
            return Err(if own { Full::Network } else { Full::All });
        }
        taken.all += 1;
        taken.last += 1;
        let number = taken.last;
        let entry = Arc::new(Entry { waiting_since: Mutex::new(Some(now)), lost: CancellationToken::new() });
        taken.networks.entry(network).or_default().insert(number, Arc::clone(&entry));
        Ok(Permit { network, number, entry, of: Arc::clone(self) })
    }

    fn make_room(&self, taken: &mut Taken, network: IpAddr, own: bool, now: Instant) -> bool {
        let waits = |entry: &Entry| {
            let waited = now.saturating_duration_since((*entry.waiting_since.lock())?);
            (waited >= self.grace).then_some(waited)
        };
        let lost = taken.victim(network, own, waits).and_then(|(network, number)| taken.remove(network, number));
        lost.inspect(|entry| entry.lost.cancel()).is_some()
    }

    /// Has one connection end whose client is waited for, for the sake of one more of `address`. False if there is none.
    pub fn end_one(&self, address: IpAddr) -> bool {
        self.make_room(&mut self.taken.lock(), network(address), false, Instant::now())
    }
}

impl Permit {
    /// The client is waited for, from now on.
    pub fn waits(&self) {
        *self.entry.waiting_since.lock() = Some(Instant::now());
        self.of.changed.notify_waiters();
    }

    /// The client is not waited for: the permit is not lost.
    pub fn works(&self) {
        *self.entry.waiting_since.lock() = None;
    }

    /// Returns when the permit is lost.
    pub async fn lost(&self) {
        self.entry.lost.cancelled().await;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.of.taken.lock().remove(self.network, self.number);
        self.of.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn is_lost(permit: &Permit) -> bool {
        permit.entry.lost.is_cancelled()
    }

    fn take(permits: &Arc<Permits>, address: &str) -> Option<Permit> {
        permits.try_take(address.parse().unwrap()).ok()
    }

    #[test]
    fn who_was_waited_for_longest_in_the_network_that_has_most_makes_room() {
        for (who, works, newcomer, lost) in [
            // All are idle: the oldest of the greedy one.
            ("aabbbc", "", "d", Some(2)),
            ("cbbb", "", "c", Some(1)),
            // It works, so the next.
            ("aabbbc", "2", "d", Some(3)),
            ("aabbbc", "234", "d", Some(0)),
            // All of the greedy ones work.
            ("aabbbc", "01234", "d", Some(5)),
            // Who has more than the others does not take theirs.
            ("aabbbc", "234", "b", None),
            ("aabbbc", "012345", "d", None),
            ("abcdef", "", "g", Some(0)),
        ] {
            let permits = Permits::new(who.len(), 100, Duration::ZERO);
            let address = |who: char| format!("192.0.2.{}", who as u32);
            let taken: Vec<_> = who.chars().map(|who| take(&permits, &address(who)).unwrap()).collect();
            for index in works.chars() {
                taken[index.to_digit(10).unwrap() as usize].works();
            }
            let newcomer = take(&permits, &address(newcomer.chars().next().unwrap()));
            assert_eq!(newcomer.is_some(), lost.is_some(), "{who} {works}");
            assert_eq!(taken.iter().position(is_lost), lost, "{who} {works}");
            drop((taken, newcomer));
            let left = permits.taken.lock();
            assert_eq!((left.all, left.networks.len()), (0, 0));
        }
    }

    #[test]
    fn a_network_that_has_its_share_gets_one_more_at_its_own_cost_only() {
        let permits = Permits::new(100, 2, Duration::ZERO);
        let other = take(&permits, "192.0.2.9").unwrap();
        let [first, second] = ["2001:db8::1", "2001:db8::2"].map(|address| take(&permits, address).unwrap());
        first.works();
        let third = take(&permits, "2001:db8::3").unwrap();
        assert_eq!([&other, &first, &second, &third].map(is_lost), [false, false, true, false]);
        third.works();
        assert!(take(&permits, "2001:db8::4").is_none());
        assert!(take(&permits, "2001:db8:0:1::4").is_some());
        first.waits();
        assert!(take(&permits, "2001:db8::4").is_some() && is_lost(&first));
    }

    #[tokio::test(start_paused = true)]
    async fn who_finds_all_permits_taken_waits_for_one() {
        let address = |n: u8| IpAddr::from([192, 0, 2, n]);
        let permits = Permits::new(1, 1, Duration::from_secs(3600));
        let first = permits.take(address(1)).await;
        assert!(permits.take_in_share(address(1)).await.is_none(), "its own network has no more");
        for n in [1, 2] {
            assert!(futures::poll!(std::pin::pin!(permits.take(address(n)))).is_pending());
        }
        let (second, ()) = tokio::join!(permits.take_in_share(address(2)), async { drop(first) });
        assert!(second.is_some_and(|second| !is_lost(&second)), "it was not waited for long enough");
        let permits = Permits::new(1, 1, Duration::ZERO);
        let works = permits.take(address(1)).await;
        works.works();
        assert!(!permits.end_one(address(2)));
        let (next, ()) = tokio::join!(permits.take(address(2)), async { works.waits() });
        works.lost().await;
        assert!(permits.end_one(address(3)) && is_lost(&next));
    }
}
