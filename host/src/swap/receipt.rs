//! What is left of a swap for the operator.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::trial::rehearsal::Rehearsed;
use super::trial::shadow::Shadow;
use crate::metrics::Figures;
use crate::plugin::{CodeFrom, CompileError, Digest, LoadError, PluginBytes, WasmPlugin};

/// One attempt to swap, from its trigger to its end.
#[derive(Clone, Debug, Serialize)]
pub struct Receipt {
    /// Counts the attempts of a virtual host, from 1.
    pub id: u64,
    /// The virtual host.
    pub domain: String,
    /// What asked for it: `watch`, `reload`, `upload`, `rollback`, `canary`; `start` if it was refused then.
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
    /// Where the machine code came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code_from: Option<CodeFrom>,
    /// How long it took to have it, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compile_ms: Option<u64>,
    /// The rehearsal, hook by hook.
    pub rehearsal: Vec<Rehearsed>,
    /// The latest real calls, made again in the new module; absent if none are recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Shadow>,
    /// From the trigger to the first moment at which calls went to the new module, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub took_over_ms: Option<u64>,
    /// Calls on the old module when the new one took over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<usize>,
    /// How long these took to end, milliseconds; absent if they had not at the deadline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain_ms: Option<u64>,
    /// What a module that failed as a canary had done until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub figures: Option<Figures>,
}

/// A module, for people.
#[derive(Clone, Debug, Serialize)]
pub struct Module {
    /// Which generation it is, if it has served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// Where it came from.
    pub name: String,
    /// The SHA-256 of the component.
    pub digest: Digest,
    /// The version in the component's metadata.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The version of `xmpp:roster` it was built for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<&'static str>,
}

impl Module {
    pub(super) fn of(plugin: &WasmPlugin) -> Self {
        let generation = Some(plugin.stats().number()).filter(|number| *number > 0);
        Self {
            generation,
            name: plugin.name().to_owned(),
            digest: plugin.digest(),
            version: plugin.module_version().map(str::to_owned),
            interface: Some(plugin.wit_version()),
        }
    }

    /// A module that nothing is known of yet but its bytes.
    pub(super) fn unknown(bytes: &PluginBytes) -> Self {
        Self {
            generation: None,
            name: bytes.name.clone(),
            digest: bytes.digest,
            version: bytes.version.clone(),
            interface: None,
        }
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
    /// The new module failed as a canary, and the one before it serves again.
    RolledBack,
}

impl Outcome {
    /// As in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Swapped => "swapped",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
            Self::RolledBack => "rolled-back",
        }
    }
}

/// The steps, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Waiting for other swaps.
    Wait,
    /// Reading the module.
    Read,
    /// Compiling it.
    Compile,
    /// Checking its hooks against the world, and its imports against what is granted.
    Check,
    /// Letting it check its settings.
    Settings,
    /// Running every hook once.
    Rehearse,
    /// Taking over.
    Swap,
    /// Waiting for the old module's calls.
    Drain,
    /// Watching the new module's first calls.
    Canary,
}

impl Step {
    /// The step at which a module is found to be wrong in this way.
    pub(super) fn of(error: &LoadError) -> Self {
        match error {
            LoadError::Compile { source: CompileError::Busy { .. }, .. } => Self::Wait,
            LoadError::Read { .. }
            | LoadError::Registry { .. }
            | LoadError::TooLarge { .. }
            | LoadError::Engine { .. } => Self::Read,
            LoadError::NotAComponent { .. } | LoadError::Compile { .. } => Self::Compile,
            LoadError::Imports { .. } | LoadError::Exports { .. } | LoadError::Version { .. } => Self::Check,
            LoadError::Settings { .. } | LoadError::Check { .. } => Self::Settings,
        }
    }

    /// As in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::Read => "read",
            Self::Compile => "compile",
            Self::Check => "check",
            Self::Settings => "settings",
            Self::Rehearse => "rehearse",
            Self::Swap => "swap",
            Self::Drain => "drain",
            Self::Canary => "canary",
        }
    }
}

impl Receipt {
    /// Refused because others were at work, and not for what it is: the same may be taken another time.
    pub fn is_busy(&self) -> bool {
        self.outcome == Outcome::Refused && self.step == Step::Wait
    }

    pub(super) fn new(id: u64, domain: &str, trigger: &'static str, old: &WasmPlugin) -> Self {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self {
            id,
            domain: domain.to_owned(),
            trigger,
            at,
            outcome: Outcome::Refused,
            step: Step::Wait,
            reason: None,
            old: Module::of(old),
            new: None,
            imports_added: Vec::new(),
            imports_removed: Vec::new(),
            code_from: None,
            compile_ms: None,
            rehearsal: Vec::new(),
            shadow: None,
            took_over_ms: None,
            in_flight: None,
            drain_ms: None,
            figures: None,
        }
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
