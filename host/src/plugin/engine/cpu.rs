//! How long a call computes.
//!
//! The engine's clock interrupts a plugin only between its own instructions, so counting interruptions would charge a host
//! function that works for a second (random numbers, a poll of a million handles) as one. What is charged is the time in
//! which the call occupies a thread.
//!
//! A thread's own time costs a system call to read, more than most calls compute. So a call that was never interrupted is
//! charged what the clock on the wall says, and one that was is charged its thread's time from then on: on a busy machine it
//! does not pay for what others compute.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use rustix::time::{ClockId, clock_gettime};

use super::processor::{ComputePermit, Share, nanos};

/// The time one call has computed. Clones are one meter.
#[derive(Clone)]
pub(in crate::plugin) struct CpuMeter(Arc<Inner>);

struct Inner {
    /// What the other times count from.
    zero: Instant,
    /// Nanoseconds computed before the current stretch.
    before: AtomicU64,
    /// When the current stretch began, in nanoseconds of its clock; [`IDLE`] outside of one.
    began: AtomicU64,
    /// When the last stretch ended, nanoseconds.
    ended: AtomicU64,
    /// The most that a stretch by the clock on the wall is charged.
    most: u64,
    /// The call has been interrupted: stretches are measured in their thread's time.
    interrupted: AtomicBool,
    /// The current stretch is.
    by_thread: AtomicBool,
    /// The next stretch needs a permit.
    needs_permit: AtomicBool,
}

const IDLE: u64 = u64::MAX;

impl CpuMeter {
    /// A meter for calls that may compute for `limit`.
    pub(in crate::plugin) fn new(limit: Duration) -> Self {
        let inner = Inner {
            zero: Instant::now(),
            before: AtomicU64::new(0),
            began: AtomicU64::new(IDLE),
            ended: AtomicU64::new(0),
            most: nanos(limit) / 2,
            interrupted: AtomicBool::new(false),
            by_thread: AtomicBool::new(false),
            needs_permit: AtomicBool::new(false),
        };
        Self(Arc::new(inner))
    }

    /// A new call begins.
    pub(in crate::plugin) fn reset(&self) {
        self.0.before.store(0, Ordering::Relaxed);
        self.0.began.store(IDLE, Ordering::Relaxed);
        self.0.interrupted.store(false, Ordering::Relaxed);
        self.0.needs_permit.store(false, Ordering::Relaxed);
    }

    /// The engine's clock has interrupted the call: it has had its moment.
    pub(in crate::plugin) fn interrupt(&self) {
        self.0.interrupted.store(true, Ordering::Relaxed);
        self.0.needs_permit.store(true, Ordering::Relaxed);
    }

    /// Computed by this call so far.
    pub(in crate::plugin) fn used(&self) -> Duration {
        Duration::from_nanos(self.0.before.load(Ordering::Relaxed).saturating_add(self.current()))
    }

    /// Computed in the current stretch.
    pub(in crate::plugin) fn stretch(&self) -> Duration {
        Duration::from_nanos(self.current())
    }

    fn current(&self) -> u64 {
        let began = self.0.began.load(Ordering::Relaxed);
        if began == IDLE {
            return 0;
        }
        let most = if self.0.by_thread.load(Ordering::Relaxed) { u64::MAX } else { self.0.most };
        self.read().saturating_sub(began).min(most)
    }

    /// The current stretch's clock.
    fn read(&self) -> u64 {
        if self.0.by_thread.load(Ordering::Relaxed) { thread_time() } else { self.now() }
    }

    fn now(&self) -> u64 {
        nanos(self.0.zero.elapsed()).min(IDLE - 1)
    }

    fn begin(&self) {
        self.0.by_thread.store(self.0.interrupted.load(Ordering::Relaxed), Ordering::Relaxed);
        self.0.began.store(self.read(), Ordering::Relaxed);
    }

    /// When the last stretch ended; if there was none, when the meter was made.
    pub(in crate::plugin) fn ended(&self) -> Instant {
        self.0.zero + Duration::from_nanos(self.0.ended.load(Ordering::Relaxed))
    }

    fn end(&self) {
        let stretch = self.current();
        self.0.began.store(IDLE, Ordering::Relaxed);
        let before = self.0.before.load(Ordering::Relaxed);
        self.0.before.store(before.saturating_add(stretch), Ordering::Relaxed);
        self.0.ended.store(self.now(), Ordering::Relaxed);
    }

