//! What [`super::take_over`] writes down.
#![allow(dead_code)]

use std::time::Duration;

use crate::plugin::WasmPlugin;

pub(super) struct Receipt {
    pub(super) step: Step,
    pub(super) outcome: Outcome,
    pub(super) took_over_ms: Option<u64>,
    pub(super) in_flight: Option<usize>,
    pub(super) drain_ms: Option<u64>,
    pub(super) old: Module,
    pub(super) new: Option<Module>,
}

pub(super) struct Module;

impl Module {
    pub(super) fn of(_plugin: &WasmPlugin) -> Self {
        Self
    }
}

pub(super) enum Outcome {
    Refused,
    Swapped,
}

pub(super) enum Step {
    Swap,
    Drain,
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
