//! A component as a [`RosterPlugin`](crate::plugin::RosterPlugin): load it, call its hooks within their limits.

mod many;
mod recorded;

use std::sync::Arc;
use std::time::Duration;

use crate::config::HostConfig;
use crate::http_client::HttpClient;
use crate::metrics::{GenerationStats, Metrics};
use crate::model::{Snapshot, Tag};
use crate::plugin::api::CallError;
use crate::plugin::exchange::Exchanges;
use crate::plugin::linking::loaded::LoadedModule;
use crate::plugin::linking::type_check;
use crate::plugin::module::compile::{CompiledPlugin, Urgency};
use crate::plugin::module::digest::Digest;
use crate::plugin::module::identity;
use crate::plugin::module::source::PluginBytes;
use crate::plugin::recording::recorder::{RecordedCall, Recorder};
use crate::plugin::requests::network::{Counters, Network};
use crate::plugin::runtime::call::Calls;
use crate::plugin::runtime::{Runtime, Size};
use crate::plugin::sanitize::one_line;
use crate::plugin::{LoadError, PluginEngine};

/// How often a plugin that is being drained is looked at.
const DRAIN_STEP: Duration = Duration::from_millis(2);

/// What to load, and what it may use.
pub struct LoadOptions<'a> {
    /// Domain, settings and limits.
    pub host: &'a HostConfig,
    /// The component.
    pub plugin: &'a PluginBytes,
    /// What its requests are sent with.
    pub client: HttpClient,
    /// Who counts.
    pub metrics: Arc<Metrics>,
}

impl LoadOptions<'_> {
    /// The digest of the code and of everything it is given. Not to be shown: see [`identity`].
    pub(crate) fn identity(&self) -> Digest {
        identity::of(self.plugin.digest, self.host)
    }
}

/// A module that is loaded, with its warm instances. A clone is the same.
#[derive(Clone)]
pub struct WasmPlugin {
    exchanges: Exchanges,
}

impl WasmPlugin {
    /// Compiles and checks a plugin for one virtual host, and asks it whether its settings can work. Must be called
    /// within a Tokio runtime; compiling happens on a thread of its own.
    pub async fn load(engine: &PluginEngine, options: LoadOptions<'_>) -> Result<Self, LoadError> {
        let compiled = engine.compile(options.plugin, Urgency::Start).await?;
        let plugin = Self::link(engine, &compiled, options)?;
        plugin.check_settings().await?;
        Ok(plugin)
    }

    /// Checks that the component has the hooks and needs nothing but what is granted. Must be called within a Tokio
    /// runtime.
    pub fn link(engine: &PluginEngine, compiled: &CompiledPlugin, options: LoadOptions<'_>) -> Result<Self, LoadError> {
        let identity = options.identity();
        let LoadOptions { host, plugin: bytes, client, metrics } = options;
        let module = LoadedModule::new(engine, compiled, bytes, host, identity)?;
        let stats = Arc::new(GenerationStats::new(&module.domain, &module.digest.to_string()));
        metrics.generation(&stats);
        let counters = Arc::new(Counters { metrics: metrics.calls_of(&module.domain), stats });
        let runtime = Runtime::new(engine, &module.domain, Size::of(&host.limits), client, counters);
        Ok(Self::with(Arc::new(module), runtime, host.swap.shadow_calls))
    }

    /// The same with another network than [`LoadOptions::client`]. For who embeds this and has an HTTP client: see
    /// [`Outbound`](crate::plugin::Outbound).
    #[must_use]
    pub fn with_network(mut self, network: Network) -> Self {
        let runtime =
            self.runtime().beside(Size::of(&self.module().limits), network, Arc::clone(&self.runtime().counters));
        // Who waits is asked for over the network that there was.
        self.exchanges = Exchanges::new(Calls { runtime: Arc::new(runtime), ..self.exchanges.calls });
        self
    }

    fn with(module: Arc<LoadedModule>, runtime: Runtime, recorded: usize) -> Self {
        let recorder = Arc::new(Recorder::new(recorded));
        Self { exchanges: Exchanges::new(Calls { module, runtime: Arc::new(runtime), recorder }) }
    }

