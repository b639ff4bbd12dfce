//! A component as a [`RosterPlugin`](super::RosterPlugin): load it, call its hooks within their limits.

use std::collections::BTreeMap;
use std::hash::RandomState;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::budget::{Account, AccountOf};
use super::call::About;
use super::compile::{Code, CompiledPlugin, Urgency};
use super::contract::{CallError, FetchError};
use super::engine::EXTRA_INSTANCES;
use super::needed::Needed;
use super::network::Network;
use super::pool::Pool;
use super::processor::Share;
use super::recorder::{RecordedCall, Recorder};
use super::source::{Digest, PluginBytes};
use super::tidy::one_line;
use super::version::{Checked, Needs, Prepared, SettingFault, Version};
use super::{LoadError, PluginEngine, fit, identity};
use crate::config::{HostConfig, LimitsConfig};
use crate::http_client::HttpClient;
use crate::metrics::{CallMetrics, GenerationStats, Metrics};
use crate::model::{Snapshot, Tag};

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

/// A loaded component with its warm instances.
pub struct WasmPlugin {
    pub(super) engine: PluginEngine,
    name: String,
    digest: Digest,
    version: &'static dyn Version,
    identity: Digest,
    module_version: Option<String>,
    imports: Vec<String>,
    pub(super) prepared: Arc<dyn Prepared>,
    pub(super) pool: Arc<Pool>,
    /// What the instances of this virtual host may hold.
    pub(super) account: Arc<Account>,
    /// What an instance holds after a call, as far as is known: so much is set aside for a new one.
    pub(super) needed: Arc<Needed>,
    /// What its calls compute.
    pub(super) share: Arc<Share>,
    pub(super) domain: Arc<str>,
    pub(super) settings: BTreeMap<String, String>,
    pub(super) limits: LimitsConfig,
    /// What its check of the settings said, once it has been asked.
    needs: Arc<OnceLock<Needs>>,
    pub(super) network: Network,
    pub(super) max_response: usize,
    /// Keeps the machine code for others who want the same.
    code: Arc<Code>,
    pub(super) metrics: CallMetrics,
    pub(super) stats: Arc<GenerationStats>,
    pub(super) recorder: Recorder,
    /// Instances alive at once, those of hooks that wait for no turn included: the engine has room for so many.
    pub(super) slots: Semaphore,
    capacity: usize,
    pub(super) jitter: RandomState,
    pub(super) made: AtomicU64,
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
        let fitted = fit::fit(engine, compiled, &bytes.name)?;
        let domain: Arc<str> = host.domain.as_str().into();
        let stats = Arc::new(GenerationStats::new(&domain, &bytes.digest.to_string()));
        metrics.generation(&stats);
        let account = engine.account(&domain);
        let capacity = host.limits.max_concurrent_calls + EXTRA_INSTANCES;
        let mut settings = host.settings.clone();
        settings.insert("domain".into(), host.domain.clone());
        Ok(Self {
            engine: engine.clone(),
            name: bytes.name.clone(),
            digest: bytes.digest,
            version: fitted.version,
            identity,
            module_version: bytes.version.clone(),
            imports: compiled.imports().to_vec(),
            prepared: fitted.prepared,
            pool: new_pool(capacity, &account),
            needed: Arc::default(),
            network: Network::Live(client.with_memory(Arc::new(AccountOf(Arc::clone(&account))))),
            account,
            share: engine.share(&domain),
            metrics: metrics.calls_of(&domain),
            domain,
            settings,
            limits: host.limits.clone(),
            needs: Arc::default(),
            max_response: host.client.max_response,
            code: Arc::clone(&compiled.code),
            stats,
            recorder: Recorder::new(host.swap.shadow_calls),
            slots: Semaphore::new(capacity),
            capacity,
            jitter: RandomState::new(),
            made: AtomicU64::new(0),
        })
    }

    /// The same with another network than [`LoadOptions::client`]. For who embeds this and has an HTTP client: see
    /// [`Outbound`](super::Outbound).
    #[must_use]
    pub fn with_network(mut self, network: Network) -> Self {
        self.network = network;
        // The instance that has checked the settings knows the network before.
        self.pool = new_pool(self.capacity, &self.account);
        self
    }

    /// The same code for a rehearsal: instances of its own, one call at a time, requests answered by `network`, and counted
    /// nowhere.
    pub fn staged(&self, network: Network) -> Self {
        Self {
            engine: self.engine.clone(),
            name: self.name.clone(),
            digest: self.digest,
            version: self.version,
            identity: self.identity,
            module_version: self.module_version.clone(),
            imports: Vec::new(),
            prepared: Arc::clone(&self.prepared),
            pool: new_pool(1, &self.account),
            account: Arc::clone(&self.account),
            share: Arc::clone(&self.share),
            needed: Arc::clone(&self.needed),
            domain: Arc::clone(&self.domain),
            settings: self.settings.clone(),
            limits: self.limits.clone(),
            needs: Arc::clone(&self.needs),
            network,
            max_response: self.max_response,
            code: Arc::clone(&self.code),
            metrics: Metrics::new().calls_of(&self.domain),
            stats: Arc::new(GenerationStats::new(&self.domain, "")),
            recorder: Recorder::new(0),
            slots: Semaphore::new(1),
            capacity: 1,
            jitter: RandomState::new(),
            made: AtomicU64::new(0),
        }
    }

    /// The SHA-256 of the component.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The version of `xmpp:roster` that serves it.
    pub fn wit_version(&self) -> &'static str {
        self.version.number()
    }

    /// The digest of the code, the settings, the limits and the grants. Not to be shown: see [`identity`].
    pub(crate) fn identity(&self) -> Digest {
        self.identity
    }

    /// The version that the component says it has.
    pub fn module_version(&self) -> Option<&str> {
        self.module_version.as_deref()
    }

    /// What it has done.
    pub fn stats(&self) -> &GenerationStats {
        &self.stats
    }

    /// The interfaces it imports, as they are written in it.
    pub fn imports(&self) -> &[String] {
        &self.imports
    }

    /// Calls that run now.
    pub fn running(&self) -> usize {
        self.capacity.saturating_sub(self.slots.available_permits())
    }

    /// Keeps instances warm again, after [`drain`](Self::drain).
    pub fn open(&self) {
        self.pool.open();
    }

    /// The latest real calls, the oldest first, each hook's apart.
    pub(crate) fn recorded(&self) -> Vec<Arc<RecordedCall>> {
        self.recorder.calls()
    }

    /// `known` as this module may see it although `other` has made it: with its tag, or without.
    pub(crate) fn adopted(&self, known: &Snapshot, other: &Self, with_tag: bool) -> Arc<Snapshot> {
        let tag = known.tag().filter(|tag| with_tag && tag.reader == other.reader());
        let tag = tag.map(|tag| Tag { reader: self.reader(), digest: None, validator: tag.validator.clone() });
        Arc::new(Snapshot::new(known.version(), tag, known.contacts().clone()))
    }

    /// Forgets its calls, gives up the warm instances, keeps none from now on, and waits until no call runs. The caller sets
    /// the deadline.
    pub async fn drain(&self) {
        self.pool.close();
        self.recorder.clear();
        // Looked at now and then instead of taking all slots: whoever waited for those would hold up calls that come
        // later, after a rollback.
        while self.running() > 0 {
            tokio::time::sleep(DRAIN_STEP).await;
        }
    }

    /// The plugin's file, or `(built in)`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Warm instances waiting for a call.
    pub fn idle_instances(&self) -> usize {
        self.pool.len()
    }

    /// Asks the plugin whether its settings can work.
    pub async fn check_settings(&self) -> Result<(), LoadError> {
        let plugin = self.name.clone();
        match self.check().await {
            Ok(Ok(needs)) => {
                // The same as before, if it has been asked before.
                let _ = self.needs.set(needs);
                Ok(())
            }
            Ok(Err(wrong)) => {
                Err(LoadError::Settings { plugin, key: one_line(&wrong.key), reason: one_line(&wrong.reason) })
            }
            Err(source) => {
                let component = &self.code.component;
                let misfit = match &source {
                    CallError::Instance { reason, .. } => {
                        fit::misfit_of_instance(&self.engine, component, self.version, &plugin, reason)
                    }
                    _ => None,
                };
                Err(misfit.unwrap_or(LoadError::Check { plugin, source }))
            }
        }
    }

    async fn check(&self) -> Result<Checked, CallError> {
        self.call(About::now("check", ""), |store, hooks| hooks.check(store)).await
    }

    /// What the plugin needs. Whoever has not checked the settings is told here that they are wrong.
    pub(super) async fn needs(&self) -> Result<Result<&Needs, FetchError>, CallError> {
        if let Some(needs) = self.needs.get() {
            return Ok(Ok(needs));
        }
        match self.check().await? {
            Ok(needs) => Ok(Ok(self.needs.get_or_init(|| needs))),
            Err(SettingFault { key, reason }) => Ok(Err(FetchError::Misconfigured(format!("{key}: {reason}")))),
        }
    }

    /// Who reads rosters, for their tags: this code under these settings.
    pub(super) fn reader(&self) -> u64 {
        let mut reader = [0; 8];
        reader.iter_mut().zip(self.identity.as_bytes()).for_each(|(to, from)| *to = *from);
        u64::from_le_bytes(reader)
    }
}

/// A pool whose instances may be dropped when there is no room.
fn new_pool(capacity: usize, account: &Account) -> Arc<Pool> {
    let pool = Pool::new(capacity);
    account.watch(&pool);
    pool
}
