//! The wasmtime engine of this process, the clock that interrupts plugins, and what all instances together may take: memory
//! ([`budget`]) and processor time ([`processor`], measured by [`cpu`]).

pub(in crate::plugin) mod budget;
pub(in crate::plugin) mod collector;
pub(in crate::plugin) mod cpu;
pub(in crate::plugin) mod processor;
mod waiting;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use self::budget::{Account, Budget};
use self::processor::{Processor, Share};
use crate::config::{CompileConfig, HostConfig, PluginCacheConfig, PluginPlace, ProcessLimits};
use crate::plugin::module::compile::{self, CompiledPlugin, Compiler, Urgency};
use crate::plugin::requests::digest::DigestKey;
use crate::plugin::{IfUnreachable, LoadError, PluginBytes, PluginSource, Registry, RegistryError};

/// How often a plugin that computes is interrupted, to let other tasks run and to look at its CPU limit: the moment for which a
/// call computes without a permit (see [`processor`]), and for which others wait at most. Limits are precise to this much.
pub(in crate::plugin) const TICK: Duration = Duration::from_millis(2);

/// Instances beside those that `max_concurrent_calls` allows: for the hooks that wait for no permit (reading a
/// refresh request, writing the summary), and for a check at load.
pub(in crate::plugin) const EXTRA_INSTANCES: usize = 64;

/// What one component may be made of. More than any language's tooling makes today.
const CORE_INSTANCES: u32 = 64;
const TABLES: u32 = 16;
const MEMORIES: u32 = 2;

/// Loaded plugins of one virtual host that may run calls at once: the one that serves, and the one it takes over from.
const GENERATIONS: usize = 2;

/// What the engine must have room for. Room is address space, not memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineSize {
    /// Instances alive at once.
    pub instances: usize,
    /// Linear memory of one instance, bytes.
    pub memory: usize,
}

impl EngineSize {
    /// Enough for all virtual hosts together.
    pub fn of(hosts: &[HostConfig]) -> Self {
        Self {
            instances: hosts
                .iter()
                .map(|host| GENERATIONS * (host.limits.max_concurrent_calls + EXTRA_INSTANCES))
                .sum(),
            memory: hosts.iter().map(|host| host.limits.max_memory).max().unwrap_or(0),
        }
    }
}

/// One per process; cheap to clone. Compiled code, memory slots and the clock belong to it.
#[derive(Clone)]
pub struct PluginEngine {
    engine: Engine,
    size: EngineSize,
    ticker: Arc<Ticker>,
    compiler: Compiler,
    budget: Arc<Budget>,
    processor: Arc<Processor>,
    digest_key: DigestKey,
    /// Where plugins may be had from that are no files.
    registry: Option<Arc<Registry>>,
}

impl PluginEngine {
    /// An engine with room for `size`, whose instances may hold the default of `limits.total_memory` together.
    pub fn new(size: EngineSize) -> Result<Self, LoadError> {
        let engine = Engine::new(&config(size)).map_err(|error| LoadError::Engine { reason: format!("{error:#}") })?;
        let ticker = Arc::new(Ticker::start(engine.clone())?);
        let compiler = Compiler::new(engine.clone(), CompileConfig::default());
        let budget = Budget::new(ProcessLimits::default().total_memory);
        let no_key = |error: getrandom::Error| LoadError::Engine { reason: format!("no random numbers: {error}") };
        let digest_key = DigestKey::new().map_err(no_key)?;
        Ok(Self { engine, size, ticker, compiler, budget, processor: Processor::new(), digest_key, registry: None })
    }

    /// An engine with room for `hosts`, and with the limits for all plugins and for compiling that `settings` have.
    pub fn configured(settings: &crate::config::Config, hosts: &[HostConfig]) -> Result<Self, LoadError> {
        let engine = Self::new(EngineSize::of(hosts))?;
        let engine = engine.with_limits(&settings.limits).with_compiler(&settings.compile);
        let artifact = hosts.iter().find_map(|host| match &host.plugin {
            Some(place @ PluginPlace::Registry(_)) => Some(place),
            _ => None,
        });
        // A virtual host whose plugin is one may come while the host runs.
        if artifact.is_none() && settings.registry.allow_origins.is_empty() {
            return Ok(engine);
        }
        let failed = |error| LoadError::Registry {
            plugin: artifact.map_or_else(|| "oci://".to_owned(), ToString::to_string),
            source: RegistryError::Client(error),
        };
        Ok(Self { registry: Some(Arc::new(Registry::new(settings).map_err(failed)?)), ..engine })
    }

    /// Where the plugin of a virtual host comes from.
    pub fn source(&self, host: &HostConfig, away: IfUnreachable) -> Result<PluginSource, LoadError> {
        match (&host.plugin, &self.registry) {
            (None, _) => Ok(PluginSource::BuiltIn),
            (Some(PluginPlace::File(path)), _) => Ok(PluginSource::File(path.clone())),
            (Some(PluginPlace::Registry(artifact)), Some(registry)) => {
                Ok(PluginSource::Registry { artifact: artifact.clone(), registry: Arc::clone(registry), away })
            }
            (Some(place), None) => {
                Err(LoadError::Registry { plugin: place.to_string(), source: RegistryError::NotAllowed })
            }
        }
    }

