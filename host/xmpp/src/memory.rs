//! One budget for what all clients of an endpoint make it hold: what waits for them, what they have not acknowledged, the
//! presence they show, and what was read of a stanza that is not complete.
//!
//! Bytes are counted once, by [`Reservation`], however many clients wait for them. Beside that every session and every connection has a
//! [`Claim`], which says how much would be let go with it. When there is more than there may be, the greediest lose: first
//! sessions whose clients are away, then those that do not read. And nobody is read from until there is room.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::sleep;

/// While there is no room: until it is looked for again.
const WAIT: Duration = Duration::from_millis(20);
/// Those that have to go are gone sooner than after so many times.
const MOST_WAITS: usize = 250;
/// A share of the budget below which a claim is modest: of modest ones none goes before a greedy one, asleep or not.
const MODEST: usize = 1024;

/// See the module.
#[derive(Debug)]
pub struct Memory {
    most: usize,
    held: AtomicUsize,
    /// What those claim that have to go and are not gone yet.
    going: AtomicUsize,
    claims: Mutex<HashMap<u64, Arc<State>>>,
    next: AtomicU64,
}

/// Bytes that are held until it is dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    memory: Arc<Memory>,
    bytes: usize,
}

/// What one session or connection holds, in whole or with others.
#[derive(Debug)]
pub(crate) struct Claim {
    number: u64,
    memory: Arc<Memory>,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    weight: AtomicUsize,
    asleep: AtomicBool,
    has_to_go: AtomicBool,
    /// Its weight when that was decided.
    going: AtomicUsize,
    notify: Notify,
}

impl Memory {
    /// A budget of so many bytes.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            held: AtomicUsize::new(0),
            going: AtomicUsize::new(0),
            claims: Mutex::default(),
            next: AtomicU64::new(0),
        })
    }

    /// Bytes that may be held.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// Bytes that are held.
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    pub(crate) fn hold(self: &Arc<Self>, bytes: usize) -> Reservation {
        self.add(bytes);
        Reservation { memory: Arc::clone(self), bytes }
    }

    pub(crate) fn claim(self: &Arc<Self>) -> Claim {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let state = Arc::<State>::default();
        self.claims.lock().insert(number, Arc::clone(&state));
        Claim { number, memory: Arc::clone(self), state }
    }

    /// Returns when there is room for more, or when waiting any longer would not help.
    pub(crate) async fn room(&self) {
        for _ in 0..MOST_WAITS {
            if self.held() <= self.most {
                return;
            }
            self.make_room();
            sleep(WAIT).await;
        }
    }

    fn add(&self, bytes: usize) {
        if self.held.fetch_add(bytes, Ordering::Relaxed) + bytes > self.most {
            self.make_room();
        }
    }

    /// Has the greediest go until what is left is not too much.
    fn make_room(&self) {
        let is_too_much = || self.held().saturating_sub(self.going.load(Ordering::Relaxed)) > self.most;
        if !is_too_much() {
            return;
        }
        let claims = self.claims.lock();
        let modest = self.most / MODEST;
        while is_too_much() {
            let staying = claims.values().filter(|one| !one.has_to_go.load(Ordering::Relaxed) && one.weight() > 0);
            let greed = |one: &&Arc<State>| {
                let weight = one.weight();
                (weight > modest, one.asleep.load(Ordering::Relaxed), weight)
            };
            let Some(greediest) = staying.max_by_key(greed) else { return };
            let weight = greediest.weight();
            greediest.going.store(weight, Ordering::Relaxed);
            self.going.fetch_add(weight, Ordering::Relaxed);
            greediest.has_to_go.store(true, Ordering::Release);
            greediest.notify.notify_one();
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.memory.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Reservation {
    /// As many as that from now on.
    pub(crate) fn set(&mut self, bytes: usize) {
        if bytes > self.bytes {
            self.memory.add(bytes - self.bytes);
        } else {
            self.memory.held.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
        }
        self.bytes = bytes;
    }
}

impl State {
    fn weight(&self) -> usize {
        self.weight.load(Ordering::Relaxed)
    }
}

impl Claim {
    pub(crate) fn memory(&self) -> &Arc<Memory> {
        &self.memory
    }

    pub(crate) fn add(&self, bytes: usize) {
        self.state.weight.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn sub(&self, bytes: usize) {
        self.state.weight.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(crate) fn set(&self, bytes: usize) {
        self.state.weight.store(bytes, Ordering::Relaxed);
    }

    pub(crate) fn set_asleep(&self, asleep: bool) {
        self.state.asleep.store(asleep, Ordering::Relaxed);
    }

    pub(crate) fn has_to_go(&self) -> bool {
        self.state.has_to_go.load(Ordering::Acquire)
    }

    /// Returns when it has to go.
    pub(crate) async fn gone(&self) {
        while !self.has_to_go() {
            self.state.notify.notified().await;
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.memory.claims.lock().remove(&self.number);
        self.memory.going.fetch_sub(self.state.going.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greediest_go_first_those_before_that_are_away() {
        let memory = Memory::new(1_000_000);
        let claim = |bytes: usize, asleep: bool| {
            let claim = memory.claim();
            claim.set(bytes);
            claim.set_asleep(asleep);
            (claim, memory.hold(bytes))
        };
        let all = [(500, true), (200_000, true), (300_000, false), (100_000, true), (400, false)];
        let all = all.map(|(bytes, asleep)| claim(bytes, asleep));
        let going = || all.each_ref().map(|(claim, _)| claim.has_to_go());
        assert_eq!(going(), [false; 5]);
        let mut more = memory.hold(399_200);
        assert_eq!(going(), [false, true, false, false, false]);
        more.set(599_300);
        assert_eq!(going(), [false, true, false, true, false]);
        more.set(699_300);
        assert_eq!(going(), [false, true, true, true, false], "who reads nothing goes before who is away with little");
        let new = claim(1_000, false);
        more.set(999_300);
        assert_eq!(going(), [true, true, true, true, false]);
        drop(new);
        drop(more);
        drop(all);
        assert_eq!((memory.held(), memory.going.load(Ordering::Relaxed)), (0, 0));
        assert!(memory.claims.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_read_from_until_there_is_room() {
        let memory = Memory::new(1_000);
        memory.room().await;
        let held = memory.hold(1_001);
        let (waiting, freed) = (Arc::clone(&memory), tokio::spawn(async move { drop((sleep(WAIT * 10).await, held)) }));
        let before = tokio::time::Instant::now();
        waiting.room().await;
        assert!(before.elapsed() >= WAIT * 9);
        assert!(freed.await.is_ok());
    }
}
