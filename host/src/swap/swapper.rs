//! Swaps, one at a time: the transaction in its order, and what is remembered of it.
//!
//! Two locks, in this order. [`Swapper::turn`] is held by whoever prepares a module, which may take as long as a compilation
//! may. [`Swapper::moment`] is held while one module takes over from another. A rollback has all it needs and takes only the
//! second, so it waits for no compilation; what was being prepared meanwhile does not undo it.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::warn;

use super::candidate::{Refusal, prepare};
use super::configured::Configured;
use super::history::History;
use super::last_good::{Instead, LOOK, LastGood, serves_well};
use super::receipt::{Module, Outcome, Receipt, Step};
use super::serving::generations::Generations;
use super::serving::serving_plugin::{Failed, ServingPlugin};
use super::serving::take_over::{drain, take_over};
use super::status::{KeptModule, Status};
use crate::config::HostConfig;
use crate::http_client::HttpClient;
use crate::metrics::Metrics;
use crate::plugin::{IfUnreachable, LoadError, PluginBytes, PluginEngine, PluginSource, WasmPlugin};

/// Uploads for one virtual host at once, waiting ones included.
const MOST_UPLOADS: usize = 2;
/// Why nothing takes over.
const STOPPING: &str = "the host is stopping";
const ROLLED_BACK_MEANWHILE: &str =
    "a rollback was asked for meanwhile; swap again if this module is to serve nonetheless";

/// Swaps the plugin of one virtual host, one swap at a time.
pub struct Swapper {
    domain: String,
    pub(super) configured: ArcSwap<Configured>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) serving: Arc<ServingPlugin>,
    pub(super) generations: Mutex<Generations>,
    /// One preparation after another.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// One module takes over after another.
    pub(super) moment: Arc<tokio::sync::Mutex<()>>,
    /// Generations that were put back by hand, to see whether one was while a module was prepared.
    pub(super) rollbacks: AtomicU64,
    /// Uploads that may be on their way or wait: each holds a whole component.
    uploads: Arc<Semaphore>,
    /// The host stops: nothing is prepared any more.
    stop: CancellationToken,
    /// Ends the task that watches the plugin's file.
    pub(super) watching: Mutex<Option<DropGuard>>,
    history: Mutex<History>,
    ids: AtomicU64,
    /// What is kept for the next start, if anything is.
    pub(super) last_good: Option<LastGood>,
    /// The last good module was loaded and not the configured one.
    pub(super) instead: Mutex<Option<Instead>>,
}

impl Swapper {
    /// Loads the plugin that is configured; it serves through [`Swapper::serving`]. If it cannot be loaded, the one that
    /// served well last stands in, provided that it is in the folder `state`. Must be called within a Tokio runtime.
    pub async fn start(
        engine: &PluginEngine,
        host: &HostConfig,
        client: HttpClient,
        metrics: &Arc<Metrics>,
        state: Option<&Path>,
    ) -> Result<Arc<Self>, LoadError> {
        let last_good = state.map(|folder| LastGood::new(folder, &host.domain));
        let configured = Configured { host: host.clone(), engine: engine.clone(), client };
        let (first, instead) = first(&configured, metrics, last_good.as_ref()).await?;
        let generations = Mutex::new(Generations::new(&first, host.swap.keep));
        let (serving, failures) = ServingPlugin::new(first, host.swap.clone(), host.store.max_contacts);
        let swapper = Arc::new(Self {
            domain: host.domain.clone(),
            configured: ArcSwap::from_pointee(configured),
            watching: Mutex::default(),
            metrics: Arc::clone(metrics),
            serving: Arc::new(serving),
            generations,
            turn: Arc::default(),
            moment: Arc::default(),
            rollbacks: AtomicU64::new(0),
            uploads: Arc::new(Semaphore::new(MOST_UPLOADS)),
            stop: CancellationToken::new(),
            history: Mutex::default(),
            ids: AtomicU64::new(1),
            last_good,
            instead: Mutex::new(instead),
        });
        swapper.note_instead();
        tokio::spawn(keep_last_good(Arc::downgrade(&swapper)));
        tokio::spawn(note_failures(Arc::downgrade(&swapper), failures));
        Ok(swapper)
    }

    /// The plugin that [`crate::rosters`] calls.
    pub fn serving(&self) -> &Arc<ServingPlugin> {
        &self.serving
    }

    /// What modules are loaded with now.
    pub(super) fn configured(&self) -> Arc<Configured> {
        self.configured.load_full()
    }

    /// What a plugin's requests are sent with.
    pub fn client(&self) -> HttpClient {
        self.configured.load().client.clone()
    }

    /// The engine that runs its plugins.
    pub fn engine(&self) -> PluginEngine {
        self.configured.load().engine.clone()
    }

    /// No call lasts longer.
    fn call_timeout(&self) -> Duration {
        self.configured.load().host.limits.call_timeout
    }