    fn needs_permit(&self) -> bool {
        self.0.needs_permit.load(Ordering::Relaxed)
    }

    fn takes_permit(&self) -> bool {
        self.needs_permit() && self.0.needs_permit.swap(false, Ordering::Relaxed)
    }
}

/// What this thread has computed, nanoseconds.
fn thread_time() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let [seconds, nanos] = [time.tv_sec, time.tv_nsec].map(|part| u64::try_from(part).unwrap_or(0));
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}

/// A future whose polls are charged to a meter, and wait for a permit when the call has computed for long.
pub(in crate::plugin) struct Metered<'a, T> {
    call: BoxFuture<'a, T>,
    meter: CpuMeter,
    share: Arc<Share>,
    /// The call has computed.
    begun: bool,
    waiting: Option<BoxFuture<'static, ComputePermit>>,
    /// The permit of the moment before, if the call has only let others run.
    kept: Option<ComputePermit>,
}

impl<'a, T> Metered<'a, T> {
    pub(in crate::plugin) fn new(call: BoxFuture<'a, T>, meter: CpuMeter, share: Arc<Share>) -> Self {
        Self { call, meter, share, begun: false, waiting: None, kept: None }
    }
}

impl<T> Future for Metered<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let this = &mut *self;
        let mut permit = this.kept.take();
        if this.waiting.is_none() && (this.meter.takes_permit() || (!this.begun && this.share.is_exhausted())) {
            let used = this.meter.used();
            permit = permit.filter(|_| this.share.may_keep(used));
            this.waiting = permit.is_none().then(|| this.share.permit(used));
        }
        if let Some(waiting) = &mut this.waiting {
            permit = Some(ready!(waiting.as_mut().poll(context)));
        }
        (this.waiting, this.begun) = (None, true);
        let before = this.meter.used();
        this.meter.begin();
        let result = this.call.as_mut().poll(context);
        this.meter.end();
        if permit.is_none() {
            this.share.charge(this.meter.used().saturating_sub(before));
        }
        this.kept = permit.filter(|_| result.is_pending() && this.meter.needs_permit());
        result
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::processor::Processor;
    use super::*;
    use futures::FutureExt;

    /// Computes for `wanted` of this thread's time.
    fn compute(wanted: Duration) {
        let began = thread_time();
        while thread_time() - began < nanos(wanted) {
            std::hint::black_box(0);
        }
    }

    #[tokio::test]
    async fn computing_is_charged_and_waiting_is_not() {
        let meter = CpuMeter::new(Duration::from_secs(2));
        let inner = meter.clone();
        let call = async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            compute(Duration::from_millis(30));
            assert!(inner.used() >= Duration::from_millis(30), "the current stretch counts: {:?}", inner.used());
            tokio::time::sleep(Duration::from_millis(300)).await;
        };
        Metered::new(call.boxed(), meter.clone(), Processor::new().share(&"a".into())).await;
        assert!((30..300).contains(&meter.used().as_millis()), "{:?}", meter.used());
        meter.reset();
        assert_eq!(meter.used(), Duration::ZERO);
    }

    #[tokio::test]
    async fn who_was_interrupted_pays_for_the_threads_time_only_and_nobody_for_a_turn() {
        let meter = CpuMeter::new(Duration::from_secs(2));
        let share = Processor::new().share(&"a".into());
        let inner = meter.clone();
        let call = async move {
            inner.interrupt();
            tokio::task::yield_now().await;
            // As on a machine where others compute.
            std::thread::sleep(Duration::from_millis(200));
            compute(Duration::from_millis(20));
        };
        // All turns there are, for a while.
        let mut turns = vec![share.permit(Duration::ZERO).await];
        while let Some(permit) = share.permit(Duration::ZERO).now_or_never() {
            turns.push(permit);
        }
        let metered = tokio::spawn(Metered::new(call.boxed(), meter.clone(), share));
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(!metered.is_finished(), "it waits for its permit");
        drop(turns);
        metered.await.unwrap();
        assert!((20..190).contains(&meter.used().as_millis()), "{:?}", meter.used());
    }

    #[test]
    fn a_stretch_by_the_clock_on_the_wall_uses_up_no_limit_alone() {
        let meter = CpuMeter::new(Duration::from_millis(100));
        meter.begin();
        std::thread::sleep(Duration::from_millis(150));
        assert_eq!(meter.used(), Duration::from_millis(50));
    }
}
