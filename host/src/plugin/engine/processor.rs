//! How many calls compute at once.
//!
//! Calls run in the threads that also serve clients and listeners, because to move a call costs more than most of them
//! compute. So a call computes where it is for a moment, until the engine's clock interrupts it. From then on it needs a permit for
//! each further moment, and there is one permit fewer than there are threads: one is always left for everybody else.
//!
//! Of the calls of one virtual host those go first that have computed little: most are about to end. Of the others the one that has
//! computed most, so that it ends or has used up its limit, and makes room: to give all of them the same would keep all of
//! them until they are late. The virtual hosts take turns: a host has never more calls in the common queue than there
//! are permits. A host whose calls compute for a moment each, but all the time, needs permits from the beginning.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::waiting::Waiting;

/// A host may compute for half of one thread's time without permits, ...
const COST: u64 = 2;
/// ... and for so long at once.
const BURST: Duration = Duration::from_millis(50);

/// A call that has computed for less goes first.
const LITTLE: Duration = Duration::from_millis(20);

/// The permits of all virtual hosts.
pub(super) struct Processor {
    permits: Arc<Semaphore>,
    count: usize,
    /// Calls in the common queue.
    waiting: Arc<AtomicUsize>,
    shares: Mutex<Vec<(Arc<str>, Weak<Share>)>>,
}

impl Processor {
    pub(in crate::plugin) fn new() -> Arc<Self> {
        let threads = available_parallelism().map_or(1, NonZeroUsize::get);
        Self::with_permits(threads.saturating_sub(1).max(1))
    }

    fn with_permits(count: usize) -> Arc<Self> {
        Arc::new(Self {
            permits: Arc::new(Semaphore::new(count)),
            count,
            waiting: Arc::default(),
            shares: Mutex::default(),
        })
    }

    /// The share of a virtual host, and of all generations of its plugin.
    pub(in crate::plugin) fn share(&self, domain: &Arc<str>) -> Arc<Share> {
        let mut shares = self.shares.lock();
        shares.retain(|(_, share)| share.strong_count() > 0);
        let found = shares.iter().find(|(of, _)| of == domain).and_then(|(_, share)| share.upgrade());
        found.unwrap_or_else(|| {
            let share = Arc::new(Share {
                queue: Arc::new(Queue(Mutex::new(Entries { free: self.count, wanted: Vec::new() }))),
                permits: Arc::clone(&self.permits),
                waiting: Arc::clone(&self.waiting),
                zero: Instant::now(),
                paid_until: AtomicU64::new(0),
            });
            shares.push((Arc::clone(domain), Arc::downgrade(&share)));
            share
        })
    }
}

/// What the calls of one virtual host compute.
pub(in crate::plugin) struct Share {
    /// Who of this host may ask for one of the permits that all hosts want.
    queue: Arc<Queue>,
    permits: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    /// What the other time counts from.
    zero: Instant,
    /// When what has been computed without a permit is paid off, nanoseconds.
    paid_until: AtomicU64,
}

impl Share {
    /// Waits for a permit of a call that has computed for so long.
    pub(super) fn permit(self: &Arc<Self>, used: Duration) -> BoxFuture<'static, ComputePermit> {
        let share = Arc::clone(self);
        async move {
            let first = Arc::clone(&share.queue).enter(used).await;
            let _waiting = Waiting::begin(&share.waiting);
            // The semaphore is never closed.
            ComputePermit { _all: Arc::clone(&share.permits).acquire_owned().await.ok(), _first: first }
        }
        .boxed()
    }

    /// Nobody has more right to the permit of a call that has computed for so long.
    pub(super) fn may_keep(&self, used: Duration) -> bool {
        self.waiting.load(Ordering::Relaxed) == 0 && !self.queue.has_better(used)
    }

    /// A call has computed without a permit.
    pub(super) fn charge(&self, computed: Duration) {
        let (now, cost) = (self.now(), nanos(computed).saturating_mul(COST));
        let add = |paid: u64| Some(paid.max(now).saturating_add(cost));
        // Never `Err`: the closure always returns a value.
        let _ = self.paid_until.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// Calls need a permit from the beginning.
    pub(super) fn is_exhausted(&self) -> bool {
        self.paid_until.load(Ordering::Relaxed) > self.now().saturating_add(COST * nanos(BURST))
    }

    fn now(&self) -> u64 {
        nanos(self.zero.elapsed())
    }
}

/// Leave to compute for a moment.
pub(super) struct ComputePermit {
    _all: Option<OwnedSemaphorePermit>,
    _first: Option<Entry>,
}

/// The calls of one virtual host that wait for permits.
struct Queue(Mutex<Entries>);

/// How many calls of the host may enter the common queue.
struct Entries {
    /// Nobody has so many.
    free: usize,
    /// Who waits for one, and has computed for how long.
    wanted: Vec<(Duration, oneshot::Sender<Entry>)>,
}

