//! Compiling in this process: for who embeds the host and gives no program that compiles.

use wasmtime::Engine;
use wasmtime::component::Component;

use super::{Urgency, priority};
use crate::plugin::module::compile_error::CompileError;
use crate::plugin::module::source::PluginBytes;
use crate::plugin::sanitize;

/// Blocks for as long as it takes, which nothing bounds.
pub(super) fn compile(engine: &Engine, plugin: &PluginBytes, urgency: Urgency) -> Result<Component, CompileError> {
    let compile = || Component::from_binary(engine, &plugin.bytes);
    let compiled = match (urgency, priority::low()) {
        (Urgency::Swap, Some(threads)) => threads.install(compile),
        _ => compile(),
    };
    compiled.map_err(|error| CompileError::Invalid { reason: sanitize::one_line(&format!("{error:#}")) })
}
