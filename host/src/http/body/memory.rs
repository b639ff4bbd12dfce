//! What the bodies of all requests take together.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use roster_xmpp::peers::network;
use tokio_util::sync::CancellationToken;

/// The memory for bodies, of which each network may have a share. When there is none left, the network that has most loses the
/// largest of its bodies that have not arrived.
pub(crate) struct BodyMemory {
    most: usize,
    share: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    bytes: usize,
    last: u64,
    networks: HashMap<IpAddr, Network>,
}

#[derive(Default)]
struct Network {
    bytes: usize,
    /// Those bodies that have not arrived, and those that have.
    bodies: HashMap<u64, Entry>,
}

struct Entry {
    bytes: usize,
    /// `None`: it has arrived.
    lost: Option<CancellationToken>,
}

/// What one body takes, until it is dropped.
pub(in crate::http) struct Claim {
    network: IpAddr,
    number: u64,
    lost: CancellationToken,
    of: Arc<BodyMemory>,
}

impl BodyMemory {
    /// `most` bytes, and for one network half of it, but at least `longest`: one body.
    pub(crate) fn new(most: usize, longest: usize) -> Arc<Self> {
        let most = most.max(longest);
        Arc::new(Self { most, share: (most / 2).max(longest), taken: Mutex::default() })
    }

    /// A body of a request from `address`, of which nothing has come.
    pub(in crate::http) fn claim(self: &Arc<Self>, address: IpAddr) -> Claim {
        let (network, lost) = (network(address), CancellationToken::new());
        let mut taken = self.taken.lock();
        taken.last += 1;
        let number = taken.last;
        let entry = Entry { bytes: 0, lost: Some(lost.clone()) };
        taken.networks.entry(network).or_default().bodies.insert(number, entry);
        Claim { network, number, lost, of: Arc::clone(self) }
    }
}

impl Taken {
    fn of(&self, network: IpAddr) -> usize {
        self.networks.get(&network).map_or(0, |network| network.bytes)
    }

    /// The largest body of `network` that has not arrived.
    fn largest(&self, network: IpAddr) -> Option<(usize, u64)> {
        let bodies = self.networks.get(&network)?.bodies.iter();
        bodies.filter(|(_, entry)| entry.lost.is_some()).map(|(number, entry)| (entry.bytes, *number)).max()
    }

    fn remove(&mut self, network: IpAddr, number: u64) {
        let Some(of) = self.networks.get_mut(&network) else { return };
        let Some(entry) = of.bodies.remove(&number) else { return };
        of.bytes -= entry.bytes;
        self.bytes -= entry.bytes;
        if of.bodies.is_empty() {
            self.networks.remove(&network);
        }
        if let Some(lost) = entry.lost {
            lost.cancel();
        }
    }
}

impl Claim {
    /// Takes `bytes` in all from now on. False if there is no memory for that; then it has what it had.
    pub(in crate::http) fn grow(&self, bytes: usize) -> bool {
        let mut taken = self.of.taken.lock();
        loop {
            let had = taken.networks.get(&self.network).and_then(|of| of.bodies.get(&self.number));
            let Some(had) = had.map(|entry| entry.bytes) else { return false };
            let more = bytes.saturating_sub(had);
            let mine = taken.of(self.network).saturating_add(more);
            let greediest = match () {
                () if mine > self.of.share => self.network,
                () if taken.bytes.saturating_add(more) > self.of.most => {
                    let others = taken.networks.iter().map(|(network, of)| (of.bytes, *network));
                    match others.filter(|(_, network)| taken.largest(*network).is_some()).max() {
                        Some((most, network)) if most >= mine => network,
                        _ => self.network,
                    }
                }
                () => break,
            };
            match taken.largest(greediest) {
                // Of one's own, those that take more than this will.
                Some((largest, number)) if greediest != self.network || largest > bytes => {
                    taken.remove(greediest, number);
                }
                _ => return false,
            }
        }
        let Some(of) = taken.networks.get_mut(&self.network) else { return false };
        let Some(entry) = of.bodies.get_mut(&self.number) else { return false };
        let more = bytes.saturating_sub(entry.bytes);
        entry.bytes += more;
        of.bytes += more;
        taken.bytes += more;
        true
    }

    /// All of it has arrived: it is not lost any more. False if it is lost already.
    pub(in crate::http) fn arrived(&self) -> bool {
        let mut taken = self.of.taken.lock();
        let entry = taken.networks.get_mut(&self.network).and_then(|of| of.bodies.get_mut(&self.number));
        entry.map(|entry| entry.lost = None).is_some()
    }

    /// Returns when it is lost to another.
    pub(in crate::http) async fn lost(&self) {
        self.lost.cancelled().await;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.of.taken.lock().remove(self.network, self.number);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn claim(memory: &Arc<BodyMemory>, network: u8) -> Claim {
        memory.claim(IpAddr::from([192, 0, 2, network]))
    }

    #[test]
    fn the_greediest_loses_what_has_not_arrived_and_nobody_has_more_than_a_share() {
        /// Network, bytes, and whether all of it arrives.
        type Body = (u8, usize, bool);
        type Case = (&'static str, &'static [Body], Body, bool, &'static [usize]);
        let cases: [Case; 8] = [
            ("there is room", &[(1, 40, false)], (2, 50, false), true, &[]),
            ("the one that has most", &[(1, 50, false), (2, 20, false), (2, 25, false)], (3, 10, false), true, &[0]),
            (
                "the largest of its bodies",
                &[(1, 20, false), (1, 30, false), (2, 45, false)],
                (3, 10, false),
                true,
                &[1],
            ),
            ("not what has arrived", &[(1, 50, true), (2, 45, false)], (3, 10, false), true, &[1]),
            ("nobody has what could be lost", &[(1, 50, true), (2, 45, true)], (3, 10, false), false, &[]),
            (
                "who has most does not take others'",
                &[(1, 30, true), (2, 20, false), (3, 45, true)],
                (1, 10, false),
                false,
                &[],
            ),
            ("a share, at one's own cost", &[(1, 45, false)], (1, 10, false), true, &[0]),
            ("a share, and what is there is smaller", &[(1, 20, false), (1, 20, false)], (1, 30, false), false, &[]),
        ];
        for (what, bodies, (network, bytes, _), fits, lost) in cases {
            let memory = BodyMemory::new(100, 10);
            let there: Vec<_> = bodies
                .iter()
                .map(|(network, bytes, arrived)| {
                    let claim = claim(&memory, *network);
                    assert!(claim.grow(*bytes) && (!arrived || claim.arrived()), "{what}");
                    claim
                })
                .collect();
            let one = claim(&memory, network);
            assert_eq!(one.grow(bytes), fits, "{what}");
            let gone: Vec<_> = (0..there.len()).filter(|n| there[*n].lost.is_cancelled()).collect();
            assert_eq!(gone, lost, "{what}");
            assert!(gone.iter().all(|n| !there[*n].grow(1000) && !there[*n].arrived()), "{what}");
            assert!(memory.taken.lock().bytes <= 100, "{what}");
            drop((there, one));
            let taken = memory.taken.lock();
            assert_eq!((taken.bytes, taken.networks.len()), (0, 0), "{what}");
        }
    }

    #[test]
    fn one_of_the_longest_bodies_always_fits() {
        let memory = BodyMemory::new(10, 1000);
        let one = claim(&memory, 1);
        assert!(one.grow(1000) && !one.grow(1001));
    }
}
