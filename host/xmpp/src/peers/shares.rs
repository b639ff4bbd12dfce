//! So many at once, for each network.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use super::network;

/// How many of something each network has.
pub struct Shares {
    most: usize,
    taken: Mutex<HashMap<IpAddr, usize>>,
}

/// One of them; dropped, it is given back.
pub struct Share {
    network: IpAddr,
    of: Arc<Shares>,
}

impl Shares {
    /// No network may have more than `most`.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, taken: Mutex::default() })
    }

    /// One more for `address`, if it may have it.
    pub fn take(self: &Arc<Self>, address: IpAddr) -> Option<Share> {
        let network = network(address);
        let mut taken = self.taken.lock();
        let here = taken.get(&network).copied().unwrap_or(0);
        if here >= self.most {
            return None;
        }
        taken.insert(network, here + 1);
        Some(Share { network, of: Arc::clone(self) })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.of.taken.lock();
        if let Some(here) = taken.get_mut(&self.network) {
            *here -= 1;
            if *here == 0 {
                taken.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_network_has_its_share_and_no_more_and_nothing_is_left_of_it() {
        let shares = Shares::new(2);
        let take = |address: &str| shares.take(address.parse().unwrap());
        let (first, second) = (take("2001:db8::1").unwrap(), take("2001:db8::2").unwrap());
        assert!(take("2001:db8::3").is_none());
        let other = take("192.0.2.1").unwrap();
        drop(first);
        let third = take("2001:db8::3").unwrap();
        assert!(take("2001:db8::4").is_none());
        drop((second, third, other));
        assert!(shares.taken.lock().is_empty());
    }
}
