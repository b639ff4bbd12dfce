//! New connections: look up, check, TCP, TLS.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower::ServiceExt;
use url::Host;

use super::address::AddressPolicy;
use super::connection::{Connection, HeadLimits};
use super::destination::Destination;
use super::phase::{Phase, Progress};
use super::resolve::{CheckedAddresses, LookupError, Resolve, look_up};
use super::tls;
use crate::descriptors::For;
use crate::http_client::error::{ErrorKind, Failure, cause, chain};
use crate::http_client::stats::ClientStats;

/// The key of the deadline for a new connection.
pub(in crate::http_client) const CONNECT_KEY: &str = "client.connect_timeout";

/// A silent peer is probed after this long, then every [`KEEPALIVE_INTERVAL`].
const KEEPALIVE: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// Opens connections to a [`Destination`].
pub(in crate::http_client) struct Connector {
    pub(in crate::http_client) resolver: Arc<dyn Resolve>,
    pub(in crate::http_client) policy: AddressPolicy,
    pub(in crate::http_client) tls: Option<TlsConnector>,
    /// Divided among the addresses of a name, so that one that never answers leaves time for the others.
    pub(in crate::http_client) timeout: Duration,
    pub(in crate::http_client) limits: HeadLimits,
    pub(in crate::http_client) stats: Arc<ClientStats>,
}

impl Connector {
    /// A new connection, ready for requests. The caller keeps the deadline.
    pub(super) async fn connect(&self, destination: &Destination, progress: &Progress) -> Result<Connection, Failure> {
        if !For::Application.has_room() {
            return Err(Failure::new(ErrorKind::Connect, "cannot connect: too many files and connections are open"));
        }
        let literal = |address| self.policy.check(address).map_err(|reason| refused(address, reason));
        let addresses = match destination.origin.host() {
            // The TCP connector does not ask for the addresses of an address.
            Host::Ipv4(address) => literal(IpAddr::V4(*address)).map(|()| CheckedAddresses::default())?,
            Host::Ipv6(address) => literal(IpAddr::V6(*address)).map(|()| CheckedAddresses::default())?,
            Host::Domain(name) => {
                progress.enter(Phase::Dns);
                look_up(&*self.resolver, &self.policy, name).await.map_err(no_address)?
            }
        };
        progress.enter(Phase::Tcp);
        let tcp =
            self.tcp(addresses).oneshot(destination.tcp.clone()).await.map_err(|error| self.no_connection(&error))?;
        let made = if destination.origin.is_https() {
            progress.enter(Phase::Tls);
            let tls = self.handshake(destination, tcp.into_inner()).await?;
            progress.enter(Phase::Http);
            let http2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
            let open = Arc::clone(&self.stats).opened();
            if http2 {
                Connection::http2(tls, self.limits, open).await
            } else {
                Connection::http1(TokioIo::new(tls), self.limits, open).await
            }
        } else {
            Connection::http1(tcp, self.limits, Arc::clone(&self.stats).opened()).await
        };
        made.map_err(|error| Failure::new(ErrorKind::Connect, format!("cannot connect: {}", chain(&error))))
    }

    fn tcp(&self, addresses: CheckedAddresses) -> HttpConnector<CheckedAddresses> {
        let mut tcp = HttpConnector::new_with_resolver(addresses);
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEPALIVE));
        tcp.set_keepalive_interval(Some(KEEPALIVE_INTERVAL));
        tcp.set_connect_timeout(Some(self.timeout));
        tcp
    }

    async fn handshake(&self, destination: &Destination, tcp: TcpStream) -> Result<TlsStream<TcpStream>, Failure> {
        // Without a configuration no https origin is allowed, and without an allowed origin there is no destination.
        let (Some(connector), Some(name)) = (&self.tls, server_name(destination.origin.host())) else {
            return Err(Failure::new(ErrorKind::Tls, "TLS failed: not a name TLS can check"));
        };
        connector.connect(name, tcp).await.map_err(|error| tls::explain(&error))
    }

    fn no_connection(&self, error: &(dyn std::error::Error + 'static)) -> Failure {
        match cause::<io::Error>(error).map(io::Error::kind) {
            Some(io::ErrorKind::ConnectionRefused) => Failure::new(ErrorKind::ConnectRefused, "connection refused"),
            Some(io::ErrorKind::TimedOut) => {
                let detail = format!("{} within {:?} ({CONNECT_KEY})", Phase::Tcp, self.timeout);
                Failure::new(ErrorKind::ConnectTimeout, detail)
            }
            _ => Failure::new(ErrorKind::Connect, format!("cannot connect: {}", chain(error))),
        }
    }
}

fn no_address(error: LookupError) -> Failure {
    match error {
        LookupError::Refused { address, reason } => refused(address, reason),
        failed => Failure::new(ErrorKind::Dns, format!("the host name cannot be looked up: {failed}")),
    }
}

fn refused(address: IpAddr, reason: &'static str) -> Failure {
    let detail = format!("the address {address} is refused: it is {reason} (client.allow_addresses)");
    Failure::new(ErrorKind::AddressRefused, detail)
}

fn server_name(host: &Host<String>) -> Option<ServerName<'static>> {
    match host {
        Host::Domain(name) => ServerName::try_from(name.clone()).ok(),
        Host::Ipv4(address) => Some(ServerName::from(IpAddr::V4(*address))),
        Host::Ipv6(address) => Some(ServerName::from(IpAddr::V6(*address))),
    }
}
