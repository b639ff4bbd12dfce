//! Where a component's code is looked for, and who waits for whom.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared, WeakShared};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use wasmtime::Engine;
use wasmtime::component::Component;

use super::cache::Cache;
use super::fingerprint::fingerprint;
use super::{Code, CodeFrom, CompiledPlugin, Urgency, child, in_process, trusted};
use crate::config::{CompileConfig, PluginCacheConfig};
use crate::plugin::module::compile_error::CompileError;
use crate::plugin::module::digest::Digest;
use crate::plugin::module::source::PluginBytes;
use crate::plugin::{LoadError, sanitize};

/// How a component begins (binary format of the component model, version 13, layer 1).
const COMPONENT_PREAMBLE: &[u8] = b"\0asm\x0d\0\x01\0";

/// What a flight ends with.
#[derive(Clone)]
struct FlightResult {
    code: Arc<Code>,
    from: CodeFrom,
    took: Duration,
}

/// One for all who want the same. It goes on as long as one of them waits.
type Flight = BoxFuture<'static, Result<FlightResult, CompileError>>;

/// Where a component's code is.
enum Known {
    Running(Weak<Code>),
    Wanted(WeakShared<Flight>),
}

/// Compiles for one engine.
#[derive(Clone)]
pub(in crate::plugin) struct Compiler {
    engine: Engine,
    fingerprint: Arc<str>,
    config: Arc<CompileConfig>,
    cache: Option<Arc<Cache>>,
    /// One for each compilation.
    places: Arc<Semaphore>,
    /// By the digest of the component.
    known: Arc<Mutex<HashMap<Digest, Known>>>,
}

impl Compiler {
    /// Compiles for `engine` within these limits, without a folder.
    pub(in crate::plugin) fn new(engine: Engine, config: CompileConfig) -> Self {
        Self {
            fingerprint: fingerprint(&engine).into(),
            engine,
            cache: None,
            places: Arc::new(Semaphore::new(config.max_concurrent)),
            config: Arc::new(config),
            known: Arc::default(),
        }
    }

    /// The same with other limits.
    pub(in crate::plugin) fn limited(self, config: CompileConfig) -> Self {
        Self { places: Arc::new(Semaphore::new(config.max_concurrent)), config: Arc::new(config), ..self }
    }

    /// `other`, for another engine, within the limits of this one and with its folder.
    pub(in crate::plugin) fn of(&self, other: Self) -> Self {
        let (config, cache, places) = (Arc::clone(&self.config), self.cache.clone(), Arc::clone(&self.places));
        Self { config, cache, places, ..other }
    }

    /// The same with a folder.
    pub(in crate::plugin) fn cached(self, cache: &PluginCacheConfig) -> Self {
        let cache = Some(Arc::new(Cache::new(&cache.folder, &self.fingerprint, cache.size)));
        Self { cache, ..self }
    }

    /// What a compilation may cost.
    pub(in crate::plugin) fn config(&self) -> &CompileConfig {
        &self.config
    }

    /// The code of `plugin`. Must be called within a Tokio runtime; other tasks go on meanwhile. Whoever gives up waiting
    /// ends the compilation, unless somebody else waits for it.
    pub(in crate::plugin) async fn compile(
        &self,
        plugin: &PluginBytes,
        urgency: Urgency,
    ) -> Result<CompiledPlugin, LoadError> {
        refuse_what_is_no_component(plugin)?;
        let limit = self.config.max_component;
        if plugin.bytes.len() as u64 > limit {
            return Err(LoadError::TooLarge { plugin: plugin.name.clone(), limit });
        }
        let began = Instant::now();
        let (flight, is_mine) = match self.find(plugin, urgency) {
            Ok(code) => return Ok(CompiledPlugin::new(&self.engine, code, CodeFrom::Memory, began.elapsed())),
            Err(found) => found,
        };
        let result = flight.await;
        let FlightResult { code, from, took } =
            result.map_err(|source| LoadError::Compile { plugin: plugin.name.clone(), source })?;
        let from = if is_mine { from } else { CodeFrom::Memory };
        Ok(CompiledPlugin::new(&self.engine, code, from, took))
    }

