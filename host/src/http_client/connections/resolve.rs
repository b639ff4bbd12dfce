//! Host names to addresses, and only to addresses that may be reached.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::BoxFuture;
use hyper_util::client::legacy::connect::dns::Name;
use tokio::sync::Semaphore;
use tower_service::Service;

use super::address::AddressPolicy;

/// Lookups at once. The system's resolver blocks a thread and cannot be cancelled: when DNS hangs, this many threads
/// hang with it and not more; the requests behind them run into their connect deadline.
const MAX_LOOKUPS: usize = 8;

/// Addresses tried for one connection.
const MAX_ADDRESSES: usize = 16;

/// Looks names up. A trait so that tests can answer.
pub(in crate::http_client) trait Resolve: Send + Sync + 'static {
    /// All addresses of `host`, the preferred one first.
    fn resolve(&self, host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The system's resolver (`getaddrinfo`): hosts file, DNS, whatever the machine is set up for.
pub(in crate::http_client) struct SystemResolver {
    permits: Arc<Semaphore>,
}

impl SystemResolver {
    pub(in crate::http_client) fn new() -> Self {
        Self { permits: Arc::new(Semaphore::new(MAX_LOOKUPS)) }
    }
}

impl Resolve for SystemResolver {
    fn resolve(&self, host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let permits = Arc::clone(&self.permits);
        async move {
            let permit = permits.acquire_owned().await.map_err(io::Error::other)?;
            let lookup = tokio::task::spawn_blocking(move || {
                // Held by the thread, not by the waiting request, which may be gone before the answer.
                let _permit = permit;
                Ok((host.as_str(), 0).to_socket_addrs()?.map(|address| address.ip()).collect())
            });
            lookup.await.map_err(io::Error::other)?
        }
        .boxed()
    }
}

/// Why a name led to no address.
#[derive(Debug, thiserror::Error)]
pub(super) enum LookupError {
    #[error(transparent)]
    Failed(io::Error),
    #[error("no address")]
    Empty,
    #[error("{address} is {reason}")]
    Refused { address: IpAddr, reason: &'static str },
}

/// The addresses of `host` that [`AddressPolicy`] does not refuse.
pub(super) async fn look_up(
    resolver: &dyn Resolve,
    policy: &AddressPolicy,
    host: &str,
) -> Result<CheckedAddresses, LookupError> {
    let found = resolver.resolve(host.to_owned()).await.map_err(LookupError::Failed)?;
    permitted(found, policy).map(CheckedAddresses)
}

/// What was looked up and checked, in the shape of the resolver that the TCP connector wants.
#[derive(Clone, Debug, Default)]
pub(super) struct CheckedAddresses(Vec<SocketAddr>);

impl Service<Name> for CheckedAddresses {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Name) -> Self::Future {
        ready(Ok(std::mem::take(&mut self.0).into_iter()))
    }
}

/// The addresses a plugin may reach. Some refused and some not is no error: the rest will do.
fn permitted(found: Vec<IpAddr>, policy: &AddressPolicy) -> Result<Vec<SocketAddr>, LookupError> {
    let mut refusal = LookupError::Empty;
    let mut addresses = Vec::with_capacity(found.len().min(MAX_ADDRESSES));
    for address in found {
        match policy.check(address) {
            // The connector fills in the port.
            Ok(()) if addresses.len() < MAX_ADDRESSES => addresses.push(SocketAddr::new(address, 0)),
            Ok(()) => break,
            Err(reason) if matches!(refusal, LookupError::Empty) => refusal = LookupError::Refused { address, reason },
            Err(_) => {}
        }
    }
    if addresses.is_empty() { Err(refusal) } else { Ok(addresses) }
}