    /// The same engine with other limits for all instances together. Plugins that are loaded already keep theirs.
    #[must_use]
    pub fn with_limits(self, limits: &ProcessLimits) -> Self {
        Self { budget: Budget::new(limits.total_memory), ..self }
    }

    /// Another engine with room for `hosts`, if this one has too little for them. What instances may hold and compute, and what
    /// compiling may cost, is the same for both together; what is compiled is not.
    pub fn beside(&self, hosts: &[HostConfig]) -> Result<Self, LoadError> {
        let other = Self::new(EngineSize::of(hosts))?;
        let Self { engine, size, ticker, compiler, .. } = other;
        let compiler = self.compiler.of(compiler);
        Ok(Self { engine, size, ticker, compiler, ..self.clone() })
    }

    /// What it has room for.
    pub fn size(&self) -> EngineSize {
        self.size
    }

    /// What the instances of all plugins may hold together, and what those of each virtual host do hold; bytes.
    pub fn memory(&self) -> (usize, Vec<(Arc<str>, usize)>) {
        (self.budget.limit(), self.budget.held())
    }

    /// What the calls of a virtual host compute.
    pub(in crate::plugin) fn share(&self, domain: &Arc<str>) -> Arc<Share> {
        self.processor.share(domain)
    }

    /// What the instances of a virtual host may hold.
    pub(in crate::plugin) fn account(&self, domain: &Arc<str>) -> Arc<Account> {
        self.budget.account(domain)
    }

    /// The same engine with other limits for compiling, and the program that does it: without one
    /// ([`CompileConfig::program`]) plugins are compiled in this process, which bounds neither memory nor time.
    #[must_use]
    pub fn with_compiler(self, config: &CompileConfig) -> Self {
        Self { compiler: self.compiler.limited(config.clone()), ..self }
    }

    /// The same engine, which keeps what it compiles in a folder.
    #[must_use]
    pub fn with_cache(self, cache: &PluginCacheConfig) -> Self {
        Self { compiler: self.compiler.cached(cache), ..self }
    }

    /// What compiling a plugin may cost.
    pub fn compile_config(&self) -> &CompileConfig {
        self.compiler.config()
    }

    /// Machine code for a component, compiled only if this process does not run it and no cache has it. Must be called
    /// within a Tokio runtime, whose other tasks go on meanwhile. Dropping the future ends a compiler that runs as a process.
    pub async fn compile(&self, plugin: &PluginBytes, urgency: Urgency) -> Result<CompiledPlugin, LoadError> {
        self.compiler.compile(plugin, urgency).await
    }

    /// What digests of responses are made with.
    pub(in crate::plugin) fn digest_key(&self) -> &DigestKey {
        &self.digest_key
    }

    pub(in crate::plugin) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Keeps the clock going while a call runs.
    pub(in crate::plugin) fn tick_while(&self) -> Ticking<'_> {
        self.ticker.begin()
    }
}

fn config(size: EngineSize) -> Config {
    let count = u32::try_from(size.instances).unwrap_or(u32::MAX);
    let mut pool = PoolingAllocationConfig::new();
    // A component made from Rust has three core instances (the program, and two shims of the component tooling), one
    // memory and a few tables; Python's have some twenty core instances. The total of core instances is only counted,
    // those of memories and tables are address space: about 6 GiB and 160 kB each.
    pool.total_component_instances(count)
        .total_core_instances(count.saturating_mul(CORE_INSTANCES))
        .total_memories(count)
        .total_tables(count.saturating_mul(TABLES))
        .total_stacks(count)
        .max_memories_per_component(MEMORIES)
        .max_tables_per_component(TABLES)
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_memory_size(size.memory);
    let mut config = compile::settings();
    config
        .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(8))
        .async_stack_size(1 << 20)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

/// Advances the engine's epoch while calls run, and sleeps while none does.
///
/// A thread of its own: a task would not run when every worker thread computes in a plugin, which is when it is needed.
struct Ticker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    calls: AtomicUsize,
    stop: AtomicBool,
}

impl Ticker {
    fn start(engine: Engine) -> Result<Self, LoadError> {
        let shared = Arc::new(Shared { calls: AtomicUsize::new(0), stop: AtomicBool::new(false) });
        let seen = Arc::clone(&shared);
        let tick = move || {
            while !seen.stop.load(Ordering::Relaxed) {
                if seen.calls.load(Ordering::SeqCst) == 0 {
                    thread::park();
                } else {
                    thread::sleep(TICK);
                    engine.increment_epoch();
                }
            }
        };
        let thread = thread::Builder::new().name("plugin-epoch".into()).spawn(tick);
        let thread =
            thread.map_err(|error| LoadError::Engine { reason: format!("no thread for its clock: {error}") })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    fn begin(&self) -> Ticking<'_> {
        if self.shared.calls.fetch_add(1, Ordering::SeqCst) == 0 {
            self.wake();
        }
        Ticking(self)
    }

    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.wake();
        if let Some(thread) = self.thread.take() {
            // The thread cannot panic; if it did, there is nothing left to stop.
            let _ = thread.join();
        }
    }
}

/// A call runs as long as this lives.
pub(in crate::plugin) struct Ticking<'a>(&'a Ticker);

impl Drop for Ticking<'_> {
    fn drop(&mut self) {
        self.0.shared.calls.fetch_sub(1, Ordering::SeqCst);
    }
}
