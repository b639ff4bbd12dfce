//! Waiting for no longer than something may take.

use std::time::Duration;

use crate::bindings::wasi::clocks::monotonic_clock::{now, subscribe_instant};
use crate::bindings::wasi::io::poll::{Pollable, poll};

/// A point in time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Deadline(u64);

impl Deadline {
    pub(crate) fn after(time: Duration) -> Self {
        Self(now().saturating_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)))
    }

    pub(crate) fn has_passed(self) -> bool {
        now() >= self.0
    }

    /// Waits until one of `pollables` is ready, or the time has come: those that are ready.
    pub(crate) fn wait_for_any(self, pollables: &[Pollable]) -> Vec<usize> {
        let timer = subscribe_instant(self.0);
        let all: Vec<&Pollable> = pollables.iter().chain([&timer]).collect();
        let ready = poll(&all).into_iter().filter_map(|at| usize::try_from(at).ok());
        ready.filter(|at| *at < pollables.len()).collect()
    }

    /// Waits until `pollable` is ready. False if that is not in time.
    #[must_use]
    pub(crate) fn wait(self, pollable: &Pollable) -> bool {
        pollable.ready() || poll(&[pollable, &subscribe_instant(self.0)]).contains(&0)
    }
}
