//! How many refresh requests are worked on at once: so many for each virtual host, so that a plugin that is slow holds up
//! its own domain only, and of them so many from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use roster_xmpp::peers::{Share, Shares};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::refusal::Refusal;

/// See the module.
pub(super) struct Places {
    most: usize,
    hosts: Mutex<HashMap<Arc<str>, OfHost>>,
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
    pub(super) fn new(most: usize) -> Self {
        Self { most, hosts: Mutex::default() }
    }

    /// A free place for a request of `peer` to the virtual host `domain`.
    pub(super) fn take(&self, domain: &Arc<str>, peer: IpAddr) -> Result<Place, Refusal> {
        let (all, addresses) = {
            let mut hosts = self.hosts.lock();
            // One for each virtual host there ever was: as many as an operator can write.
            let host = hosts.entry(Arc::clone(domain)).or_insert_with(|| OfHost {
                all: Arc::new(Semaphore::new(self.most.saturating_mul(4).min(Semaphore::MAX_PERMITS))),
                addresses: Shares::new(self.most),
            });
            (Arc::clone(&host.all), Arc::clone(&host.addresses))
        };
        let place = addresses.take(peer).zip(all.try_acquire_owned().ok());
        place.map(|(share, place)| Place { _place: place, _share: share }).ok_or(Refusal::Busy { limit: self.most })
    }
}