    fn module(&self) -> &Arc<LoadedModule> {
        &self.exchanges.calls.module
    }

    fn runtime(&self) -> &Runtime {
        &self.exchanges.calls.runtime
    }

    fn recorder(&self) -> &Recorder {
        &self.exchanges.calls.recorder
    }

    /// The same code for a rehearsal: instances of its own, one call at a time, requests answered by `network`, and counted
    /// nowhere.
    pub fn for_rehearsal(&self, network: Network) -> Self {
        let counters = Arc::new(Counters {
            metrics: Metrics::new().calls_of(&self.module().domain),
            stats: Arc::new(GenerationStats::new(&self.module().domain, "")),
        });
        Self::with(Arc::clone(self.module()), self.runtime().beside(Size::ONE, network, counters), 0)
    }

    /// The SHA-256 of the component.
    pub fn digest(&self) -> Digest {
        self.module().digest
    }

    /// The version of `xmpp:roster` that serves it.
    pub fn wit_version(&self) -> &'static str {
        self.module().version.number()
    }

    /// The digest of the code, the settings, the limits and the grants. Not to be shown: see [`identity`].
    pub(crate) fn identity(&self) -> Digest {
        self.module().identity
    }

    /// The version that the component says it has.
    pub fn module_version(&self) -> Option<&str> {
        self.module().module_version.as_deref()
    }

    /// What it has done.
    pub fn stats(&self) -> &GenerationStats {
        &self.runtime().counters.stats
    }

    /// The interfaces it imports, as they are written in it.
    pub fn imports(&self) -> &[String] {
        &self.module().imports
    }

    /// Calls that run now.
    pub fn running(&self) -> usize {
        self.runtime().running()
    }

    /// Keeps instances warm again, after [`drain`](Self::drain).
    pub fn open(&self) {
        self.runtime().pool.open();
    }

    /// The latest real calls, the oldest first, each hook's apart.
    pub(crate) fn recorded(&self) -> Vec<Arc<RecordedCall>> {
        self.recorder().calls()
    }

    /// `known` as this module may see it although `other` has made it: with its tag, or without.
    pub(crate) fn adopted(&self, known: &Snapshot, other: &Self, with_tag: bool) -> Arc<Snapshot> {
        let tag = known.tag().filter(|tag| with_tag && tag.reader == other.exchanges.calls.reader());
        let tag = tag.map(|tag| Tag {
            reader: self.exchanges.calls.reader(),
            digest: None,
            validator: tag.validator.clone(),
        });
        Arc::new(Snapshot::new(known.version(), tag, known.contacts().clone()))
    }

    /// Forgets its calls, gives up the warm instances, keeps none from now on, and waits until no call runs. The caller sets
    /// the deadline.
    pub async fn drain(&self) {
        self.runtime().pool.close();
        self.recorder().clear();
        // Looked at now and then instead of taking all permits: whoever waited for those would hold up calls that come
        // later, after a rollback.
        while self.running() > 0 {
            tokio::time::sleep(DRAIN_STEP).await;
        }
    }

    /// The plugin's file, or `(built in)`.
    pub fn name(&self) -> &str {
        &self.module().name
    }

    /// Warm instances waiting for a call.
    pub fn idle_instances(&self) -> usize {
        self.runtime().pool.len()
    }

    /// Asks the plugin whether its settings can work.
    pub async fn check_settings(&self) -> Result<(), LoadError> {
        let plugin = self.module().name.clone();
        match self.exchanges.calls.check().await {
            Ok(Ok(needs)) => {
                // The same as before, if it has been asked before.
                let _ = self.module().needs.set(needs);
                Ok(())
            }
            Ok(Err(wrong)) => {
                Err(LoadError::Settings { plugin, key: one_line(&wrong.key), reason: one_line(&wrong.reason) })
            }
            Err(source) => {
                let component = &self.module().code.component;
                let misfit = match &source {
                    CallError::Instance { reason, .. } => type_check::misfit_of_instance(
                        &self.runtime().common.engine,
                        component,
                        self.module().version,
                        &plugin,
                        reason,
                    ),
                    _ => None,
                };
                Err(misfit.unwrap_or(LoadError::Check { plugin, source }))
            }
        }
    }
}
