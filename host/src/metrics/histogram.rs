//! Buckets that are counted without a lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the buckets, seconds: 100 µs to about 26 s, each four times the one before.
pub(super) const BOUNDS: [f64; 10] = [0.0001, 0.0004, 0.0016, 0.0064, 0.0256, 0.1024, 0.4096, 1.6384, 6.5536, 26.2144];

/// A histogram of times.
#[derive(Debug, Default)]
pub(super) struct Times {
    /// The last is for what is longer than every bound.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    nanos: AtomicU64,
}

/// A histogram at one moment.
#[derive(Debug, Default)]
pub(super) struct Counted {
    /// Upper bound and count, not cumulative; the last bound is infinite, which OpenMetrics wants as `+Inf`.
    pub(super) buckets: Vec<(f64, u64)>,
    pub(super) count: u64,
    /// Seconds.
    pub(super) sum: f64,
}

impl Times {
    pub(super) fn observe(&self, time: Duration) {
        let seconds = time.as_secs_f64();
        let bucket = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.nanos.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(super) fn counted(&self) -> Counted {
        let bounds = BOUNDS.iter().copied().chain([f64::INFINITY]);
        let counts = self.buckets.iter().map(|count| count.load(Ordering::Relaxed));
        let buckets: Vec<_> = bounds.zip(counts).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sum = Duration::from_nanos(self.nanos.load(Ordering::Relaxed)).as_secs_f64();
        Counted { buckets, count, sum }
    }
}

impl Counted {
    /// Adds what another has counted.
    pub(super) fn add(&mut self, other: Self) {
        if self.buckets.is_empty() {
            *self = other;
            return;
        }
        self.buckets.iter_mut().zip(other.buckets).for_each(|(own, other)| own.1 += other.1);
        self.count += other.count;
        self.sum += other.sum;
    }

    /// The upper bound of the bucket in which this share of all times is reached, seconds; `None` if nothing was
    /// counted, or if it is longer than every bound.
    pub(super) fn quantile(&self, share: f64) -> Option<f64> {
        let wanted = share * self.count as f64;
        let mut so_far = 0;
        for (bound, count) in &self.buckets {
            so_far += count;
            if so_far > 0 && so_far as f64 >= wanted {
                return bound.is_finite().then_some(*bound);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn times_fall_into_the_bucket_that_holds_them() {
        let times = Times::default();
        for micros in [0, 100, 101, 5000, 60_000_000] {
            times.observe(Duration::from_micros(micros));
        }
        let counted = times.counted();
        let counts: Vec<u64> = counted.buckets.iter().map(|(_, count)| *count).collect();
        assert_eq!(counts, [2, 1, 0, 1, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(counted.count, 5);
        assert!((counted.sum - 60.005_201).abs() < 1e-9, "{}", counted.sum);
    }

    #[test]
    fn a_quantile_is_the_bound_below_which_it_lies() {
        let times = Times::default();
        assert_eq!(times.counted().quantile(0.5), None);
        (0..98).for_each(|_| times.observe(Duration::from_micros(200)));
        (0..2).for_each(|_| times.observe(Duration::from_millis(50)));
        assert_eq!(times.counted().quantile(0.5), Some(0.0004));
        assert_eq!(times.counted().quantile(0.99), Some(0.1024));
        times.observe(Duration::from_secs(100));
        assert_eq!(times.counted().quantile(1.0), None);
    }

    #[test]
    fn sums_add_up_bucket_by_bucket() {
        let (a, b) = (Times::default(), Times::default());
        a.observe(Duration::from_millis(1));
        b.observe(Duration::from_millis(1));
        b.observe(Duration::from_millis(3));
        let mut both = Counted::default();
        both.add(a.counted());
        both.add(b.counted());
        assert_eq!((both.count, both.buckets.get(2).unwrap().1), (3, 2));
    }
}
