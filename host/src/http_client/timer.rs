//! Deadlines: one timer for all phases of an exchange.
//!
//! A phase that is ready at once touches no timer at all. A phase whose deadline is later than the armed one
//! leaves the timer as it is; should it fire early, it is armed again. So an ordinary exchange registers one timer.

use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::config::ClientConfig;

/// The deadlines a plugin asked for. The operator's are upper bounds; `None` asks for nothing shorter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deadlines {
    /// DNS, TCP and TLS together.
    pub connect: Option<Duration>,
    /// From the request sent to the head of the response.
    pub first_byte: Option<Duration>,
    /// Between two pieces of the body. The operator has no such setting: `total_timeout` is the bound.
    pub between_bytes: Option<Duration>,
}

/// How long something may take, and who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limit {
    pub(super) after: Duration,
    whose: &'static str,
}

impl Limit {
    /// The shorter one of what the plugin asks for and the operator allows under `key`.
    fn shorter(asked: Option<Duration>, most: Duration, key: &'static str) -> Self {
        match asked.filter(|asked| *asked < most) {
            Some(after) => Self { after, whose: "the plugin's own limit" },
            None => Self { after: most, whose: key },
        }
    }
}

/// As it is said in an error.
impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} ({})", self.after, self.whose)
    }
}

/// The deadlines of one `send`: the plugin's and the operator's, the shorter of each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) connect: Limit,
    pub(super) first_byte: Limit,
    pub(super) between_bytes: Option<Limit>,
    pub(super) total: Limit,
}

impl Limits {
    pub(super) fn new(asked: Deadlines, config: &ClientConfig) -> Self {
        let between_bytes = asked.between_bytes.filter(|asked| *asked < config.total_timeout);
        Self {
            connect: Limit::shorter(asked.connect, config.connect_timeout, CONNECT_KEY),
            first_byte: Limit::shorter(asked.first_byte, config.first_byte_timeout, "client.first_byte_timeout"),
            between_bytes: between_bytes.map(|asked| Limit::shorter(Some(asked), config.total_timeout, "")),
            total: Limit::shorter(None, config.total_timeout, "client.total_timeout"),
        }
    }
}

/// The key of the deadline for a new connection.
pub(super) const CONNECT_KEY: &str = "client.connect_timeout";

/// A deadline has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Late {
    /// The phase's own.
    Phase,
    /// That of the whole exchange.
    Total,
}

/// See the module's documentation. The owner pins an `Option<Sleep>` on its stack.
pub(super) struct Timer<'a> {
    sleep: Pin<&'a mut Option<Sleep>>,
    armed: Option<Instant>,
    total: Instant,
}

impl<'a> Timer<'a> {
    /// Starts the deadline of the whole exchange.
    pub(super) fn start(sleep: Pin<&'a mut Option<Sleep>>, total: Duration) -> Self {
        Self { sleep, armed: None, total: after(total) }
    }

    /// Waits for `work` within `limit`, counted from now, and within the exchange's deadline. `None`: only the latter.
    pub(super) async fn within<F: Future>(&mut self, limit: Option<Duration>, work: F) -> Result<F::Output, Late> {
        let mut work = pin!(work);
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
fn after(limit: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(limit).unwrap_or_else(|| now + Duration::from_secs(30 * 365 * 86_400))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

    use std::future::{pending, ready};

    use tokio::time::sleep;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn each_phase_has_its_deadline_and_the_total_stands_above() {
        let sleep_slot = pin!(None);
        let mut timer = Timer::start(sleep_slot, 10 * SECOND);
        let start = Instant::now();
        assert_eq!(timer.within(Some(Duration::ZERO), ready(1)).await, Ok(1));
        // Early phases arm the timer; later ones with a later deadline outlive it.
        assert_eq!(timer.within(Some(3 * SECOND), sleep(2 * SECOND)).await, Ok(()));
        assert_eq!(timer.within(Some(3 * SECOND), sleep(2 * SECOND)).await, Ok(()));
        assert_eq!(start.elapsed(), 4 * SECOND);
        assert_eq!(timer.within(Some(SECOND), pending::<()>()).await, Err(Late::Phase));
        assert_eq!(start.elapsed().as_secs(), 5);
        assert_eq!(timer.within(Some(60 * SECOND), sleep(SECOND)).await, Ok(()));
        assert_eq!(timer.within(None, pending::<()>()).await, Err(Late::Total));
        assert_eq!(start.elapsed().as_secs(), 10);
        assert_eq!(timer.within(Some(60 * SECOND), pending::<()>()).await, Err(Late::Total));
    }

    #[test]
    fn the_operators_deadlines_are_upper_bounds() {
        let config = ClientConfig::default();
        let asked = Deadlines {
            connect: Some(SECOND),
            first_byte: Some(Duration::from_secs(600)),
            between_bytes: Some(Duration::from_secs(600)),
        };
        let limits = Limits::new(asked, &config);
        assert_eq!(
            (limits.connect, limits.first_byte, limits.between_bytes, limits.total),
            (
                Limit { after: SECOND, whose: "the plugin's own limit" },
                Limit { after: config.first_byte_timeout, whose: "client.first_byte_timeout" },
                None,
                Limit { after: config.total_timeout, whose: "client.total_timeout" }
            )
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_beyond_the_clock_is_no_limit() {
        let slot = pin!(None);
        let mut timer = Timer::start(slot, Duration::MAX);
        assert_eq!(timer.within(Some(Duration::MAX), sleep(SECOND)).await, Ok(()));
    }
}
