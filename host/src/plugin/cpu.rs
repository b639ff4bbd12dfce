//! How long a call computes.
//!
//! The engine's clock interrupts a plugin only between its own instructions, so counting interruptions would charge a host
//! function that works for a second (random numbers, a poll of a million handles) as one. What is charged is the time in
//! which the call occupies a thread.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;

/// The time one call has computed. Clones are one meter.
#[derive(Clone)]
pub(super) struct CpuMeter(Arc<Inner>);

struct Inner {
    /// What the other times count from.
    zero: Instant,
    /// Nanoseconds computed before the current stretch.
    before: AtomicU64,
    /// When the current stretch began, in nanoseconds; [`IDLE`] outside of one.
    began: AtomicU64,
    /// When the last stretch ended, nanoseconds.
    ended: AtomicU64,
}

const IDLE: u64 = u64::MAX;

impl CpuMeter {
    pub(super) fn new() -> Self {
        Self(Arc::new(Inner {
            zero: Instant::now(),
            before: AtomicU64::new(0),
            began: AtomicU64::new(IDLE),
            ended: AtomicU64::new(0),
        }))
    }

    /// A new call begins.
    pub(super) fn reset(&self) {
        self.0.before.store(0, Ordering::Relaxed);
        self.0.began.store(IDLE, Ordering::Relaxed);
    }

    /// Computed by this call so far.
    pub(super) fn used(&self) -> Duration {
        let before = self.0.before.load(Ordering::Relaxed);
        let began = self.0.began.load(Ordering::Relaxed);
        let current = if began == IDLE { 0 } else { self.now().saturating_sub(began) };
        Duration::from_nanos(before.saturating_add(current))
    }

    fn now(&self) -> u64 {
        u64::try_from(self.0.zero.elapsed().as_nanos()).unwrap_or(IDLE - 1)
    }

    fn begin(&self) {
        self.0.began.store(self.now(), Ordering::Relaxed);
    }

    /// When the last stretch ended; if there was none, when the meter was made.
    pub(super) fn ended(&self) -> Instant {
        self.0.zero + Duration::from_nanos(self.0.ended.load(Ordering::Relaxed))
    }

    fn end(&self) {
        let (now, began) = (self.now(), self.0.began.swap(IDLE, Ordering::Relaxed));
        let before = self.0.before.load(Ordering::Relaxed);
        self.0.before.store(before.saturating_add(now.saturating_sub(began)), Ordering::Relaxed);
        self.0.ended.store(now, Ordering::Relaxed);
    }
}

/// A future whose polls are charged to a meter.
pub(super) struct Metered<'a, T> {
    call: BoxFuture<'a, T>,
    meter: CpuMeter,
}

impl<'a, T> Metered<'a, T> {
    pub(super) fn new(call: BoxFuture<'a, T>, meter: CpuMeter) -> Self {
        Self { call, meter }
    }
}

impl<T> Future for Metered<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        self.meter.begin();
        let result = self.call.as_mut().poll(context);
        self.meter.end();
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[tokio::test]
    async fn computing_is_charged_and_waiting_is_not() {
        let meter = CpuMeter::new();
        let inner = meter.clone();
        let call = async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            std::thread::sleep(Duration::from_millis(30));
            assert!(inner.used() >= Duration::from_millis(30), "the current stretch counts: {:?}", inner.used());
        };
        Metered::new(call.boxed(), meter.clone()).await;
        assert!((30..90).contains(&meter.used().as_millis()), "{:?}", meter.used());
        meter.reset();
        assert_eq!(meter.used(), Duration::ZERO);
    }
}
