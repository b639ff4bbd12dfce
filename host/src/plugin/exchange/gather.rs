//! Who waits to be asked for together with others: the decisions, without time or tasks of their own.
//!
//! Whoever comes when no request is under way is asked for at once and alone. Whoever comes meanwhile waits until that request
//! has ended, or until enough have gathered, or for `limits.bulk_wait`; those go together. So an idle host adds no delay, and a
//! busy one sends the larger requests the slower the application is.

use std::time::{Duration, Instant};

/// Bytes of usernames and tags in one request.
const MOST_BYTES: usize = 256 << 10;
/// Bytes that a response is to have at most, as far as those before it tell: of what is longer nothing is read while it comes, and
/// it no longer fits into the processor's caches.
const GOOD_RESPONSE: usize = 512 << 10;
/// How long users are asked for alone after a request for many has failed: doubled each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// `W`: who waits.
pub(super) struct Gather<W> {
    waiting: Vec<W>,
    bytes: usize,
    /// The number of the batch that gathers.
    batch: u64,
    under_way: usize,
    /// As many as one request may name, if responses for so many were not too long.
    most: usize,
    /// What a response has for each user, about; 0 as long as there was none.
    response_bytes: usize,
    failures: u32,
    paused_until: Option<Instant>,
}

/// What becomes of who comes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Joined<W> {
    /// A request of its own, which counts as under way until [`Gather::ended`].
    Alone(W),
    /// It waits. With the number of a batch that begins: after the wait [`Gather::aged`] is to be called.
    Waits(Option<u64>),
    /// These go together, and count as under way.
    Go(Vec<W>),
}

impl<W> Gather<W> {
    pub(super) fn new(most: usize) -> Self {
        let (waiting, paused_until) = (Vec::new(), None);
        Self { waiting, bytes: 0, batch: 0, under_way: 0, most, response_bytes: 0, failures: 0, paused_until }
    }

    /// Somebody whose name and tag take `bytes`, when no request may name more than `limit` users.
    pub(super) fn join(&mut self, who: W, bytes: usize, limit: usize, now: Instant) -> Joined<W> {
        let paused = self.paused_until.is_some_and(|until| now < until);
        if paused || (self.under_way == 0 && self.waiting.is_empty()) {
            self.under_way += 1;
            return Joined::Alone(who);
        }
        self.waiting.push(who);
        self.bytes += bytes;
        let good = GOOD_RESPONSE.checked_div(self.response_bytes).unwrap_or(limit).max(2);
        if self.waiting.len() >= self.most.min(limit).min(good) || self.bytes >= MOST_BYTES {
            return self.go().map_or(Joined::Waits(None), Joined::Go);
        }
        Joined::Waits((self.waiting.len() == 1).then_some(self.batch))
    }

    /// A request that was under way has ended. Those who go now, if any.
    pub(super) fn ended(&mut self) -> Option<Vec<W>> {
        self.under_way = self.under_way.saturating_sub(1);
        if self.under_way == 0 { self.go() } else { None }
    }

    /// The batch of this number has waited long enough.
    pub(super) fn aged(&mut self, batch: u64) -> Option<Vec<W>> {
        if batch == self.batch { self.go() } else { None }
    }

    fn go(&mut self) -> Option<Vec<W>> {
        if self.waiting.is_empty() {
            return None;
        }
        self.batch += 1;
        self.bytes = 0;
        self.under_way += 1;
        Some(std::mem::take(&mut self.waiting))
    }

