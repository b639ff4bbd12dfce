//! The XMPP endpoint as one sink among others.
//!
//! The endpoint itself is the crate `roster-xmpp`, which knows nothing of this host. Here are the two seams: [`source`] is
//! how it asks for rosters, [`sink`] how it hears of changes; [`hosts`] has the domains, which may change while it serves;
//! [`application`] is who may log in where that is asked over HTTP.
//! [`certificate`] is what they are shown, [`websocket`] for those behind a proxy, [`collector`] counts. [`XmppServer`] puts them together.

mod application;
mod certificate;
mod collector;
mod hosts;
mod limits;
mod sink;
mod source;
mod websocket;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use roster_xmpp::accounts::file::AccountsFileError;
use roster_xmpp::config::EndpointConfig;
use roster_xmpp::{Endpoint, EndpointError};
use rustls::ServerConfig;
use tokio::task::JoinSet;

use crate::cluster::Cluster;
use crate::config::{Config, HostConfig, XmppConfig};
use crate::descriptors::For;
use crate::http::{Listening, ServeError};
use crate::http_client::ClientBuildError;
use crate::metrics::Metrics;
use crate::rosters::Rosters;
use crate::sockets::{Purpose, Sockets};
use crate::tls::Certificates;

use certificate::Tls;
pub(crate) use hosts::{Wanted, XmppHosts};
pub use sink::XmppSink;

/// The XMPP endpoint cannot be started. Each is one line.
#[derive(Debug, thiserror::Error)]
pub enum XmppError {
    /// The accounts of a virtual host cannot be read.
    #[error("[[host]] {domain}: {source}")]
    Accounts {
        /// The virtual host.
        domain: String,
        /// Why.
        source: AccountsFileError,
    },
    /// The HTTP client that asks the application for passwords cannot be made.
    #[error("[[host]] {domain}: http_auth_url: {source}")]
    Client {
        /// The virtual host.
        domain: String,
        /// Why.
        source: ClientBuildError,
    },
    /// A name that is no XMPP domain.
    #[error("[[host]] {domain}: not an XMPP domain")]
    Domain {
        /// The virtual host.
        domain: String,
    },
    /// An account's name that is none.
    #[error("[[host]] {domain}: {user}: not a username")]
    Username {
        /// The virtual host.
        domain: String,
        /// The name.
        user: String,
    },
    /// No virtual host has accounts.
    #[error("[xmpp]: no [[host]] has accounts or http_auth_url, so nobody could log in")]
    NoAccounts,
    /// The certificate cannot be used.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The certificate that a program gave cannot be used.
    #[error("the certificate given for XMPP clients cannot be used: {reason}")]
    Certificate {
        /// Why.
        reason: String,
    },
    /// There is no certificate where one is needed.
    #[error("[xmpp]: {0}")]
    Endpoint(EndpointError),
}

/// An endpoint whose sockets are bound.
pub struct XmppServer {
    endpoint: Endpoint,
    /// Files to watch.
    certificates: Option<Arc<Certificates>>,
}

impl XmppServer {
    /// An endpoint for those of `rosters` (in the order of `config.hosts`) that have accounts, one of several in a `cluster`, and lets `sink` tell
    /// it of changes. `tls`: the certificate of the HTTPS listener.
    pub(crate) fn new(
        sockets: &mut Sockets,
        config: &Config,
        xmpp: &XmppConfig,
        (rosters, cluster): (&[Arc<Rosters>], Option<&Arc<Cluster>>),
        sink: &XmppSink,
        tls: Option<Arc<ServerConfig>>,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, XmppError> {
        let state = config.plugin_state.as_deref();
        let hosted = config.hosts.iter().zip(rosters);
        let hosted = hosted.map(|(host, rosters)| hosts::new(host, (rosters, cluster), xmpp, state));
        let hosted: Vec<_> = hosted.filter_map(Result::transpose).collect::<Result<_, _>>()?;
        if hosted.is_empty() {
            return Err(XmppError::NoAccounts);
        }
        let domains = hosts::domains(&hosted);
        let names = domains.iter().map(|(domain, _)| domain.to_string()).collect();
        let tls = Tls::new(&xmpp.certificate, tls, names, metrics)?;
        let config = endpoint_config(xmpp, tls.config.is_some());
        let listeners = [(Purpose::Xmpp, false), (Purpose::XmppTls, true)];
        let listeners = listeners.into_iter().filter_map(|(purpose, tls)| Some((sockets.take(purpose)?, tls)));
        let endpoint = Endpoint::on(listeners, config, tls.config, hosted).map_err(XmppError::Endpoint)?;
        if let Some(cluster) = cluster {
            cluster.serve_endpoints(&domains);
        }
        sink.serve(domains, endpoint.counters());
        Ok(Self { endpoint, certificates: tls.files })
    }

    /// What the listeners of `[http]` serve for clients that come over WebSocket: over plain HTTP, and over HTTPS.
    pub(crate) fn websocket(&self, xmpp: &XmppConfig, listening: &Listening) -> Option<(Router, Router)> {
        let port = |address: Option<SocketAddr>| address.map(|address| address.port());
        let (http, https) = (port(listening.refresh_http), port(listening.refresh_https));
        xmpp.websocket.then(|| {
            let plain = match xmpp.websocket_behind_tls {
                false => self.endpoint.websocket(false, http),
                true => websocket::behind_proxy(self.endpoint.websocket(true, None)),
            };
            (plain, self.endpoint.websocket(true, https))
        })
    }

    /// What changes its virtual hosts while it serves.
    pub(crate) fn hosts(&self, xmpp: &XmppConfig, config: &Config, sink: &Arc<XmppSink>) -> XmppHosts {
        XmppHosts::new(self.endpoint.served(), sink, xmpp, config.plugin_state.as_deref())
    }

    /// Where clients connect, with the port the system chose: without TLS at first, or with it.
    pub fn address(&self, tls: bool) -> Option<SocketAddr> {
        self.endpoint.listening().into_iter().find(|listening| listening.tls == tls).map(|listening| listening.address)
    }

    /// Serves until `stop` returns, and then says goodbye to everybody.
    pub(crate) async fn serve(self, stop: impl Future<Output = ()>) {
        // Dropping the set ends its task.
        let mut background = JoinSet::new();
        if let Some(certificates) = self.certificates {
            background.spawn(certificates.watch());
        }
        self.endpoint.serve(stop).await;
    }
}

/// Everything short of listening, the certificate aside: can anybody log in?
pub(crate) fn check(hosts: &[HostConfig]) -> Result<(), XmppError> {
    let accounts: Result<Vec<_>, _> = hosts.iter().map(|host| hosts::accounts_of(host, None)).collect();
    if accounts?.iter().all(Option::is_none) { Err(XmppError::NoAccounts) } else { Ok(()) }
}

fn endpoint_config(xmpp: &XmppConfig, has_certificate: bool) -> EndpointConfig {
    EndpointConfig {
        listen: xmpp.listen.into_iter().collect(),
        listen_tls: xmpp.tls_listen.filter(|_| has_certificate).into_iter().collect(),
        require_encryption: xmpp.require_encryption,
        allow_unencrypted_plain_auth: xmpp.allow_unencrypted_plain_auth,
        websocket_url: xmpp.websocket_url.clone(),
        has_room: || For::XmppClient.has_room(),
        limits: limits::clients(&xmpp.limits),
        timeouts: limits::timeouts(&xmpp.timeouts),
        login: limits::login(&xmpp.login),
        resumption: limits::resumption(&xmpp.resumption),
    }
}
