//! The transaction, and what is remembered of it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::mpsc;
use tracing::{error, info, warn};

use super::receipt::{Module, Outcome, Receipt, Step};
use super::rehearsal;
use super::slot::PluginSlot;
use crate::config::HostConfig;
use crate::http_client::HttpClient;
use crate::metrics::Metrics;
use crate::plugin::{LoadError, LoadOptions, PluginEngine, PluginSource, WasmPlugin};

/// Receipts remembered.
const HISTORY: usize = 50;
/// Modules kept for a rollback, the one that serves aside.
const KEPT: usize = 3;

/// Swaps the plugin of one virtual host, one swap at a time.
pub struct Swapper {
    host: HostConfig,
    engine: PluginEngine,
    client: HttpClient,
    metrics: Arc<Metrics>,
    slot: Arc<PluginSlot>,
    /// One swap after another.
    turn: tokio::sync::Mutex<()>,
    memory: Mutex<Memory>,
    ids: AtomicU64,
}

#[derive(Default)]
struct Memory {
    /// The latest first.
    history: VecDeque<Receipt>,
    /// The latest first.
    kept: VecDeque<Arc<WasmPlugin>>,
}

/// What serves, what can be put back, and what has happened.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// The virtual host.
    pub domain: String,
    /// The module that serves.
    pub serves: Module,
    /// It has just taken over.
    pub on_probation: bool,
    /// Modules that a rollback can put back, the latest first.
    pub kept: Vec<Module>,
    /// The latest first.
    pub history: Vec<Receipt>,
}

impl Swapper {
    /// Loads the plugin that is configured; it serves through [`Swapper::slot`]. Must be called within a Tokio runtime.
    pub async fn start(
        engine: &PluginEngine,
        host: &HostConfig,
        client: HttpClient,
        metrics: &Arc<Metrics>,
    ) -> Result<Arc<Self>, LoadError> {
        let bytes = PluginSource::configured(host.plugin.as_deref()).read().await?;
        let options = LoadOptions { host, plugin: &bytes, client: client.clone(), metrics: Arc::clone(metrics) };
        let (slot, failures) = PluginSlot::new(Arc::new(WasmPlugin::load(engine, options).await?));
        let swapper = Arc::new(Self {
            host: host.clone(),
            engine: engine.clone(),
            client,
            metrics: Arc::clone(metrics),
            slot: Arc::new(slot),
            turn: tokio::sync::Mutex::default(),
            memory: Mutex::default(),
            ids: AtomicU64::new(1),
        });
        tokio::spawn(note_failures(Arc::downgrade(&swapper), failures));
        Ok(swapper)
    }

    /// The plugin that [`crate::rosters`] calls.
    pub fn slot(&self) -> &Arc<PluginSlot> {
        &self.slot
    }

    /// What stands behind the plugin's `wasi:http`.
    pub fn client(&self) -> &HttpClient {
        &self.client
    }

    /// The virtual host.
    pub fn domain(&self) -> &str {
        &self.host.domain
    }

    /// Reads what is configured again, and swaps if it is another module.
    pub async fn reload(&self) -> Receipt {
        self.swap("reload", PluginSource::configured(self.host.plugin.as_deref())).await
    }

    /// Puts the module from `source` in the place of the one that serves, or says why not.
    pub async fn swap(&self, trigger: &'static str, source: PluginSource) -> Receipt {
        let _turn = self.turn.lock().await;
        let old = self.slot.plugin();
        let mut receipt = self.new_receipt(trigger, &old);
        match self.prepare(&source, &old, &mut receipt).await {
            Ok(Some(new)) => self.take_over(new, &old, &mut receipt).await,
            Ok(None) => receipt.outcome = Outcome::Unchanged,
            Err(reason) => receipt.reason = Some(reason),
        }
        self.remember(receipt)
    }

    /// Puts back the module that served before.
    pub async fn roll_back(&self) -> Receipt {
        let _turn = self.turn.lock().await;
        let old = self.slot.plugin();
        let mut receipt = self.new_receipt("rollback", &old);
        let kept = self.memory.lock().kept.pop_front();
        match kept {
            Some(new) => {
                receipt.new = Some(Module::of(&new));
                self.take_over(new, &old, &mut receipt).await;
            }
            None => receipt.reason = Some("there is no module to go back to".to_owned()),
        }
        self.remember(receipt)
    }