    /// The code that runs, or the flight that will have it, and whether that begins here.
    fn find(&self, plugin: &PluginBytes, urgency: Urgency) -> Result<Arc<Code>, (Shared<Flight>, bool)> {
        let mut known = self.known.lock();
        known.retain(|_, known| match known {
            Known::Running(code) => code.strong_count() > 0,
            Known::Wanted(flight) => flight.upgrade().is_some(),
        });
        let flight = match known.get(&plugin.digest) {
            Some(Known::Running(code)) => match code.upgrade() {
                Some(code) => return Ok(code),
                None => None,
            },
            Some(Known::Wanted(flight)) => flight.upgrade(),
            None => None,
        };
        if let Some(flight) = flight {
            return Err((flight, false));
        }
        let flight = self.clone().run(plugin.clone(), urgency).boxed().shared();
        if let Some(weak) = flight.downgrade() {
            known.insert(plugin.digest, Known::Wanted(weak));
        }
        Err((flight, true))
    }

    async fn run(self, plugin: PluginBytes, urgency: Urgency) -> Result<FlightResult, CompileError> {
        let began = Instant::now();
        let (component, from, took) = match self.find_cached(plugin.digest).await {
            Some(component) => (component, CodeFrom::Cache, began.elapsed()),
            None => {
                let waited = self.config.timeout;
                let place = timeout(waited, Arc::clone(&self.places).acquire_owned()).await;
                let Ok(Ok(place)) = place else {
                    return Err(CompileError::Busy { places: self.config.max_concurrent, waited });
                };
                let began = Instant::now();
                let component = match &self.config.program {
                    Some(program) => {
                        let _place = place;
                        let (config, ours) = (&self.config, &self.fingerprint);
                        let delivered = child::compile(program, config, ours, &plugin, urgency).await?;
                        self.load(plugin.digest, delivered).await?
                    }
                    None => self.compile_here(plugin.clone(), urgency, place).await?,
                };
                (component, CodeFrom::Compiler, began.elapsed())
            }
        };
        let code = Arc::new(Code { component });
        self.known.lock().insert(plugin.digest, Known::Running(Arc::downgrade(&code)));
        Ok(FlightResult { code, from, took })
    }

    async fn find_cached(&self, digest: Digest) -> Option<Component> {
        let (engine, cache) = (self.engine.clone(), self.cache.clone()?);
        tokio::task::spawn_blocking(move || cache.get(&engine, digest)).await.ok()?
    }

    /// Code that a compiler handed over, ready to run. It is written to the folder in the background: nobody waits for it.
    async fn load(&self, digest: Digest, delivered: child::Delivered) -> Result<Component, CompileError> {
        let engine = self.engine.clone();
        let loaded = blocking(move || {
            let image = delivered.image()?;
            let component = trusted::component(&engine, &image);
            let component =
                component.map_err(|error| CompileError::Invalid { reason: sanitize::one_line(&format!("{error:#}")) });
            Ok((component?, image))
        });
        let (component, image) = loaded.await?;
        if let Some(cache) = self.cache.clone() {
            tokio::task::spawn_blocking(move || cache.put(digest, Ok(image.content())));
        }
        Ok(component)
    }

    /// The place is taken until the work is done, whether anybody waits for it or not.
    async fn compile_here(
        &self,
        plugin: PluginBytes,
        urgency: Urgency,
        place: OwnedSemaphorePermit,
    ) -> Result<Component, CompileError> {
        let (engine, digest) = (self.engine.clone(), plugin.digest);
        let component = blocking(move || {
            let _place = place;
            in_process::compile(&engine, &plugin, urgency)
        });
        let component = component.await?;
        if let Some(cache) = self.cache.clone() {
            let component = component.clone();
            tokio::task::spawn_blocking(move || cache.put(digest, component.serialize().as_deref()));
        }
        Ok(component)
    }
}

/// `work` on a thread where it may take its time.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, CompileError> + Send + 'static,
) -> Result<T, CompileError> {
    let done = tokio::task::spawn_blocking(work).await;
    let broken = |what: tokio::task::JoinError| CompileError::Compiler {
        program: "(in this process)".to_owned(),
        what: format!("failed: {what}"),
    };
    done.unwrap_or_else(|panic| Err(broken(panic)))
}

fn refuse_what_is_no_component(plugin: &PluginBytes) -> Result<(), LoadError> {
    if plugin.bytes.starts_with(COMPONENT_PREAMBLE) {
        return Ok(());
    }
    let found = if plugin.bytes.starts_with(b"\0asm") { "it is a core module" } else { "it is not WebAssembly" };
    Err(LoadError::NotAComponent { plugin: plugin.name.clone(), reason: found.to_owned() })
}
