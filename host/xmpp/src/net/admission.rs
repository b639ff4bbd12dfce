//! How many connections there may be, and how many TLS handshakes at once.
//!
//! Whoever connects too often is not even read from; of the others each network has so many connections at once, and so many TLS
//! handshakes.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::client_log::{Client, ClientLog, Detail, What};
use crate::config::ClientLimits;
use crate::counters::Counters;
use crate::peers::{self, Rates, Share, Shares};

/// A handshake that takes longer makes room for others when as many as may run.
const LONG_HANDSHAKE: Duration = Duration::from_secs(2);

/// Open connections, all and by address.
pub(crate) struct Admission {
    most: usize,
    counters: Arc<Counters>,
    log: Arc<ClientLog>,
    rates: Rates,
    shares: Arc<Shares>,
}

/// That a connection may be open; dropped, another may.
pub(crate) struct ConnectionPermit {
    counters: Arc<Counters>,
    _share: Share,
}

impl Admission {
    pub(crate) fn new(limits: &ClientLimits, counters: Arc<Counters>, log: Arc<ClientLog>) -> Self {
        let rates = Rates::new(limits.connections_per_second, limits.connections_per_address);
        let shares = Shares::new(limits.connections_per_address);
        Self { most: limits.connections, counters, log, rates, shares }
    }

    /// A permit for a connection of `client`, if there is one.
    pub(crate) fn take(&self, client: &Client) -> Option<ConnectionPermit> {
        let taken = match () {
            () if !self.rates.take(client.address, 1) => Err("connections_per_second"),
            () if self.counters.connections.get() >= self.most as u64 => Err("max_connections"),
            () => self.shares.take(client.address).ok_or("max_connections_per_address"),
        };
        match taken {
            Ok(share) => {
                self.counters.connections.increase();
                self.counters.connections_total.increase();
                Some(ConnectionPermit { counters: Arc::clone(&self.counters), _share: share })
            }
            Err(limit) => {
                self.counters.connections_refused.increase();
                self.log.note(What::ConnectionRefused, client, Detail { limit: Some(limit), ..Detail::default() });
                None
            }
        }
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.counters.connections.decrease();
    }
}

/// TLS handshakes that are under way.
pub(crate) struct Handshakes(Arc<peers::Permits>);

impl Handshakes {
    pub(crate) fn new(limits: &ClientLimits) -> Self {
        let most = limits.handshakes.max(1);
        Self(peers::Permits::new(most, most.div_ceil(4), LONG_HANDSHAKE))
    }

    /// Does `handshake`, whose client has sent something, as soon as it may.
    pub(crate) async fn run(&self, client: &Client, handshake: impl Future<Output = io::Result<()>>) -> io::Result<()> {
        let permit = self.0.take(client.address).await;
        tokio::select! {
            done = handshake => done,
            () = permit.lost() => Err(io::Error::other("the handshake took long, and others waited (max_handshakes)")),
        }
    }
}