    /// What serves and what has happened.
    pub fn status(&self) -> Status {
        let memory = self.memory.lock();
        Status {
            domain: self.host.domain.clone(),
            serves: Module::of(&self.slot.plugin()),
            on_probation: self.slot.on_probation(),
            kept: memory.kept.iter().map(|plugin| Module::of(plugin)).collect(),
            history: memory.history.iter().cloned().collect(),
        }
    }

    /// Everything that can fail, before anything is changed. `None`: the module serves already.
    async fn prepare(
        &self,
        source: &PluginSource,
        old: &WasmPlugin,
        receipt: &mut Receipt,
    ) -> Result<Option<Arc<WasmPlugin>>, String> {
        let bytes = source.read().await.map_err(|error| error.to_string())?;
        receipt.new = Some(Module { name: bytes.name.clone(), digest: bytes.digest });
        if bytes.digest == old.digest() {
            return Ok(None);
        }
        receipt.step = Step::Load;
        let began = Instant::now();
        let options = LoadOptions {
            host: &self.host,
            plugin: &bytes,
            client: self.client.clone(),
            metrics: Arc::clone(&self.metrics),
        };
        let new = WasmPlugin::load(&self.engine, options).await.map_err(|error| error.to_string())?;
        receipt.compile_ms = Some(millis(began.elapsed()));
        receipt.imports_added = missing(new.imports(), old.imports());
        receipt.imports_removed = missing(old.imports(), new.imports());
        receipt.step = Step::Rehearse;
        receipt.rehearsal = rehearsal::run(&new, self.host.store.max_contacts).await;
        match receipt.rehearsal.iter().find(|hook| !hook.ok) {
            Some(failed) => Err(format!("{}: {}", failed.hook, failed.detail)),
            None => Ok(Some(Arc::new(new))),
        }
    }

    async fn take_over(&self, new: Arc<WasmPlugin>, old: &Arc<WasmPlugin>, receipt: &mut Receipt) {
        receipt.step = Step::Swap;
        self.slot.replace(new, true);
        receipt.outcome = Outcome::Swapped;
        receipt.in_flight = Some(old.running());
        receipt.step = Step::Drain;
        let began = Instant::now();
        match tokio::time::timeout(self.drain_deadline(), old.drain()).await {
            Ok(()) => receipt.drain_ms = Some(millis(began.elapsed())),
            Err(_) => warn!(domain = %self.host.domain, running = old.running(), "the old plugin still has calls"),
        }
        let mut memory = self.memory.lock();
        memory.kept.push_front(Arc::clone(old));
        memory.kept.truncate(KEPT);
    }

    /// No call lasts longer.
    fn drain_deadline(&self) -> Duration {
        self.host.limits.call_timeout + Duration::from_secs(1)
    }

    fn new_receipt(&self, trigger: &'static str, old: &WasmPlugin) -> Receipt {
        Receipt::new(self.ids.fetch_add(1, Ordering::Relaxed), &self.host.domain, trigger, old)
    }

    fn remember(&self, receipt: Receipt) -> Receipt {
        let Receipt { domain, id, trigger, outcome, step, reason, .. } = &receipt;
        match outcome {
            Outcome::Refused => {
                let reason = reason.as_deref().unwrap_or_default();
                error!(%domain, id, trigger, ?step, reason, "plugin swap refused; the old plugin serves");
            }
            _ => info!(%domain, id, trigger, ?outcome, "plugin swap done"),
        }
        let mut memory = self.memory.lock();
        memory.history.push_front(receipt.clone());
        memory.history.truncate(HISTORY);
        receipt
    }
}

/// Writes a receipt for every module that failed its probation. Ends with the swapper.
async fn note_failures(swapper: Weak<Swapper>, mut failures: mpsc::Receiver<Arc<WasmPlugin>>) {
    while let Some(failed) = failures.recv().await {
        let Some(swapper) = swapper.upgrade() else { return };
        let mut receipt = swapper.new_receipt("probation", &failed);
        receipt.step = Step::Drain;
        receipt.outcome = Outcome::Swapped;
        receipt.new = Some(Module::of(&swapper.slot.plugin()));
        receipt.reason = Some(format!("{} failed too many of its first calls; rolled back", failed.name()));
        error!(domain = %swapper.host.domain, plugin = failed.name(), "a new plugin failed its probation and was rolled back");
        swapper.remember(receipt);
    }
}

fn missing(of: &[String], from: &[String]) -> Vec<String> {
    of.iter().filter(|import| !from.contains(import)).cloned().collect()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
