//! One timer for the deadlines of all phases of an exchange.
//!
//! A phase that is ready at once touches no timer at all. A phase whose deadline is later than the armed one
//! leaves the timer as it is; should it fire early, it is armed again. So an ordinary exchange registers one timer.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// A deadline has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Late {
    /// The phase's own.
    Phase,
    /// That of the whole exchange.
    Total,
}

/// See the module's documentation. The owner pins an `Option<Sleep>` on its stack.
pub(in crate::http_client) struct Timer<'a> {
    sleep: Pin<&'a mut Option<Sleep>>,
    armed: Option<Instant>,
    total: Instant,
}

impl<'a> Timer<'a> {
    /// Starts the deadline of the whole exchange.
    pub(in crate::http_client) fn start(sleep: Pin<&'a mut Option<Sleep>>, total: Instant) -> Self {
        Self { sleep, armed: None, total }
    }

    /// Waits for `work` within `limit`, counted from now, and within the exchange's deadline. `None`: only the latter.
    pub(super) async fn within<F: Future>(
        &mut self,
        limit: Option<Duration>,
        mut work: Pin<&mut F>,
    ) -> Result<F::Output, Late> {
        // The clock is read only when there is something to wait for.
        let mut until = None;
        poll_fn(|cx| {
            if let Poll::Ready(output) = work.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
            let until = *until.get_or_insert_with(|| limit.map_or(self.total, |limit| after(limit).min(self.total)));
            loop {
                if self.armed.is_none_or(|armed| armed > until) {
                    self.sleep.set(Some(sleep_until(until)));
                    self.armed = Some(until);
                }
                if let Some(sleep) = self.sleep.as_mut().as_pin_mut()
                    && sleep.poll(cx).is_pending()
                {
                    return Poll::Pending;
                }
                if self.armed.take() == Some(until) {
                    return Poll::Ready(Err(if until == self.total { Late::Total } else { Late::Phase }));
                }
            }
        })
        .await
    }
}

/// `limit` from now. A limit beyond the clock's range is no limit: 30 years.
pub(super) fn after(limit: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(limit).unwrap_or_else(|| now + Duration::from_secs(30 * 365 * 86_400))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

    use std::future::{pending, ready};
    use std::pin::pin;

    use tokio::time::sleep;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn each_phase_has_its_deadline_and_the_total_stands_above() {
        let storage = pin!(None);
        let mut timer = Timer::start(storage, after(10 * SECOND));
        let start = Instant::now();
        assert_eq!(timer.within(Some(Duration::ZERO), pin!(ready(1))).await, Ok(1));
        // Early phases arm the timer; later ones with a later deadline outlive it.
        assert_eq!(timer.within(Some(3 * SECOND), pin!(sleep(2 * SECOND))).await, Ok(()));
        assert_eq!(timer.within(Some(3 * SECOND), pin!(sleep(2 * SECOND))).await, Ok(()));
        assert_eq!(start.elapsed(), 4 * SECOND);
        assert_eq!(timer.within(Some(SECOND), pin!(pending::<()>())).await, Err(Late::Phase));
        assert_eq!(start.elapsed().as_secs(), 5);
        assert_eq!(timer.within(Some(60 * SECOND), pin!(sleep(SECOND))).await, Ok(()));
        assert_eq!(timer.within(None, pin!(pending::<()>())).await, Err(Late::Total));
        assert_eq!(start.elapsed().as_secs(), 10);
        assert_eq!(timer.within(Some(60 * SECOND), pin!(pending::<()>())).await, Err(Late::Total));
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_beyond_the_clock_is_no_limit() {
        let storage = pin!(None);
        let mut timer = Timer::start(storage, after(Duration::MAX));
        assert_eq!(timer.within(Some(Duration::MAX), pin!(sleep(SECOND))).await, Ok(()));
    }
}
