//! A client from its configuration.

use std::sync::Arc;

use tokio_rustls::TlsConnector;

use super::build_error::ClientBuildError;
use super::client::{HttpClient, Inner};
use super::connections::{AddressPolicy, Connector, Destination, HeadLimits, Pool, Resolve, SystemResolver, tls};
use super::request::authorization;
use super::request::site::Site;
use super::stats::ClientStats;
use crate::config::{ClientConfig, Origin};

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
        let authorization = config.auth.as_ref().map(authorization).transpose()?;
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
            let unfit = |_| ClientBuildError::Origin { origin: origin.to_string(), reason: "it does not fit a URL" };
            let destination = Destination::new(origin.clone()).map_err(unfit)?;
            let pool = Pool::new(destination, config.max_idle_connections, config.idle_timeout);
            sites.push(Site::new(origin.clone(), authorization, pool).map_err(unfit)?);
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