impl Queue {
    /// `None` only if the queue is no more.
    async fn enter(self: Arc<Self>, used: Duration) -> Option<Entry> {
        let entry = {
            let mut entries = self.0.lock();
            if let Some(fewer) = entries.free.checked_sub(1) {
                entries.free = fewer;
                return Some(Entry(Some(Arc::clone(&self))));
            }
            let (sender, entry) = oneshot::channel();
            entries.wanted.push((used, sender));
            entry
        };
        entry.await.ok()
    }

    fn has_better(&self, used: Duration) -> bool {
        self.0.lock().wanted.iter().any(|(other, _)| rank(*other) < rank(used))
    }

    /// Who is next; if nobody is, an entry is free.
    fn next(&self) -> Option<oneshot::Sender<Entry>> {
        let mut entries = self.0.lock();
        let next = entries.wanted.iter().enumerate().min_by_key(|(_, (used, _))| rank(*used)).map(|(at, _)| at);
        if next.is_none() {
            entries.free += 1;
        }
        // In order, so that of equals the first is next.
        next.map(|at| entries.wanted.remove(at).1)
    }
}

/// Less goes first.
fn rank(used: Duration) -> (u8, Duration) {
    if used < LITTLE { (0, used) } else { (1, Duration::MAX.saturating_sub(used)) }
}

/// That a call is in the common queue. Dropping it gives it to the next call of the host.
struct Entry(Option<Arc<Queue>>);

impl Drop for Entry {
    fn drop(&mut self) {
        let Some(queue) = self.0.take() else { return };
        while let Some(next) = queue.next() {
            match next.send(Self(Some(Arc::clone(&queue)))) {
                Ok(()) => return,
                // That one has gone. The entry is offered to the next one, here and not by dropping it.
                Err(mut entry) => entry.0 = None,
            }
        }
    }
}

pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn a_host_with_many_calls_has_as_many_permits_as_one_with_few() {
        let processor = Processor::with_permits(1);
        let (many, few) = (processor.share(&"many".into()), processor.share(&"few".into()));
        let order = Arc::new(Mutex::new(Vec::new()));
        let running = many.permit(Duration::ZERO).await;
        let calls = (0..20).map(|n| if n < 18 { ("many", &many) } else { ("few", &few) });
        let calls: Vec<_> = calls
            .map(|(name, share)| {
                let (permit, order) = (share.permit(Duration::from_secs(1)), Arc::clone(&order));
                tokio::spawn(async move {
                    let permit = permit.await;
                    order.lock().push(name);
                    tokio::task::yield_now().await;
                    drop(permit);
                })
            })
            .collect();
        tokio::task::yield_now().await;
        drop(running);
        for call in calls {
            call.await.unwrap();
        }
        let order = order.lock();
        let last_of_few = order.iter().rposition(|name| *name == "few").unwrap();
        assert!(last_of_few < 5, "{order:?}");
        assert_eq!(order.len(), 20);
    }

    #[tokio::test]
    async fn who_has_computed_little_goes_first_and_then_who_is_nearest_to_the_end() {
        let share = Processor::with_permits(1).share(&"a".into());
        let order = Arc::new(Mutex::new(Vec::new()));
        let running = share.permit(Duration::ZERO).await;
        let calls: Vec<_> = [100, 5, 1900, 0, 700, 19]
            .map(|used| {
                let (permit, order) = (share.permit(Duration::from_millis(used)), Arc::clone(&order));
                tokio::spawn(async move {
                    let _permit = permit.await;
                    order.lock().push(used);
                })
            })
            .into();
        // One that is given up while it waits keeps nobody from theirs.
        let given_up = tokio::spawn(share.permit(Duration::ZERO));
        tokio::task::yield_now().await;
        given_up.abort();
        let _ = given_up.await;
        drop(running);
        for call in calls {
            call.await.unwrap();
        }
        assert_eq!(*order.lock(), [0, 5, 19, 1900, 700, 100]);
        drop(share.permit(Duration::ZERO).await);
    }

    #[test]
    fn who_computes_all_the_time_needs_permits_and_who_does_now_and_then_does_not() {
        let processor = Processor::with_permits(1);
        for (computed, exhausted) in [(0, false), (1, false), (40, false), (200, true), (5000, true)] {
            let share = processor.share(&format!("{computed}.example").into());
            share.charge(Duration::from_millis(computed));
            assert_eq!(share.is_exhausted(), exhausted, "{computed} ms");
        }
        let generations = ["a", "b", "a"].map(|domain| processor.share(&domain.into()));
        assert!(Arc::ptr_eq(&generations[0], &generations[2]) && !Arc::ptr_eq(&generations[0], &generations[1]));
    }
}
