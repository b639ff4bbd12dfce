//! Does a component fit? It has the hooks of a version this host serves, and needs nothing that is not granted.

use std::sync::Arc;

use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

use super::not_granted;
use super::signature;
use crate::plugin::imports::state::State;
use crate::plugin::sanitize::one_line;
use crate::plugin::wit::{self, NoVersion, Prepared, Version};
use crate::plugin::{CompiledPlugin, LoadError, PluginEngine, imports};

/// A component that fits.
pub(super) struct Fitted {
    /// The version of `xmpp:roster` it was built for.
    pub(super) version: &'static dyn Version,
    /// Linked and type-checked.
    pub(super) prepared: Arc<dyn Prepared>,
}

/// Checks and links the component called `plugin`.
pub(super) fn fit(engine: &PluginEngine, compiled: &CompiledPlugin, plugin: &str) -> Result<Fitted, LoadError> {
    let component = &compiled.code.component;
    let plugin = || plugin.to_owned();
    let reason = |error: wasmtime::Error| one_line(&format!("{error:#}"));
    let exports = component.component_type();
    let version = wit::find(exports.exports(engine.engine()).map(|(name, _)| name));
    let version = version.map_err(|none| no_version(plugin(), none))?;
    let linker = linker(engine.engine()).map_err(|error| LoadError::Engine { reason: reason(error) })?;
    let pre = linker.instantiate_pre(component);
    let pre = pre.map_err(|error| {
        // wasmtime stops at the first.
        let missing = not_granted::missing(engine.engine(), component);
        let reason = if missing.is_empty() { reason(error) } else { one_line(&missing.join(", ")) };
        LoadError::Imports { plugin: plugin(), reason }
    })?;
    let misfit = |reason| LoadError::Exports { plugin: plugin(), version: version.number().to_owned(), reason };
    if let Some(wrong) = signature::misfit(engine.engine(), component, version) {
        return Err(misfit(one_line(&wrong)));
    }
    let prepared = version.prepare(pre).map_err(|error| misfit(reason(error)))?;
    Ok(Fitted { version, prepared })
}

/// A linker with everything this host grants.
fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wit::add_to_linker(&mut linker)?;
    imports::add_to_linker(&mut linker)?;
    Ok(linker)
}

/// What a failure to make the first instance says of the hooks, if it is about them.
pub(in crate::plugin) fn misfit_of_instance(
    engine: &PluginEngine,
    component: &Component,
    version: &dyn Version,
    plugin: &str,
    reason: &str,
) -> Option<LoadError> {
    // Of the types of hooks, only this one was not compared before.
    let wrong = reason.split_once("failed to convert function to given type: ")?.1;
    let reason = one_line(&signature::misfit_of_read_response(engine.engine(), component, version, wrong)?);
    Some(LoadError::Exports { plugin: plugin.to_owned(), version: version.number().to_owned(), reason })
}

fn no_version(plugin: String, none: NoVersion) -> LoadError {
    let served = wit::served();
    match none {
        NoVersion::NoHooks => {
            LoadError::Exports { plugin, version: served, reason: "it exports no xmpp:roster/hooks".to_owned() }
        }
        NoVersion::Other(found) => LoadError::Version { plugin, found: one_line(&found), served },
    }
}
