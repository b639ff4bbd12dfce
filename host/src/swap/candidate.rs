//! Everything that can fail, before anything is changed: a module is read, compiled, checked and rehearsed.

use std::sync::Arc;

use super::configured::Configured;
use super::receipt::{Module, Receipt, Step, millis};
use super::trial::shadow::Shadow;
use super::trial::{rehearsal, shadow};
use crate::metrics::Metrics;
use crate::plugin::{LoadError, LoadOptions, PluginBytes, Urgency, WasmPlugin, one_line};

/// Imports that a receipt names.
const MOST_IMPORTS: usize = 50;

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
    configured: &Configured,
    metrics: &Arc<Metrics>,
    read: impl Future<Output = Result<PluginBytes, LoadError>>,
    old: &WasmPlugin,
    receipt: &mut Receipt,
) -> Result<(Arc<WasmPlugin>, PluginBytes), Refusal> {
    let bytes = read.await?;
    receipt.new = Some(Module::unknown(&bytes));
    let Configured { host, engine, client } = configured;
    let options = LoadOptions { host, plugin: &bytes, client: client.clone(), metrics: Arc::clone(metrics) };
    if options.identity() == old.identity() {
        return Err(Refusal::Unchanged);
    }

    receipt.step = Step::Compile;
    let compiled = engine.compile(&bytes, Urgency::Swap).await.inspect_err(|error| receipt.step = Step::of(error))?;
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
    if let Some(failed) = receipt.rehearsal.iter().find(|hook| !hook.ok) {
        return Err(Refusal::Because(format!("{}: {}", failed.hook, failed.detail)));
    }
    if host.swap.shadow_calls > 0 {
        let shadow = receipt.shadow.insert(shadow::run(&new, old, host.store.max_contacts).await);
        let example = || shadow.examples.first().cloned().unwrap_or_default();
        if shadow.failed > 0 {
            return Err(Refusal::Because(format!("a recorded call, made again: {}", example())));
        }
        if shadow.different > 0 && host.swap.refuse_different {
            let Shadow { calls, different, .. } = shadow;
            let counts = format!("{different} of {calls} recorded calls came out differently (swap.refuse_different)");
            return Err(Refusal::Because(format!("{counts}: {}", example())));
        }
    }
    Ok((Arc::new(new), bytes))
}

/// Those of `of` that are not in `from`, but not more than an operator would read: a receipt is kept and logged.
fn missing(of: &[String], from: &[String]) -> Vec<String> {
    let mut missing: Vec<_> = of.iter().filter(|import| !from.contains(import)).map(|name| one_line(name)).collect();
    let more = missing.len().saturating_sub(MOST_IMPORTS);
    missing.truncate(MOST_IMPORTS);
    missing.extend((more > 0).then(|| format!("and {more} more")));
    missing
}
