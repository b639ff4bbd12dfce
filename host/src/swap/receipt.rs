//! What is left of a swap for the operator.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::rehearsal::Rehearsed;
use crate::plugin::{Digest, WasmPlugin};

/// One attempt to swap, from its trigger to its end.
#[derive(Clone, Debug, Serialize)]
pub struct Receipt {
    /// Counts the attempts of a virtual host, from 1.
    pub id: u64,
    /// The virtual host.
    pub domain: String,
    /// What asked for it: `reload`, `upload`, `rollback`, `probation`.
    pub trigger: &'static str,
    /// When it began, seconds since 1970.
    pub at: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// The last step that was begun.
    pub step: Step,
    /// What was wrong, in one line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The module that served before.
    pub old: Module,
    /// The module that was to serve, as far as it got.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<Module>,
    /// Imports that the new module has and the old one had not.
    pub imports_added: Vec<String>,
    /// Imports that the old module had and the new one has not.
    pub imports_removed: Vec<String>,
    /// Compiling, linking and the module's own check of its settings, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compile_ms: Option<u64>,
    /// The rehearsal, hook by hook.
    pub rehearsal: Vec<Rehearsed>,
    /// Calls on the old module when the new one took over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<usize>,
    /// How long these took to end, milliseconds; absent if they had not at the deadline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain_ms: Option<u64>,
}

/// A module, for people.
#[derive(Clone, Debug, Serialize)]
pub struct Module {
    /// Where it came from.
    pub name: String,
    /// The SHA-256 of the component.
    pub digest: Digest,
}

impl Module {
    pub(super) fn of(plugin: &WasmPlugin) -> Self {
        Self { name: plugin.name().to_owned(), digest: plugin.digest() }
    }
}

/// How a swap ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The new module serves.
    Swapped,
    /// It serves already.
    Unchanged,
    /// The old module still serves.
    Refused,
}

/// The steps, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Reading the module.
    Read,
    /// Compiling it and checking its type and imports, and its check of the settings.
    Load,
    /// Running every hook once.
    Rehearse,
    /// Taking over.
    Swap,
    /// Waiting for the old module's calls.
    Drain,
}

impl Receipt {
    pub(super) fn new(id: u64, domain: &str, trigger: &'static str, old: &WasmPlugin) -> Self {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self {
            id,
            domain: domain.to_owned(),
            trigger,
            at,
            outcome: Outcome::Refused,
            step: Step::Read,
            reason: None,
            old: Module::of(old),
            new: None,
            imports_added: Vec::new(),
            imports_removed: Vec::new(),
            compile_ms: None,
            rehearsal: Vec::new(),
            in_flight: None,
            drain_ms: None,
        }
    }
}
