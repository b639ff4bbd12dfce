//! The moment itself, and what becomes of the module before.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tracing::warn;

use super::generations::Generations;
use super::serving_plugin::ServingPlugin;
use crate::plugin::WasmPlugin;
use crate::swap::receipt::{Module, Outcome, Receipt, Step, millis};

/// Calls that begin from now on go to `new`; those that have begun end on the module before, which is kept and returned.
pub(in crate::swap) fn take_over(
    serving: &ServingPlugin,
    generations: &Mutex<Generations>,
    new: Arc<WasmPlugin>,
    canary: bool,
    began: Instant,
    receipt: &mut Receipt,
) -> Arc<WasmPlugin> {
    receipt.step = Step::Swap;
    new.open();
    let old = serving.replace(&new, canary);
    receipt.took_over_ms = Some(millis(began.elapsed()));
    receipt.in_flight = Some(old.running());
    receipt.outcome = Outcome::Swapped;
    // Seldom another than at the beginning: a canary that failed meanwhile.
    receipt.old = Module::of(&old);
    let forgotten = generations.lock().took_over(&new, Arc::clone(&old));
    receipt.new = Some(Module::of(&new));
    // What they hold takes a while to give back, so not under the lock.
    drop(forgotten);
    old
}

/// Waits until the calls that run on `old` have ended. None lasts longer than `call_timeout`.
pub(in crate::swap) async fn drain(old: &WasmPlugin, domain: &str, call_timeout: Duration, receipt: &mut Receipt) {
    receipt.step = Step::Drain;
    let began = Instant::now();
    match tokio::time::timeout(call_timeout + Duration::from_secs(1), old.drain()).await {
        Ok(()) => receipt.drain_ms = Some(millis(began.elapsed())),
        Err(_) => warn!(domain, running = old.running(), "the old plugin still has calls"),
    }
}
