//! Does a component fit? It has the hooks of a version this host serves, and needs nothing that is not granted.

use std::sync::Arc;

use super::compile::CompiledPlugin;
use super::tidy::one_line;
use super::version::{self, NoVersion, Prepared};
use super::{LoadError, PluginEngine, linker};

/// A component that fits.
pub(super) struct Fitted {
    /// The version of `xmpp:roster` it was built for.
    pub(super) version: &'static str,
    /// Linked and type-checked.
    pub(super) prepared: Arc<dyn Prepared>,
}

/// Checks and links the component called `plugin`.
pub(super) fn fit(engine: &PluginEngine, compiled: &CompiledPlugin, plugin: &str) -> Result<Fitted, LoadError> {
    let component = &compiled.code.component;
    let plugin = || plugin.to_owned();
    let reason = |error: wasmtime::Error| one_line(&format!("{error:#}"));
    let exports = component.component_type();
    let version = version::find(exports.exports(engine.engine()).map(|(name, _)| name));
    let version = version.map_err(|none| no_version(plugin(), none))?;
    let linker = linker::linker(engine.engine()).map_err(|error| LoadError::Engine { reason: reason(error) })?;
    let pre = linker.instantiate_pre(component);
    let pre = pre.map_err(|error| LoadError::Imports { plugin: plugin(), reason: reason(error) })?;
    let prepared = version.prepare(pre).map_err(|error| LoadError::Exports {
        plugin: plugin(),
        version: version.number().to_owned(),
        reason: reason(error),
    })?;
    Ok(Fitted { version: version.number(), prepared })
}

fn no_version(plugin: String, none: NoVersion) -> LoadError {
    let served = version::served();
    match none {
        NoVersion::NoHooks => {
            LoadError::Exports { plugin, version: served, reason: "it exports no xmpp:roster/hooks".to_owned() }
        }
        NoVersion::Other(found) => LoadError::Version { plugin, found, served },
    }
}
