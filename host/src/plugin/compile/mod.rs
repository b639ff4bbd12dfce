//! From bytes to machine code: once per process, and with a cache folder once per machine.
//!
//! A component is looked for in three places ([`Compiler::compile`]): among those this process runs, in the [`cache`], and
//! then it is compiled. Several virtual hosts with the same plugin share one copy of its code.
//!
//! A start compiles as fast as the machine can: nobody is served yet. A swap compiles on threads of their own with a low
//! [`priority`], so that those who are served do not wait for it. Only one component is compiled at a time, whoever asks.
//!
//! The map: [`cache`] is the folder, [`private_file`](super::private_file) one file and why it is believed, [`trusted`] the
//! one place with `unsafe`.

mod cache;
mod priority;
#[cfg(test)]
mod tests;
mod trusted;

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::Serialize;
use wasmtime::Engine;
use wasmtime::component::Component;

use self::cache::Cache;
use super::source::{Digest, PluginBytes};
use super::{LoadError, tidy};
use crate::config::PluginCacheConfig;

/// How a component begins (binary format of the component model, version 13, layer 1).
const COMPONENT_PREAMBLE: &[u8] = b"\0asm\x0d\0\x01\0";

/// Who waits for the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// The host starts: use all cores.
    Start,
    /// Calls are being served, and must not notice.
    Swap,
}

/// Where compiled code came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CodeFrom {
    /// This process runs it already.
    Memory,
    /// The compile cache.
    Cache,
    /// The compiler.
    Compiler,
}

/// Machine code, shared by all who run it.
pub(super) struct Code {
    pub(super) component: Component,
}

/// A component as machine code, not linked yet.
pub struct CompiledPlugin {
    pub(super) code: Arc<Code>,
    imports: Vec<String>,
    from: CodeFrom,
    took: Duration,
}

impl CompiledPlugin {
    fn new(engine: &Engine, code: Arc<Code>, from: CodeFrom, took: Duration) -> Self {
        let imports = code.component.component_type().imports(engine).map(|(name, _)| name.to_owned()).collect();
        Self { code, imports, from, took }
    }

    /// The interfaces it imports, as they are written in it.
    pub fn imports(&self) -> &[String] {
        &self.imports
    }

    /// Where the machine code came from.
    pub fn code_from(&self) -> CodeFrom {
        self.from
    }

    /// How long it took to have it, waiting for other compilations not included.
    pub fn took(&self) -> Duration {
        self.took
    }
}

/// Compiles for one engine.
pub(super) struct Compiler {
    engine: Engine,
    cache: Option<Arc<Cache>>,
    /// One compilation after another.
    turn: tokio::sync::Mutex<()>,
    /// What runs, by the digest of the component.
    running: Mutex<HashMap<Digest, Weak<Code>>>,
}

impl Compiler {
    /// Compiles for `engine`, without a folder.
    pub(super) fn new(engine: Engine) -> Self {
        Self { engine, cache: None, turn: tokio::sync::Mutex::default(), running: Mutex::default() }
    }

    /// The same with a folder.
    pub(super) fn cached(engine: Engine, cache: &PluginCacheConfig) -> Self {
        let cache = Some(Arc::new(Cache::new(&cache.folder, &engine, cache.size)));
        Self { cache, ..Self::new(engine) }
    }

    /// The code of `plugin`. Must be called within a Tokio runtime; other tasks go on meanwhile.
    pub(super) async fn compile(&self, plugin: &PluginBytes, urgency: Urgency) -> Result<CompiledPlugin, LoadError> {
        refuse_what_is_no_component(plugin)?;
        let _turn = self.turn.lock().await;
        let began = Instant::now();
        if let Some(code) = self.running(plugin.digest) {
            return Ok(CompiledPlugin::new(&self.engine, code, CodeFrom::Memory, began.elapsed()));
        }
        let (engine, cache, bytes) = (self.engine.clone(), self.cache.clone(), plugin.clone());
        let worked = tokio::task::spawn_blocking(move || {
            let cached = cache.as_ref().and_then(|cache| cache.get(&engine, bytes.digest));
            match cached {
                Some(component) => Ok((component, CodeFrom::Cache)),
                None => compile(&engine, &bytes, urgency).map(|component| (component, CodeFrom::Compiler)),
            }
        });
        let worked = worked.await;
        let (component, from) = worked
            .unwrap_or_else(|panic| Err(LoadError::Engine { reason: format!("the compiler failed: {panic}") }))?;
        let took = began.elapsed();
        if from == CodeFrom::Compiler {
            self.store(plugin.digest, &component);
        }
        let code = Arc::new(Code { component });
        self.running.lock().insert(plugin.digest, Arc::downgrade(&code));
        Ok(CompiledPlugin::new(&self.engine, code, from, took))
    }

    fn running(&self, digest: Digest) -> Option<Arc<Code>> {
        let mut running = self.running.lock();
        running.retain(|_, code| code.strong_count() > 0);
        running.get(&digest).and_then(Weak::upgrade)
    }

    /// Writes to the folder in the background: nobody waits for it.
    fn store(&self, digest: Digest, component: &Component) {
        let Some(cache) = self.cache.clone() else { return };
        let component = component.clone();
        tokio::task::spawn_blocking(move || cache.put(digest, &component));
    }
}

fn refuse_what_is_no_component(plugin: &PluginBytes) -> Result<(), LoadError> {
    if plugin.bytes.starts_with(COMPONENT_PREAMBLE) {
        return Ok(());
    }
    let found = if plugin.bytes.starts_with(b"\0asm") { "it is a core module" } else { "it is not WebAssembly" };
    Err(LoadError::NotAComponent { plugin: plugin.name.clone(), reason: found.to_owned() })
}

fn compile(engine: &Engine, plugin: &PluginBytes, urgency: Urgency) -> Result<Component, LoadError> {
    let compile = || Component::from_binary(engine, &plugin.bytes);
    let compiled = match (urgency, priority::low()) {
        (Urgency::Swap, Some(threads)) => threads.install(compile),
        _ => compile(),
    };
    compiled.map_err(|error| LoadError::Compile {
        plugin: plugin.name.clone(),
        reason: tidy::one_line(&format!("{error:#}")),
    })
}
