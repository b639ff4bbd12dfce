//! A client from its configuration.

use std::path::PathBuf;
use std::sync::Arc;

use tokio_rustls::TlsConnector;

use super::address::AddressPolicy;
use super::auth;
use super::client::{HttpClient, Inner};
use super::connect::Connector;
use super::connection::HeadLimits;
use super::pool::Pool;
use super::resolve::{Resolve, SystemResolver};
use super::site::Site;
use super::stats::ClientStats;
use super::tls;
use crate::config::{ClientConfig, Origin};

/// Why a client cannot be made: the operator's mistake, or the machine's. One line, no secrets.
#[derive(Debug, thiserror::Error)]
pub enum ClientBuildError {
    /// An entry of `allow_origins` cannot be the beginning of a URL.
    #[error("allow_origins: {origin}: {reason}")]
    Origin {
        /// The entry.
        origin: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// `ca_file` cannot be used.
    #[error("ca_file {}: {reason}", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// An `https` origin is allowed and the system has no certificates to trust.
    #[error("no certificates to trust: {reason}; ca_file can name some")]
    SystemCertificates {
        /// What the system said.
        reason: String,
    },
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(rustls::Error),
    /// The credentials cannot be sent.
    #[error("the credentials for the application cannot be used: {reason}")]
    Auth {
        /// What is wrong with them; not what they are.
        reason: &'static str,
    },
}

impl HttpClient {
    /// Makes a client. Reads `ca_file`, or the system's certificates if an `https` origin is allowed; opens no
    /// connection. Files are read in the calling thread.
    ///
    /// # Errors
    ///
    /// See [`ClientBuildError`].
    pub fn new(config: &ClientConfig) -> Result<Self, ClientBuildError> {
        Self::with_resolver(config, Arc::new(SystemResolver::new()))
    }

    /// Makes a client for the place of this one: what it does is counted with what this one has done.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn replaced(&self, config: &ClientConfig) -> Result<Self, ClientBuildError> {
        Self::build(config, Arc::new(SystemResolver::new()), Arc::clone(self.stats()))
    }

    pub(super) fn with_resolver(config: &ClientConfig, resolver: Arc<dyn Resolve>) -> Result<Self, ClientBuildError> {
        Self::build(config, resolver, Arc::default())
    }

    fn build(
        config: &ClientConfig,
        resolver: Arc<dyn Resolve>,
        stats: Arc<ClientStats>,
    ) -> Result<Self, ClientBuildError> {
        let authorization = config.auth.as_ref().map(auth::header).transpose()?;
        // A bad ca_file is reported even when nothing needs it yet.
        let tls = match &config.ca_file {
            Some(path) => Some(tls::configure(Some(path))?),
            None if config.allow_origins.iter().any(Origin::is_https) => Some(tls::configure(None)?),
            None => None,
        };
        let mut sites: Vec<Site> = Vec::with_capacity(config.allow_origins.len());
        for origin in config.allow_origins.clone() {
            if sites.iter().any(|site| site.origin == origin) {
                continue;
            }
            let authorization = authorization.clone().filter(|_| config.auth_origins.contains(&origin));
            let pool = Pool::new(origin.is_https(), config.max_idle_connections, config.idle_timeout);
            let name = origin.to_string();
            let site = Site::new(origin, authorization, pool)
                .map_err(|_| ClientBuildError::Origin { origin: name, reason: "it does not fit a URL" })?;
            sites.push(site);
        }
        let connector = Connector {
            resolver,
            policy: AddressPolicy::new(&config.allow_addresses),
            tls: tls.map(|config| TlsConnector::from(Arc::new(config))),
            timeout: config.connect_timeout,
            limits: HeadLimits { bytes: config.max_response_head, fields: config.max_response_headers },
            stats: Arc::clone(&stats),
        };
        Ok(Self::from_inner(Inner { sites, connector, stats, config: limits_only(config) }))
    }
}

/// The client keeps the numbers; secrets and lists have gone where they are needed.
fn limits_only(config: &ClientConfig) -> ClientConfig {
    ClientConfig {
        allow_origins: Vec::new(),
        allow_addresses: Vec::new(),
        auth: None,
        auth_origins: Vec::new(),
        ca_file: None,
        ..config.clone()
    }
}
