//! How many refresh requests are worked on at once: so many for each virtual host, so that a plugin that is slow holds up
//! its own domain only, and of them so many from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use roster_xmpp::peers::{Share, Shares};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::http::refusal::Refusal;

/// See the module.
pub(in crate::http) struct RequestPermits {
    most: usize,
    hosts: Mutex<HashMap<Arc<str>, OfHost>>,
}

struct OfHost {
    all: Arc<Semaphore>,
    addresses: Arc<Shares>,
}

/// That a request may be worked on; dropped, another may.
pub(in crate::http) struct RequestPermit {
    _permit: OwnedSemaphorePermit,
    _share: Share,
}

impl RequestPermits {
    /// `most` of one address, and four times as many in all.
    pub(in crate::http) fn new(most: usize) -> Self {
        Self { most, hosts: Mutex::default() }
    }

    /// A permit for a request of `peer` to the virtual host `domain`.
    pub(in crate::http) fn take(&self, domain: &Arc<str>, peer: IpAddr) -> Result<RequestPermit, Refusal> {
        let (all, addresses) = {
            let mut hosts = self.hosts.lock();
            // One for each virtual host there ever was: as many as an operator can write.
            let host = hosts.entry(Arc::clone(domain)).or_insert_with(|| OfHost {
                all: Arc::new(Semaphore::new(self.most.saturating_mul(4).min(Semaphore::MAX_PERMITS))),
                addresses: Shares::new(self.most),
            });
            (Arc::clone(&host.all), Arc::clone(&host.addresses))
        };
        let permits = addresses.take(peer).zip(all.try_acquire_owned().ok());
        permits
            .map(|(share, permit)| RequestPermit { _permit: permit, _share: share })
            .ok_or(Refusal::Busy { limit: self.most })
    }
}
