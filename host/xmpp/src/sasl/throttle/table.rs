//! One table of leaking buckets, each with the attempts that are under way. Nothing here waits or looks at a clock.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// More would be for ever, and times have an end.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// Whether another attempt may begin.
#[derive(Debug)]
pub(super) enum Room {
    Free,
    /// Not before one of those that are under way has ended well. The receiver is told whenever one has ended.
    Occupied(watch::Receiver<()>),
    /// Not before something is forgotten.
    Full,
}

pub(super) struct Table {
    /// In this time one failure is forgotten.
    period: Duration,
    /// In this time a full bucket is empty.
    full: Duration,
    /// An attempt that has not ended after this time has failed.
    longest: Duration,
    /// Buckets that nobody uses now are kept up to this number; those in use are as many as there are connections.
    most: usize,
    buckets: HashMap<u64, Bucket>,
    /// Those without an attempt that is under way, the emptiest first.
    idle: BTreeSet<(Instant, u64)>,
}

struct Bucket {
    /// When all failures are forgotten. The order of these times is the order of the levels, whenever it is looked at.
    empty_at: Instant,
    /// Attempts that are under way, and when they have failed. The oldest is the first.
    pending: VecDeque<(u64, Instant)>,
    ended: Option<watch::Sender<()>>,
}

impl Bucket {
    fn fail(&mut self, at: Instant, period: Duration) {
        self.empty_at = self.empty_at.max(at) + period;
    }

    fn end(&self) {
        if let Some(ended) = &self.ended {
            ended.send_replace(());
        }
    }
}

impl Table {
    pub(super) fn new(failures: u32, forgotten_after: Duration, longest: Duration, most: usize) -> Self {
        let failures = failures.max(1);
        let period = (forgotten_after.min(LONGEST) / failures).max(Duration::from_nanos(1));
        let (buckets, idle) = (HashMap::new(), BTreeSet::new());
        Self { period, full: period.saturating_mul(failures), longest: longest.min(LONGEST), most, buckets, idle }
    }

    /// What may begin for `key`.
    pub(super) fn room(&mut self, key: u64, now: Instant) -> Room {
        self.settle(key, now);
        let Some(bucket) = self.buckets.get_mut(&key) else { return Room::Free };
        let left = self.full.saturating_sub(bucket.empty_at.saturating_duration_since(now));
        let pending = u32::try_from(bucket.pending.len()).unwrap_or(u32::MAX);
        if left < self.period {
            Room::Full
        } else if left < self.period.saturating_mul(pending.saturating_add(1)) {
            Room::Occupied(bucket.ended.get_or_insert_with(|| watch::Sender::new(())).subscribe())
        } else {
            Room::Free
        }
    }

    /// An attempt begins. There has to be room.
    pub(super) fn begin(&mut self, key: u64, attempt: u64, now: Instant) {
        while let Some((_, empty)) = self.idle.first().copied().filter(|(empty_at, _)| *empty_at <= now) {
            self.idle.pop_first();
            self.buckets.remove(&empty);
        }
        if let Some(bucket) = self.buckets.get(&key) {
            self.idle.remove(&(bucket.empty_at, key));
        }
        let bucket = self.buckets.entry(key);
        let bucket = bucket.or_insert_with(|| Bucket { empty_at: now, pending: VecDeque::new(), ended: None });
        bucket.pending.push_back((attempt, now + self.longest));
        self.make_room();
    }

    /// An attempt has ended. One that took too long has failed before, and cannot do so again.
    pub(super) fn end(&mut self, key: u64, attempt: u64, failed: bool, now: Instant) {
        self.settle(key, now);
        let Some(bucket) = self.buckets.get_mut(&key) else { return };
        let Some(at) = bucket.pending.iter().position(|(pending, _)| *pending == attempt) else { return };
        bucket.pending.remove(at);
        if failed {
            bucket.fail(now, self.period);
        }
        bucket.end();
        self.rest(key, now);
        self.make_room();
    }

    /// Lets those fail that took too long.
    fn settle(&mut self, key: u64, now: Instant) {
        let Some(bucket) = self.buckets.get_mut(&key) else { return };
        while let Some((_, late)) = bucket.pending.pop_front_if(|(_, late)| *late <= now) {
            bucket.fail(late, self.period);
            bucket.end();
        }
        self.rest(key, now);
    }

    /// A bucket that nobody uses can go, at once if it is empty.
    fn rest(&mut self, key: u64, now: Instant) {
        let Some(bucket) = self.buckets.get_mut(&key).filter(|bucket| bucket.pending.is_empty()) else { return };
        if bucket.empty_at > now {
            // Nobody waits here any more, and what had room for attempts would be kept for as long as the failures.
            (bucket.pending, bucket.ended) = (VecDeque::new(), None);
            self.idle.insert((bucket.empty_at, key));
        } else {
            self.idle.remove(&(bucket.empty_at, key));
            self.buckets.remove(&key);
        }
    }

    /// The emptiest go: whoever wants to have a full one forgotten has to fill as many others as there are.
    fn make_room(&mut self) {
        while self.buckets.len() > self.most {
            let Some((_, emptiest)) = self.idle.pop_first() else { return };
            self.buckets.remove(&emptiest);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        assert!(self.idle.iter().all(|(_, key)| self.buckets.contains_key(key)), "both tell of the same buckets");
        assert_eq!(self.idle.len(), self.buckets.values().filter(|bucket| bucket.pending.is_empty()).count());
        self.buckets.len()
    }
}