    /// The virtual host.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Reads what is configured again, and swaps if it is another module.
    pub async fn reload(&self) -> Receipt {
        let Configured { host, engine, .. } = &*self.configured();
        let longest = engine.compile_config().max_component;
        let read = async { engine.source(host, IfUnreachable::Fail)?.read_within(longest).await };
        self.transaction("reload", read).await
    }

    /// Puts the module from `source` in the place of the one that serves, or says why not.
    pub async fn swap(&self, trigger: &'static str, source: PluginSource) -> Receipt {
        self.transaction(trigger, source.read_within(self.longest_plugin())).await
    }

    /// The same with a module that was read already.
    pub(super) async fn swap_to(&self, trigger: &'static str, bytes: PluginBytes) -> Receipt {
        self.transaction(trigger, async { Ok(bytes) }).await
    }

    /// The longest component that is taken, bytes.
    pub fn longest_plugin(&self) -> u64 {
        self.configured.load().engine.compile_config().max_component
    }

    /// Leave to send a component, for as long as what is returned lives; `None` if others are at it.
    pub fn upload_permit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.uploads).try_acquire_owned().ok()
    }

    /// Ends what is being prepared, its compiler included, and prepares nothing more: the host stops.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// The host stops.
    pub(super) fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Ends when the host stops.
    pub async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    async fn transaction(
        &self,
        trigger: &'static str,
        read: impl Future<Output = Result<PluginBytes, LoadError>>,
    ) -> Receipt {
        let began = Instant::now();
        let mut receipt = self.new_receipt(trigger, &self.serving.plugin());
        let Some(_turn) = self.turn(&mut receipt).await else { return self.remember(receipt) };
        let rollbacks = self.rollbacks.load(Ordering::SeqCst);
        match self.prepared(&self.configured(), read, &mut receipt).await {
            Ok((new, bytes)) => {
                if let Some(_moment) = self.moment_since(rollbacks, &mut receipt).await {
                    self.takes_over(new, bytes, began, &mut receipt).await;
                }
            }
            Err(Refusal::Unchanged) => receipt.outcome = Outcome::Unchanged,
            Err(Refusal::Because(reason)) => receipt.reason = Some(reason),
        }
        self.remember(receipt)
    }

    /// A module that may take over, loaded with `configured`.
    pub(super) async fn prepared(
        &self,
        configured: &Configured,
        read: impl Future<Output = Result<PluginBytes, LoadError>>,
        receipt: &mut Receipt,
    ) -> Result<(Arc<WasmPlugin>, PluginBytes), Refusal> {
        let old = self.serving.plugin();
        receipt.old = Module::of(&old);
        receipt.step = Step::Read;
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(Refusal::Because(STOPPING.to_owned())),
            prepared = prepare(configured, &self.metrics, read, &old, receipt) => prepared,
        }
    }

    pub(super) async fn takes_over(
        &self,
        new: Arc<WasmPlugin>,
        bytes: PluginBytes,
        began: Instant,
        receipt: &mut Receipt,
    ) {
        self.replace(new, true, began, receipt).await;
        *self.instead.lock() = None;
        if let Some(last_good) = &self.last_good {
            last_good.serves(bytes);
        }
    }

    /// `new` serves, and the module before ends its calls.
    async fn replace(&self, new: Arc<WasmPlugin>, canary: bool, began: Instant, receipt: &mut Receipt) {
        let old = take_over(&self.serving, &self.generations, new, canary, began, receipt);
        drain(&old, &self.domain, self.call_timeout(), receipt).await;
    }

    /// Waits until nobody else prepares a module, but not for long.
    pub(super) async fn turn(&self, receipt: &mut Receipt) -> Option<OwnedMutexGuard<()>> {
        let deadline = self.configured.load().host.swap.queue_timeout;
        let turn = tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(STOPPING.to_owned()),
            turn = tokio::time::timeout(deadline, Arc::clone(&self.turn).lock_owned()) => turn.map_err(|_| {
                let deadline = humantime::format_duration(deadline);
                format!("another swap of {} has not ended within {deadline} (swap.queue_timeout); try again", self.domain())
            }),
        };
        turn.map_err(|reason| receipt.reason = Some(reason)).ok()
    }

    /// Leave to take over, unless a generation was put back by hand since there were so many `rollbacks`.
    pub(super) async fn moment_since(&self, rollbacks: u64, receipt: &mut Receipt) -> Option<OwnedMutexGuard<()>> {
        let moment = Arc::clone(&self.moment).lock_owned().await;
        if self.rollbacks.load(Ordering::SeqCst) == rollbacks {
            return Some(moment);
        }
        receipt.reason = Some(ROLLED_BACK_MEANWHILE.to_owned());
        None
    }

    /// Puts back the generation that served before, or the one with the number `to`. What is being prepared meanwhile does
    /// not hold it up, and does not take over after it.
    pub async fn roll_back(&self, to: Option<u64>) -> Receipt {
        let began = Instant::now();
        let _moment = self.moment.lock().await;
        let old = self.serving.plugin();
        let mut receipt = self.new_receipt("rollback", &old);
        let found = self.generations.lock().find(to);
        match found {
            Ok(new) => {
                self.rollbacks.fetch_add(1, Ordering::SeqCst);
                receipt.new = Some(Module::of(&new));
                self.replace(new, false, began, &mut receipt).await;
            }
            Err(reason) => {
                receipt.step = Step::Swap;
                receipt.reason = Some(reason);
            }
        }
        self.remember(receipt)
    }

    /// What serves and what has happened.
    pub fn status(&self) -> Status {
        let (serves, canary) = (self.serving.plugin(), self.serving.canary());
        Status {
            domain: self.domain.clone(),
            serves: Module::of(&serves),
            stands_in: self.stands_in(),
            figures: serves.stats().figures(),
            recorded: serves.recorded().len(),
            is_canary: canary.is_some(),
            canary,
            kept: self.generations.lock().kept().map(|plugin| KeptModule::of(plugin)).collect(),
            history: self.history.lock().all(),
        }
    }

    /// Why the configured module does not serve, if the last good one stands in for it.
    pub fn stands_in(&self) -> Option<String> {
        self.instead.lock().as_ref().map(|instead| instead.reason.to_string())
    }

    /// A module that was refused at the start leaves a receipt like any other.
    fn note_instead(&self) {
        let Some(Instead { reason, refused }) = self.instead.lock().clone() else { return };
        let mut receipt = self.new_receipt("start", &self.serving.plugin());
        receipt.step = Step::of(&reason);
        receipt.new = refused;
        receipt.reason = Some(format!("{reason}; the plugin that served well last stands in"));
        self.remember(receipt);
    }

    pub(super) fn new_receipt(&self, trigger: &'static str, old: &WasmPlugin) -> Receipt {
        Receipt::new(self.ids.fetch_add(1, Ordering::Relaxed), &self.domain, trigger, old)
    }

    pub(super) fn remember(&self, receipt: Receipt) -> Receipt {
        self.history.lock().add(&receipt, &self.metrics);
        receipt
    }
}

