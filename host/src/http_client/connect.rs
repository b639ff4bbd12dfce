//! New connections: look up, check, TCP, TLS.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;
use tower::ServiceExt;
use url::Host;

use super::SendError;
use super::address::AddressPolicy;
use super::connection::Connection;
use super::error::{cause, chain};
use super::resolve::{CheckedResolver, LookupError, Resolve};
use super::site::Site;
use super::stats::ClientStats;
use super::tls::{self, TlsFailure};

/// A silent peer is probed after this long, then every [`KEEPALIVE_INTERVAL`].
const KEEPALIVE: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// Opens connections to the address of a [`Site`].
pub(super) struct Connector {
    tcp: HttpConnector<CheckedResolver>,
    tls: Option<TlsConnector>,
    policy: Arc<AddressPolicy>,
    timeout: Duration,
    stats: Arc<ClientStats>,
}

impl Connector {
    /// `timeout`: divided among the addresses of a name, so that one that never answers leaves time for the others.
    pub(super) fn new(
        resolver: Arc<dyn Resolve>,
        policy: AddressPolicy,
        tls: Option<rustls::ClientConfig>,
        timeout: Duration,
        stats: Arc<ClientStats>,
    ) -> Self {
        let policy = Arc::new(policy);
        let mut tcp = HttpConnector::new_with_resolver(CheckedResolver::new(resolver, Arc::clone(&policy)));
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEPALIVE));
        tcp.set_keepalive_interval(Some(KEEPALIVE_INTERVAL));
        tcp.set_connect_timeout(Some(timeout));
        let tls = tls.map(|config| TlsConnector::from(Arc::new(config)));
        Self { tcp, tls, policy, timeout, stats }
    }

    /// A new connection, ready for requests. The caller keeps the deadline.
    pub(super) async fn connect(&self, site: &Site) -> Result<Connection, SendError> {
        // The TCP connector does not ask the resolver about an address.
        let literal = match site.origin.host() {
            Host::Ipv4(address) => Some(IpAddr::V4(*address)),
            Host::Ipv6(address) => Some(IpAddr::V6(*address)),
            Host::Domain(_) => None,
        };
        if let Some(address) = literal {
            self.policy.check(address).map_err(|reason| refused(site, address, reason))?;
        }
        let tcp = self.tcp.clone().oneshot(site.base.clone()).await;
        let tcp = tcp.map_err(|error| self.tcp_error(site, &error))?;
        let made = if site.origin.is_https() {
            let tls = self.handshake(site, tcp.into_inner()).await?;
            let http2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
            let (io, open) = (TokioIo::new(tls), Arc::clone(&self.stats).opened());
            if http2 { Connection::http2(io, open).await } else { Connection::http1(io, open).await }
        } else {
            Connection::http1(tcp, Arc::clone(&self.stats).opened()).await
        };
        made.map_err(|error| SendError::Connect { origin: site.origin.to_string(), reason: chain(&error) })
    }

    async fn handshake(
        &self,
        site: &Site,
        tcp: tokio::net::TcpStream,
    ) -> Result<tokio_rustls::client::TlsStream<tokio::net::TcpStream>, SendError> {
        let origin = || site.origin.to_string();
        // Without a configuration no https origin is allowed, and without an allowed origin there is no site.
        let (Some(connector), Some(name)) = (&self.tls, server_name(site.origin.host())) else {
            return Err(SendError::Tls { origin: origin(), reason: "not a name TLS can check".to_owned() });
        };
        connector.connect(name, tcp).await.map_err(|error| match tls::explain(&error) {
            TlsFailure::Certificate(reason) => SendError::Certificate { origin: origin(), reason },
            TlsFailure::Other(reason) => SendError::Tls { origin: origin(), reason },
        })
    }

    fn tcp_error(&self, site: &Site, error: &(dyn std::error::Error + 'static)) -> SendError {
        let origin = site.origin.to_string();
        match cause::<LookupError>(error) {
            Some(LookupError::Refused { address, reason }) => return refused(site, *address, reason),
            Some(failed) => return SendError::Dns { origin, reason: failed.to_string() },
            None => {}
        }
        match cause::<io::Error>(error).map(io::Error::kind) {
            Some(io::ErrorKind::ConnectionRefused) => SendError::ConnectRefused { origin },
            Some(io::ErrorKind::TimedOut) => SendError::ConnectTimeout { origin, after: self.timeout },
            _ => SendError::Connect { origin, reason: chain(error) },
        }
    }
}

fn refused(site: &Site, address: IpAddr, reason: &'static str) -> SendError {
    SendError::AddressRefused { origin: site.origin.to_string(), address, reason }
}

fn server_name(host: &Host<String>) -> Option<ServerName<'static>> {
    match host {
        Host::Domain(name) => ServerName::try_from(name.clone()).ok(),
        Host::Ipv4(address) => Some(ServerName::from(IpAddr::V4(*address))),
        Host::Ipv6(address) => Some(ServerName::from(IpAddr::V6(*address))),
    }
}
