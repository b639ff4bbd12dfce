//! What the modules of a virtual host are loaded with.

use std::sync::Arc;

use crate::config::HostConfig;
use crate::http_client::HttpClient;
use crate::metrics::Metrics;
use crate::plugin::{LoadError, LoadOptions, PluginBytes, PluginEngine, WasmPlugin};

/// See the module.
pub(super) struct Configured {
    pub(super) host: HostConfig,
    pub(super) engine: PluginEngine,
    pub(super) client: HttpClient,
}

impl Configured {
    pub(super) async fn load(&self, bytes: &PluginBytes, metrics: &Arc<Metrics>) -> Result<WasmPlugin, LoadError> {
        let Self { host, engine, client } = self;
        let options = LoadOptions { host, plugin: bytes, client: client.clone(), metrics: Arc::clone(metrics) };
        WasmPlugin::load(engine, options).await
    }
}