/// The module to begin with: the configured one, or the last good one and why.
async fn first(
    configured: &Configured,
    metrics: &Arc<Metrics>,
    last_good: Option<&LastGood>,
) -> Result<(Arc<WasmPlugin>, Option<Instead>), LoadError> {
    let Configured { host, engine, .. } = configured;
    let source = engine.source(host, IfUnreachable::UseLast)?;
    let (reason, refused) = match source.read_within(engine.compile_config().max_component).await {
        Err(error) => (error, None),
        Ok(bytes) => match configured.load(&bytes, metrics).await {
            Ok(plugin) => {
                if let Some(last_good) = last_good {
                    last_good.serves(bytes);
                }
                return Ok((Arc::new(plugin), None));
            }
            Err(error) => (error, Some(Module::unknown(&bytes))),
        },
    };
    let Some(last_good) = last_good else { return Err(reason) };
    let Some(bytes) = last_good.read(format!("{} (the last good one)", source.name())).await else {
        return Err(reason);
    };
    match configured.load(&bytes, metrics).await {
        Ok(plugin) => Ok((Arc::new(plugin), Some(Instead { reason: Arc::new(reason), refused }))),
        // The operator has to mend what is configured, so that is what is said; this beside it.
        Err(error) => {
            warn!(domain = host.domain, %error, "the plugin that served well last cannot be used either");
            Err(reason)
        }
    }
}

/// Writes a receipt for every module that failed as a canary. Ends with the swapper.
async fn note_failures(swapper: Weak<Swapper>, mut failures: mpsc::Receiver<Failed>) {
    while let Some(Failed { module, previous }) = failures.recv().await {
        let Some(swapper) = swapper.upgrade() else { return };
        let mut generations = swapper.generations.lock();
        generations.put_back(&swapper.serving.plugin());
        drop(generations);
        let mut receipt = swapper.new_receipt("canary", &module);
        receipt.step = Step::Canary;
        receipt.outcome = Outcome::RolledBack;
        receipt.new = Some(Module::of(&previous));
        receipt.figures = Some(module.stats().figures());
        receipt.reason = Some(format!("{} failed too many of its first calls", module.name()));
        swapper.remember(receipt);
    }
}

/// Keeps what serves well, until the swapper is dropped.
async fn keep_last_good(swapper: Weak<Swapper>) {
    loop {
        tokio::time::sleep(LOOK).await;
        let Some(swapper) = swapper.upgrade() else { return };
        let Some(last_good) = &swapper.last_good else { return };
        let serves = swapper.serving().plugin();
        if !swapper.serving().is_canary() && serves_well(&serves.stats().figures()) {
            last_good.keep(serves.digest()).await;
        }
    }
}
