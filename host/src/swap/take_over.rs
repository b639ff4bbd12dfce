//! The moment itself, and what becomes of the module before.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::warn;

use super::Swapper;
use super::receipt::{Module, Outcome, Receipt, Step, millis};
use crate::plugin::WasmPlugin;

/// Calls that begin from now on go to `new`; those that have begun end on the module before, which is kept.
pub(super) async fn take_over(
    swapper: &Swapper,
    new: Arc<WasmPlugin>,
    probation: bool,
    began: Instant,
    receipt: &mut Receipt,
) {
    receipt.step = Step::Swap;
    new.open();
    let old = swapper.slot.replace(&new, probation);
    receipt.took_over_ms = Some(millis(began.elapsed()));
    receipt.in_flight = Some(old.running());
    receipt.outcome = Outcome::Swapped;
    // Seldom another than at the beginning: one whose probation ended meanwhile.
    receipt.old = Module::of(&old);
    let forgotten = swapper.generations.lock().took_over(&new, Arc::clone(&old));
    receipt.new = Some(Module::of(&new));
    // What they hold takes a while to give back, so not under the lock.
    drop(forgotten);

    receipt.step = Step::Drain;
    let draining = Instant::now();
    // No call lasts longer.
    let deadline = swapper.call_timeout() + Duration::from_secs(1);
    match tokio::time::timeout(deadline, old.drain()).await {
        Ok(()) => receipt.drain_ms = Some(millis(draining.elapsed())),
        Err(_) => warn!(domain = swapper.domain(), running = old.running(), "the old plugin still has calls"),
    }
}
