//! Accepting connections, within bounds.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::TaskTracker;
use tracing::warn;

use super::transport::Transport;
use super::wire::Wire;
use crate::client_log::{Client, ClientLog, Detail, What};
use crate::config::ClientLimits;
use crate::counters::Counters;
use crate::sasl::network;
use crate::session::connection::{Shared, serve};

/// How long accepting rests when the system has no file descriptors or memory left.
const REST: Duration = Duration::from_millis(100);
/// How often it is said.
const REMINDER: Duration = Duration::from_secs(60);

/// Open connections, all and by address.
pub(crate) struct Places {
    most: usize,
    most_per_address: usize,
    counters: Arc<Counters>,
    log: Arc<ClientLog>,
    taken: Mutex<HashMap<IpAddr, usize>>,
}

/// One connection's place.
pub(crate) struct Place {
    address: IpAddr,
    places: Arc<Places>,
}

impl Places {
    pub(crate) fn new(limits: &ClientLimits, counters: Arc<Counters>, log: Arc<ClientLog>) -> Self {
        let ClientLimits { connections: most, connections_per_address: most_per_address, .. } = *limits;
        Self { most, most_per_address, counters, log, taken: Mutex::default() }
    }

    /// A place for a connection of `client`, if there is one.
    pub(crate) fn take(self: &Arc<Self>, client: &Client) -> Option<Place> {
        let address = network(client.address);
        let mut taken = self.taken.lock();
        let here = taken.get(&address).copied().unwrap_or(0);
        let limit = match () {
            () if here >= self.most_per_address => Some("max_connections_per_address"),
            () if self.counters.connections.get() >= self.most as u64 => Some("max_connections"),
            () => None,
        };
        if limit.is_some() {
            drop(taken);
            self.counters.connections_refused.increase();
            self.log.note(What::ConnectionRefused, client, Detail { limit, ..Detail::default() });
            return None;
        }
        taken.insert(address, here + 1);
        self.counters.connections.increase();
        self.counters.connections_total.increase();
        Some(Place { address, places: Arc::clone(self) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock();
        if let Some(here) = taken.get_mut(&self.address) {
            *here -= 1;
            if *here == 0 {
                taken.remove(&self.address);
            }
        }
        self.places.counters.connections.decrease();
    }
}

/// Accepts until the endpoint stops.
pub(crate) async fn accept(
    shared: Arc<Shared>,
    listener: TcpListener,
    direct: bool,
    places: Arc<Places>,
    tasks: TaskTracker,
) {
    let mut complained: Option<Instant> = None;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shared.stopped() => return,
        };
        match accepted {
            // Dropped, and so closed.
            Ok(_) if !(shared.config.has_room)() => shared.counters.connections_refused.increase(),
            Ok((stream, address)) => {
                let client = Client::new(address.ip(), if direct { "tls" } else { "tcp" });
                if let Some(place) = places.take(&client) {
                    tasks.spawn(begin(Arc::clone(&shared), stream, client, direct, place));
                }
            }
            Err(error) => {
                if !matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
                    if complained.is_none_or(|last| last.elapsed() >= REMINDER) {
                        warn!(%error, "cannot accept connections");
                        complained = Some(Instant::now());
                    }
                    sleep(REST).await;
                }
            }
        }
    }
}

async fn begin(shared: Arc<Shared>, stream: TcpStream, client: Client, direct: bool, place: Place) {
    // Without it stanzas wait for acknowledgements of earlier ones; if it cannot be had, so be it.
    let _ = stream.set_nodelay(true);
    let mut transport = Transport::Tcp(stream);
    if direct {
        let Some(tls) = &shared.tls else { return };
        let begun = tokio::select! {
            begun = timeout(shared.config.timeouts.login, transport.start_tls(&tls.direct)) => begun,
            () = shared.stopped() => return,
        };
        match begun {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return shared.client_log.tls_failed(&client, &error.to_string()),
            Err(_) => return shared.client_log.tls_failed(&client, "the handshake took too long"),
        }
    }
    let wire = Box::new(Wire::new(transport, &shared.config, &shared.memory));
    serve(shared, wire, client, direct, place).await;
}
