//! What serves now, as the operator sees it.

use serde::Serialize;

use super::receipt::{Module, Receipt};
use super::serving::canary::Progress;
use crate::metrics::Figures;
use crate::plugin::WasmPlugin;

/// What serves, what can be put back, and what has happened.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// The virtual host.
    pub domain: String,
    /// The module that serves.
    pub serves: Module,
    /// Why the configured module does not serve: it was refused at the start, and this is the last good one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stands_in: Option<String>,
    /// What it has done since it took over.
    pub figures: Figures,
    /// Its calls that are remembered, to be made again in the module after it.
    pub recorded: usize,
    /// It has just taken over.
    pub is_canary: bool,
    /// How far it is with that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary: Option<Progress>,
    /// Generations that a rollback can put back, the latest first.
    pub kept: Vec<KeptModule>,
    /// The latest first.
    pub history: Vec<Receipt>,
}

/// A generation that can be put back.
#[derive(Clone, Debug, Serialize)]
pub struct KeptModule {
    /// What it is.
    #[serde(flatten)]
    pub module: Module,
    /// What it did while it served.
    pub figures: Figures,
}

impl KeptModule {
    pub(super) fn of(plugin: &WasmPlugin) -> Self {
        Self { module: Module::of(plugin), figures: plugin.stats().figures() }
    }
}
