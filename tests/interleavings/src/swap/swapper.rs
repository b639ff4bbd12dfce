//! Swaps one after another, as `host/src/swap/swapper.rs` does.

use std::sync::{Arc, Weak};
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::receipt::{Module, Outcome, Receipt, Step};
use super::serving::generations::Generations;
use super::serving::serving_plugin::{Failed, ServingPlugin};
use super::serving::take_over::{drain, take_over};
use crate::config::{LimitsConfig, SwapConfig};
use crate::plugin::WasmPlugin;

/// See the module.
pub struct Swapper {
    serving: Arc<ServingPlugin>,
    generations: Mutex<Generations>,
    turn: tokio::sync::Mutex<()>,
    /// Modules that failed as canaries, in the order in which they were noted.
    failed: Mutex<Vec<Arc<WasmPlugin>>>,
}

impl Swapper {
    /// `first` serves.
    pub fn new(first: Arc<WasmPlugin>, config: &SwapConfig) -> Arc<Self> {
        let generations = Mutex::new(Generations::new(&first, config.keep));
        let (serving, failures) = ServingPlugin::new(first, config.clone(), 10);
        let swapper = Arc::new(Self {
            serving: Arc::new(serving),
            generations,
            turn: tokio::sync::Mutex::new(()),
            failed: Mutex::default(),
        });
        tokio::spawn(note_failures(Arc::downgrade(&swapper), failures));
        swapper
    }

    /// What calls go through.
    pub fn serving(&self) -> &Arc<ServingPlugin> {
        &self.serving
    }

    /// Those that failed as canaries.
    pub fn failed(&self) -> Vec<Arc<WasmPlugin>> {
        self.failed.lock().clone()
    }

    /// Those that can be put back, the latest first.
    pub fn kept(&self) -> Vec<Arc<WasmPlugin>> {
        self.generations.lock().kept().cloned().collect()
    }

    /// `new` takes over.
    pub async fn swap(&self, new: Arc<WasmPlugin>) {
        let _turn = self.turn.lock().await;
        self.take_over(new, true).await;
    }

    /// The generation before serves again; the one that was put away, and the one that serves. None: there is none to go back to.
    pub async fn roll_back(&self) -> Option<(Arc<WasmPlugin>, Arc<WasmPlugin>)> {
        let _turn = self.turn.lock().await;
        let old = self.serving.plugin();
        let found = self.generations.lock().find(None).ok()?;
        self.take_over(Arc::clone(&found), false).await;
        Some((old, found))
    }

    async fn take_over(&self, new: Arc<WasmPlugin>, canary: bool) {
        let old = Module::of(&self.serving.plugin());
        let mut receipt = Receipt {
            step: Step::Swap,
            outcome: Outcome::Refused,
            took_over_ms: None,
            in_flight: None,
            drain_ms: None,
            old,
            new: None,
        };
        let old = take_over(&self.serving, &self.generations, new, canary, Instant::now(), &mut receipt);
        drain(&old, "example.com", LimitsConfig::default().call_timeout, &mut receipt).await;
    }
}

async fn note_failures(swapper: Weak<Swapper>, mut failures: mpsc::Receiver<Failed>) {
    while let Some(Failed { module, previous: _ }) = failures.recv().await {
        let Some(swapper) = swapper.upgrade() else { return };
        let mut generations = swapper.generations.lock();
        generations.put_back(&swapper.serving.plugin());
        drop(generations);
        swapper.failed.lock().push(module);
    }
}
