//! A time in which events are lost: told when it begins and when it is over, and not for every event.

use std::fmt;
use std::path::PathBuf;

use parking_lot::Mutex;
use tracing::{error, warn};

/// What is told of the losses of one output.
pub(super) struct Outage {
    path: PathBuf,
    /// How many events this one has cost; `None`: there is none.
    lost: Mutex<Option<u64>>,
}

impl Outage {
    pub(super) fn none(path: PathBuf) -> Self {
        Self { path, lost: Mutex::new(None) }
    }

    /// `events` are lost.
    pub(super) fn lost(&self, events: u64, reason: &dyn fmt::Display) {
        let mut lost = self.lost.lock();
        if lost.is_none() {
            error!(
                path = %self.path.display(), %reason,
                "roster events are lost (sinks.json_lines); events_lost_total counts them"
            );
        }
        *lost = Some(lost.unwrap_or(0) + events);
    }

    /// All that was waiting is written.
    pub(super) fn over(&self) {
        if let Some(lost) = self.lost.lock().take() {
            warn!(path = %self.path.display(), lost, "roster events are written again");
        }
    }
}
