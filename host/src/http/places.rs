//! How many refresh requests are worked on at once: so many for each virtual host, so that a plugin that is slow holds up
//! its own domain only, and of them so many from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use roster_xmpp::peers::{Share, Shares};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::VirtualHosts;
use super::refusal::Refusal;

/// See the module.
pub(super) struct Places {
    most: usize,
    hosts: HashMap<Arc<str>, OfHost>,
}

struct OfHost {
    all: Arc<Semaphore>,
    addresses: Arc<Shares>,
}

/// One place; dropped, it is free.
pub(super) struct Place {
    _place: OwnedSemaphorePermit,
    _share: Share,
}

impl Places {
    /// `most` of one address, and four times as many in all.
    pub(super) fn new(most: usize, hosts: &VirtualHosts) -> Self {
        let of_host = || OfHost {
            all: Arc::new(Semaphore::new(most.saturating_mul(4).min(Semaphore::MAX_PERMITS))),
            addresses: Shares::new(most),
        };
        Self { most, hosts: hosts.iter().map(|host| (Arc::clone(host.domain()), of_host())).collect() }
    }

    /// A free place for a request of `peer` to the virtual host `domain`.
    pub(super) fn take(&self, domain: &str, peer: IpAddr) -> Result<Place, Refusal> {
        let place = self.hosts.get(domain).and_then(|host| {
            let share = host.addresses.take(peer)?;
            let place = Arc::clone(&host.all).try_acquire_owned().ok()?;
            Some(Place { _place: place, _share: share })
        });
        place.ok_or(Refusal::Busy { limit: self.most })
    }
}
