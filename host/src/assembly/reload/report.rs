//! What has come of a reload, for the answer and the log.

use serde::Serialize;
use serde_json::{Value, json};

use crate::config::Change;
use crate::swap::Receipt;

/// See the module.
#[derive(Clone, Debug)]
pub struct Report {
    /// Whether anything has changed.
    pub outcome: Outcome,
    /// Why nothing has, one line each.
    pub mistakes: Vec<String>,
    /// What is allowed but probably not meant, one line each.
    pub warnings: Vec<String>,
    changes: Vec<Change>,
    swaps: Vec<Receipt>,
}

/// Whether anything has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// What could be taken over was.
    Reloaded,
    /// The configuration is the one that runs.
    Unchanged,
    /// Something is wrong with it; nothing has changed.
    Refused,
}

impl Outcome {
    /// For the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reloaded => "reloaded",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
        }
    }
}

impl Report {
    pub(super) fn refused(changes: Vec<Change>, mistakes: Vec<String>) -> Self {
        Self { outcome: Outcome::Refused, mistakes, warnings: Vec::new(), changes, swaps: Vec::new() }
    }

    pub(super) fn unchanged(warnings: Vec<String>) -> Self {
        Self { outcome: Outcome::Unchanged, mistakes: Vec::new(), warnings, changes: Vec::new(), swaps: Vec::new() }
    }

    pub(super) fn reloaded(changes: Vec<Change>, warnings: Vec<String>, swaps: Vec<Receipt>) -> Self {
        Self { outcome: Outcome::Reloaded, mistakes: Vec::new(), warnings, changes, swaps }
    }

    /// The keys that have other values in the file than in the host.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// What `/reload` answers with: `Err` if it was refused.
    pub(super) fn answer(&self) -> Result<Value, Value> {
        let change = |change: &Change| {
            let Change { key, old, new, needs_restart } = change;
            let effect = match needs_restart {
                _ if self.outcome == Outcome::Refused => "none",
                true => "needs a restart",
                false => "now",
            };
            json!({ "key": key, "old": old, "new": new, "effect": effect })
        };
        let answer = json!({
            "outcome": self.outcome,
            "mistakes": self.mistakes,
            "warnings": self.warnings,
            "changes": self.changes.iter().map(change).collect::<Vec<_>>(),
            "swaps": self.swaps,
        });
        if self.outcome == Outcome::Refused { Err(answer) } else { Ok(answer) }
    }
}
