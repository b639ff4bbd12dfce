//! A component under the configuration of one virtual host, before it has instances.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use super::type_check;
use crate::config::{HostConfig, LimitsConfig};
use crate::plugin::engine::PluginEngine;
use crate::plugin::module::compile::{Code, CompiledPlugin};
use crate::plugin::module::digest::Digest;
use crate::plugin::module::error::LoadError;
use crate::plugin::module::source::PluginBytes;
use crate::plugin::wit::{Needs, Prepared, Version};

/// The code, what it is given, and what it may take. The same for all who call it, rehearsals too.
pub(in crate::plugin) struct LoadedModule {
    /// The file, or `(built in)`.
    pub(in crate::plugin) name: String,
    /// The SHA-256 of the component.
    pub(in crate::plugin) digest: Digest,
    /// Of the code, the settings, the limits and the grants.
    pub(in crate::plugin) identity: Digest,
    pub(in crate::plugin) version: &'static dyn Version,
    /// What the component says of itself.
    pub(in crate::plugin) module_version: Option<String>,
    pub(in crate::plugin) imports: Vec<String>,
    pub(in crate::plugin) prepared: Arc<dyn Prepared>,
    /// Keeps the machine code for others who want the same.
    pub(in crate::plugin) code: Arc<Code>,
    /// What its check of the settings said, once it has been asked.
    pub(in crate::plugin) needs: OnceLock<Needs>,
    pub(in crate::plugin) domain: Arc<str>,
    pub(in crate::plugin) settings: BTreeMap<String, String>,
    pub(in crate::plugin) limits: LimitsConfig,
    /// The longest body that all requests for one roster may have together, bytes.
    pub(in crate::plugin) max_response: usize,
}

impl LoadedModule {
    /// Checks that the component has the hooks and needs nothing but what is granted.
    pub(in crate::plugin) fn new(
        engine: &PluginEngine,
        compiled: &CompiledPlugin,
        bytes: &PluginBytes,
        host: &HostConfig,
        identity: Digest,
    ) -> Result<Self, LoadError> {
        let fitted = type_check::fit(engine, compiled, &bytes.name)?;
        let mut settings = host.settings.clone();
        settings.insert("domain".into(), host.domain.clone());
        Ok(Self {
            name: bytes.name.clone(),
            digest: bytes.digest,
            identity,
            version: fitted.version,
            module_version: bytes.version.clone(),
            imports: compiled.imports().to_vec(),
            prepared: fitted.prepared,
            code: Arc::clone(&compiled.code),
            needs: OnceLock::new(),
            domain: host.domain.as_str().into(),
            settings,
            limits: host.limits.clone(),
            max_response: host.client.max_response,
        })
    }
}
