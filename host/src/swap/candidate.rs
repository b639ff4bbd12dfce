//! Everything that can fail, before anything is changed: a module is read, compiled, checked and rehearsed.

use std::sync::Arc;

use super::receipt::{Module, Receipt, Step, millis};
use super::{Swapper, rehearsal};
use crate::plugin::{LoadError, LoadOptions, PluginBytes, Urgency, WasmPlugin};

/// Why a module does not take over.
pub(super) enum Refusal {
    /// It serves already, with the same settings, limits and grants.
    Unchanged,
    /// Something is wrong with it, in one line.
    Because(String),
}

impl From<LoadError> for Refusal {
    fn from(error: LoadError) -> Self {
        Self::Because(error.to_string())
    }
}

/// A module that may take over from `old`. What happens is written down in `receipt`.
pub(super) async fn prepare(
    swapper: &Swapper,
    read: impl Future<Output = Result<PluginBytes, LoadError>>,
    old: &WasmPlugin,
    receipt: &mut Receipt,
) -> Result<Arc<WasmPlugin>, Refusal> {
    let bytes = read.await?;
    receipt.new = Some(Module::unknown(&bytes));
    let Swapper { host, engine, client, metrics, .. } = swapper;
    let options = LoadOptions { host, plugin: &bytes, client: client.clone(), metrics: Arc::clone(metrics) };
    if options.identity() == old.identity() {
        return Err(Refusal::Unchanged);
    }

    receipt.step = Step::Compile;
    let compiled = engine.compile(&bytes, Urgency::Swap).await?;
    receipt.code_from = Some(compiled.code_from());
    receipt.compile_ms = Some(millis(compiled.took()));

    receipt.step = Step::Check;
    receipt.imports_added = missing(compiled.imports(), old.imports());
    receipt.imports_removed = missing(old.imports(), compiled.imports());
    let new = WasmPlugin::link(engine, &compiled, options)?;
    receipt.new = Some(Module::of(&new));

    receipt.step = Step::Settings;
    new.check_settings().await.inspect_err(|error| {
        // With the first instance the last type is compared.
        if matches!(error, LoadError::Exports { .. }) {
            receipt.step = Step::Check;
        }
    })?;

    receipt.step = Step::Rehearse;
    receipt.rehearsal = rehearsal::run(&new, host.store.max_contacts).await;
    match receipt.rehearsal.iter().find(|hook| !hook.ok) {
        Some(failed) => Err(Refusal::Because(format!("{}: {}", failed.hook, failed.detail))),
        None => Ok(Arc::new(new)),
    }
}

fn missing(of: &[String], from: &[String]) -> Vec<String> {
    of.iter().filter(|import| !from.contains(import)).cloned().collect()
}
