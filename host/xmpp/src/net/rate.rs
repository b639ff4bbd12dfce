//! How much a connection may send: what is too much waits, it is not refused.

use std::time::Duration;

use tokio::time::Instant;

/// A token bucket that may go into debt: what has arrived is taken, and the next has to wait until the debt is paid.
pub(crate) struct Bucket {
    per_second: f64,
    burst: f64,
    level: f64,
    at: Instant,
}

impl Bucket {
    /// Zero per second: no limit.
    pub(crate) fn new(per_second: u32, burst: u32) -> Self {
        let burst = f64::from(burst.max(1));
        Self { per_second: f64::from(per_second), burst, level: burst, at: Instant::now() }
    }

    /// Takes `amount`, whether it is there or not.
    pub(crate) fn take(&mut self, amount: usize) {
        if self.per_second > 0.0 {
            let now = Instant::now();
            let gained = now.saturating_duration_since(self.at).as_secs_f64() * self.per_second;
            self.level = (self.level + gained).min(self.burst) - amount as f64;
            self.at = now;
        }
    }

    /// Takes `amount`, or as much as may be there at once if that is less.
    pub(crate) fn take_within_burst(&mut self, amount: usize) {
        self.take(amount.min(self.burst as usize));
    }

    /// When there is no debt any more; `None` if there is none now.
    pub(crate) fn ready_at(&self) -> Option<Instant> {
        if self.per_second <= 0.0 || self.level >= 0.0 {
            return None;
        }
        let at = self.at + Duration::from_secs_f64((-self.level / self.per_second).min(60.0));
        (at > Instant::now()).then_some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_too_much_has_to_wait() {
        let mut bucket = Bucket::new(10, 20);
        bucket.take(20);
        assert_eq!(bucket.ready_at(), None);
        bucket.take(5);
        let until = bucket.ready_at();
        assert_eq!(until, Some(Instant::now() + Duration::from_millis(500)));
        tokio::time::advance(Duration::from_millis(501)).await;
        assert_eq!(bucket.ready_at(), None);
        tokio::time::advance(Duration::from_secs(100)).await;
        bucket.take(20);
        assert_eq!(bucket.ready_at(), None, "the burst is back");
        bucket.take(1);
        assert!(bucket.ready_at().is_some());
        let mut free = Bucket::new(0, 0);
        free.take(1_000_000);
        assert_eq!(free.ready_at(), None);
    }
}
