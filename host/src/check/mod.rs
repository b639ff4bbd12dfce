//! `--check-config` and `fetch`: everything short of serving.

mod summary;

use std::sync::Arc;

use tracing::warn;

use crate::assembly::{StartError, load};
use crate::config::{Config, HostConfig};
use crate::http::ServeError;
use crate::http_client::HttpClient;
use crate::metrics::Metrics;
use crate::plugin::{PluginEngine, WasmPlugin};

pub use summary::summary;

/// Reads the certificates and accounts, loads the plugin of every virtual host and lets it check its settings (the configured
/// one, whatever may stand in for it); binds nothing and sends nothing.
pub async fn everything(config: &Config) -> Result<(), StartError> {
    let engine = PluginEngine::configured(config, &config.hosts).map_err(StartError::Engine)?;
    for warning in crate::tls::check(config).map_err(ServeError::from)? {
        warn!("{warning}");
    }
    if config.xmpp.is_some() {
        crate::xmpp::check(&config.hosts)?;
    }
    let metrics = Metrics::new();
    for host in &config.hosts {
        load_plugin(&engine, host, &metrics).await?;
    }
    Ok(())
}

/// The plugin that is configured for one virtual host, loaded as it is to serve, and the client behind its `wasi:http`.
pub async fn load_plugin(
    engine: &PluginEngine,
    host: &HostConfig,
    metrics: &Arc<Metrics>,
) -> Result<(Arc<WasmPlugin>, HttpClient), StartError> {
    let swapper = load(engine, host, metrics, None).await?;
    Ok((swapper.serving().plugin(), swapper.client().clone()))
}
