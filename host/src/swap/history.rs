//! The receipts of the latest swaps.

use std::collections::VecDeque;

use tracing::{error, info};

use super::receipt::{Outcome, Receipt};
use crate::metrics::Metrics;

/// Receipts remembered.
const MOST: usize = 50;

/// The latest first.
#[derive(Default)]
pub(super) struct History(VecDeque<Receipt>);

impl History {
    /// Logs the receipt, counts it, and keeps it.
    pub(super) fn add(&mut self, receipt: &Receipt, metrics: &Metrics) {
        let Receipt { domain, id, trigger, outcome, step, reason, .. } = receipt;
        let (step, reason) = (step.name(), reason.as_deref().unwrap_or_default());
        match outcome {
            Outcome::Refused => {
                error!(%domain, id, trigger, step, reason, "plugin swap refused; the old plugin serves")
            }
            Outcome::RolledBack => error!(%domain, id, trigger, step, reason, "plugin rolled back"),
            Outcome::Swapped | Outcome::Unchanged => {
                let new = receipt.new.as_ref();
                let (plugin, generation) = new.map_or(("", None), |new| (new.name.as_str(), new.generation));
                info!(%domain, id, trigger, outcome = outcome.name(), plugin, generation, "plugin swap done");
            }
        }
        metrics.swap(domain, trigger, outcome.name(), step);
        self.0.push_front(receipt.clone());
        self.0.truncate(MOST);
    }

    pub(super) fn all(&self) -> Vec<Receipt> {
        self.0.iter().cloned().collect()
    }
}