    /// A request for many has failed: for how long everybody is asked for alone.
    pub(super) fn failed(&mut self, now: Instant) -> Duration {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(6)).min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        self.paused_until = now.checked_add(pause);
        pause
    }

    /// The response for `users` was too long: how many one request names from now on.
    pub(super) fn too_long(&mut self, users: usize) -> usize {
        self.most = self.most.min(users / 2).max(2);
        self.most
    }

    /// A request for many has succeeded, with a response of so many bytes. How many before it had failed.
    pub(super) fn succeeded(&mut self, users: usize, bytes: usize) -> u32 {
        let each = bytes / users.max(1);
        // Those that have not changed may be left out of it: the largest of late counts.
        self.response_bytes = each.max(self.response_bytes - self.response_bytes / 16);
        self.paused_until = None;
        std::mem::take(&mut self.failures)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn gather() -> Gather<u32> {
        Gather::new(3)
    }

    #[test]
    fn the_first_goes_at_once_and_who_comes_meanwhile_goes_when_it_ends() {
        let (mut gather, now) = (gather(), Instant::now());
        assert_eq!(gather.join(1, 1, 9, now), Joined::Alone(1));
        assert_eq!(gather.join(2, 1, 9, now), Joined::Waits(Some(0)));
        assert_eq!(gather.join(3, 1, 9, now), Joined::Waits(None));
        assert_eq!(gather.ended(), Some(vec![2, 3]));
        assert_eq!(gather.join(4, 1, 9, now), Joined::Waits(Some(1)), "their request is under way");
        assert_eq!(gather.aged(0), None, "they are gone");
        assert_eq!(gather.aged(1), Some(vec![4]));
        assert_eq!((gather.ended(), gather.ended()), (None, None));
        assert_eq!(gather.join(5, 1, 9, now), Joined::Alone(5));
    }

    #[test]
    fn as_many_go_as_a_request_may_name_and_no_more_bytes_than_it_may_have() {
        for (most, bytes, together) in [(3, 1, 3), (2, 1, 2), (9, 1, 3), (9, MOST_BYTES, 1), (9, MOST_BYTES / 2, 2)] {
            let (mut gather, now) = (gather(), Instant::now());
            gather.join(0, bytes, most, now);
            let gone = (1..).find_map(|who| match gather.join(who, bytes, most, now) {
                Joined::Go(gone) => Some(gone.len()),
                _ => None,
            });
            assert_eq!(gone, Some(together), "{most} {bytes}");
        }
    }

    #[test]
    fn after_a_failure_everybody_goes_alone_for_longer_each_time() {
        let (mut gather, mut now) = (gather(), Instant::now());
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert_eq!(gather.failed(now), Duration::from_secs(seconds));
            assert_eq!(gather.join(1, 1, 9, now), Joined::Alone(1));
            assert_eq!(gather.join(2, 1, 9, now), Joined::Alone(2));
            now += Duration::from_secs(seconds);
            assert_eq!(gather.join(3, 1, 9, now), Joined::Waits(Some(gather.batch)));
            gather.ended();
            gather.ended();
            gather.ended();
        }
        assert_eq!(gather.succeeded(1, 1), 8);
        assert_eq!(gather.failed(now), Duration::from_secs(1));
    }

    #[test]
    fn after_a_response_that_was_too_long_fewer_go() {
        let mut gather: Gather<u32> = Gather::new(500);
        assert_eq!([500, 250, 125, 9, 3, 2].map(|users| gather.too_long(users)), [250, 125, 62, 4, 2, 2]);
    }

    #[test]
    fn long_rosters_go_in_small_requests_and_a_few_short_answers_do_not_change_that() {
        for (each, together) in [(100, 500), (1 << 10, 500), (8 << 10, 64), (64 << 10, 8), (1 << 20, 2)] {
            let (mut gather, now) = (Gather::new(500), Instant::now());
            gather.succeeded(100, 100 * each);
            gather.succeeded(100, 100);
            gather.join(0, 1, 500, now);
            let gone = (1..).find_map(|who| match gather.join(who, 1, 500, now) {
                Joined::Go(gone) => Some(gone.len()),
                _ => None,
            });
            assert!(gone.is_some_and(|gone| (together..=together * 5 / 4).contains(&gone)), "{each}: {gone:?}");
        }
    }

    proptest! {
        /// In any order of coming, ending and waiting: nobody is lost or goes twice, and nobody waits for nothing.
        #[test]
        fn everybody_goes_once(events in prop::collection::vec(0..4u8, 0..200)) {
            let (mut gather, now) = (gather(), Instant::now());
            let (mut came, mut gone, mut under_way, mut batch) = (0u32, Vec::new(), 0usize, 0);
            let mut go = |who: Vec<u32>, under_way: &mut usize| {
                prop_assert!(!who.is_empty() && who.len() <= 3);
                gone.extend(who);
                *under_way += 1;
                Ok(())
            };
            for event in events {
                match event {
                    0 | 1 => {
                        match gather.join(came, 1, 3, now) {
                            Joined::Alone(who) => go(vec![who], &mut under_way)?,
                            Joined::Go(who) => go(who, &mut under_way)?,
                            Joined::Waits(begins) => batch = begins.unwrap_or(batch),
                        }
                        came += 1;
                    }
                    2 if under_way > 0 => {
                        under_way -= 1;
                        if let Some(who) = gather.ended() { go(who, &mut under_way)? }
                    }
                    _ => if let Some(who) = gather.aged(batch) { go(who, &mut under_way)? },
                }
            }
            while under_way > 0 {
                under_way -= 1;
                if let Some(who) = gather.ended() { go(who, &mut under_way)? }
            }
            gone.sort_unstable();
            prop_assert_eq!(gone, (0..came).collect::<Vec<_>>());
        }
    }
}
