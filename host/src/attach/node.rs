//! One node with its clock, its tasks and its rosters around [`State`].

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::{info, warn};

use super::ring::{BadAck, Ring};
use super::state::{Bounds, State, Step, Telling, TooManyUsers};
use super::write;
use crate::config::{AttachConfig, NodeConfig, Secret};
use crate::model::{EventKind, RosterEvent, Snapshot, Username};
use crate::rosters::{LoadedRoster, RosterError, Rosters, SessionId};

/// Users that leave under one lock, when many do.
const AT_ONCE: usize = 512;

/// See the module.
pub(super) struct Node {
    pub(super) name: Arc<str>,
    pub(super) domain: Arc<str>,
    pub(super) token: Secret,
    pub(super) max_users: usize,
    pub(super) keepalive: Duration,
    pub(super) lease: Duration,
    /// For users whom a sync asks the application for: of all nodes.
    pub(super) sync_turns: Arc<Semaphore>,
    ack_timeout: Duration,
    session: SessionId,
    state: Mutex<State>,
    /// Something has happened that a stream, a refresh or the clock waits for.
    news: watch::Sender<()>,
    rosters: OnceLock<Weak<Rosters>>,
    pub(super) seen: Mutex<NodeActivity>,
    pub(super) counts: Counts,
}

/// What the operator is shown.
#[derive(Default)]
pub(super) struct NodeActivity {
    /// Who has opened the stream: the address, the User-Agent, and when.
    pub(super) stream: Option<(String, String, SystemTime)>,
    pub(super) last_sync: Option<SystemTime>,
    /// The latest refresh was not confirmed, and that has been said.
    unconfirmed: bool,
}

/// What is counted.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) unconfirmed: AtomicU64,
    pub(super) resyncs: AtomicU64,
    pub(super) syncs: AtomicU64,
    pub(super) leases: AtomicU64,
}

/// How a node is at a moment.
pub(super) struct Standing {
    pub(super) live: bool,
    pub(super) users: usize,
    pub(super) seq: u64,
    pub(super) acked: u64,
}

impl Node {
    pub(super) fn new(
        config: &AttachConfig,
        node: &NodeConfig,
        epoch: &Arc<str>,
        sync_turns: &Arc<Semaphore>,
    ) -> Arc<Self> {
        let ring = Ring::new(Arc::clone(epoch), config.ring_events, config.ring_memory);
        Arc::new(Self {
            name: node.name.as_str().into(),
            domain: node.domain.as_str().into(),
            token: node.token.clone(),
            max_users: config.max_users,
            keepalive: config.keepalive,
            lease: config.lease,
            sync_turns: Arc::clone(sync_turns),
            ack_timeout: config.ack_timeout,
            session: SessionId::new(&format!("attach/{}", node.name)),
            state: Mutex::new(State::new(ring, Bounds { max_users: config.max_users, lease: config.lease })),
            news: watch::Sender::new(()),
            rosters: OnceLock::new(),
            seen: Mutex::default(),
            counts: Counts::default(),
        })
    }

    /// From now on it is about these rosters, which own the sink that owns this.
    pub(super) fn serve(self: &Arc<Self>, rosters: &Arc<Rosters>) {
        // Set once: a host is put together once.
        let _ = self.rosters.set(Arc::downgrade(rosters));
        tokio::spawn(keep_time(Arc::downgrade(self)));
    }

    /// `None`: the host stops.
    pub(super) fn rosters(&self) -> Option<Arc<Rosters>> {
        self.rosters.get()?.upgrade()
    }

    fn tell_all(&self) {
        self.news.send_replace(());
    }

    /// `user` has come. The answer to whoever says so is still to be given, with what is returned.
    pub(super) fn arrive(self: &Arc<Self>, user: &Username) -> Result<Arrival, ArrivalError> {
        let rosters = self.rosters().ok_or(ArrivalError::Stopping)?;
        let mut state = self.state.lock();
        let before = state.ring.newest();
        let sync = state.arrive(user, Instant::now()).map_err(|TooManyUsers| ArrivalError::TooMany)?;
        // Under the lock: whoever leaves at the same time finds both or neither.
        if let Err(error) = rosters.arrive(user, self.session.clone()) {
            state.answered(user, u64::MAX, None, Instant::now());
            state.leave(user);
            return Err(ArrivalError::Roster(error));
        }
        // A lease may begin, or an event was sealed.
        let news = state.users() == 1 || state.ring.newest() > before;
        drop(state);
        if news {
            self.tell_all();
        }
        Ok(Arrival { node: Arc::clone(self), user: user.clone(), sync, rosters, open: true })
    }

    /// `user` has left.
    pub(super) fn leave(&self, user: &Username) {
        let mut state = self.state.lock();
        if state.leave(user)
            && let Some(rosters) = self.rosters()
        {
            rosters.disconnect(user, &self.session);
        }
    }

    /// A sync begins; its number.
    pub(super) fn begin_sync(&self) -> u64 {
        self.state.lock().begin_sync()
    }

    /// Its list is there.
    pub(super) fn accept_sync(&self) {
        self.counts.syncs.fetch_add(1, Ordering::Relaxed);
        self.seen.lock().last_sync = Some(SystemTime::now());
        self.state.lock().accept_sync();
    }

    pub(super) fn is_last_sync(&self, sync: u64) -> bool {
        self.state.lock().is_last_sync(sync)
    }

    /// Lets go of everybody whom `sync`, all of which has been read, has not named.
    pub(super) async fn leave_unnamed(&self, sync: u64) {
        let unnamed = self.state.lock().unnamed(sync);
        for some in unnamed.chunks(AT_ONCE) {
            let Some(rosters) = self.rosters() else { return };
            {
                let mut state = self.state.lock();
                for user in some {
                    if state.leave_unnamed(user, sync) {
                        rosters.disconnect(user, &self.session);
                    }
                }
            }
            tokio::task::yield_now().await;
        }
    }

    /// Takes note of a roster event.
    pub(super) fn deliver(&self, event: &RosterEvent) {
        if !self.state.lock().has(&event.user) {
            return;
        }
        // Not under the lock: it takes long where the roster is. What is asked for below has it then.
        if let EventKind::Changed { before, snapshot, .. } = &event.kind {
            before.content_version();
            snapshot.content_version();
        }
        let telling = self.state.lock().telling(&event.user, &event.kind);
        if telling == Telling::Not {
            return;
        }
        let change = write::change(event, telling == Telling::Whole);
        let mut state = self.state.lock();
        let wake = state.has(&event.user) && state.tell(&event.user, &change, Instant::now());
        drop(state);
        if wake {
            self.tell_all();
        }
    }

    /// Under the lock: nothing that builds on it may be told before.
    fn tell_whole(&self, state: &mut State, user: &Username, snapshot: Arc<Snapshot>) {
        let kind = EventKind::Loaded(snapshot);
        let event = RosterEvent { domain: Arc::clone(&self.domain), user: user.clone(), kind };
        if state.tell(user, &write::change(&event, true), Instant::now()) {
            self.tell_all();
        }
    }

    /// Rosters that could not be had, and are there now although nothing has happened to them: the application was asked again
    /// and has said so.
    fn pay_debts(&self, now: Instant) {
        let owed = self.state.lock().look_for(now);
        let Some(rosters) = self.rosters().filter(|_| !owed.is_empty()) else { return };
        for user in owed.iter().filter(|user| rosters.is_current(user)) {
            let Some(cached) = rosters.cached(user) else { continue };
            let mut state = self.state.lock();
            if state.pay(user) {
                self.tell_whole(&mut state, user, cached.snapshot);
            }
        }
    }

    pub(super) fn refresh_begins(&self) {
        self.state.lock().refresh_begins();
    }

    pub(super) fn refresh_ends(&self) {
        if self.state.lock().refresh_ends() {
            self.tell_all();
        }
    }

    /// Whether the node, if it is live, has passed on everything so far; waits for it.
    pub(super) async fn confirmed(&self, deadline: Instant) -> bool {
        let mut news = self.news.subscribe();
        let wanted = {
            let state = self.state.lock();
            if !state.is_live() {
                return true;
            }
            state.ring.newest()
        };
        let deadline = deadline.min(Instant::now() + self.ack_timeout);
        let acked = async {
            while self.state.lock().ring.acked() < wanted {
                // The sender is ours.
                if news.changed().await.is_err() {
                    return;
                }
            }
        };
        let confirmed = timeout_at(deadline, acked).await.is_ok();
        let said = std::mem::replace(&mut self.seen.lock().unconfirmed, !confirmed);
        if !confirmed {
            self.counts.unconfirmed.fetch_add(1, Ordering::Relaxed);
        }
        let (node, timeout) = (&self.name, self.ack_timeout);
        match (confirmed, said) {
            (false, false) => {
                warn!(%node, ?timeout, "the node has not said in time that clients were told (attach.ack_timeout); refreshes are answered without it");
            }
            (true, true) => info!(%node, "the node confirms refreshes again"),
            _ => {}
        }
        confirmed
    }

    /// A reader that has `last` opens a stream; its number, and news for it.
    pub(super) fn open_stream(
        &self,
        last: Option<&str>,
        from: String,
        agent: String,
    ) -> (u64, watch::Receiver<()>, u64, bool) {
        let news = self.news.subscribe();
        let mut state = self.state.lock();
        let (number, replaced) = state.open_stream(last);
        let newest = state.ring.newest();
        self.seen.lock().stream = Some((from, agent, SystemTime::now()));
        drop(state);
        self.tell_all();
        (number, news, newest, replaced)
    }

    pub(super) fn next(&self, stream: u64) -> Step {
        let step = self.state.lock().next(stream);
        if matches!(step, Step::Resync(_)) {
            self.counts.resyncs.fetch_add(1, Ordering::Relaxed);
        }
        step
    }

    /// True if it was the one that counts.
    pub(super) fn close_stream(&self, number: u64) -> bool {
        let mut state = self.state.lock();
        let own = state.close_stream(number, Instant::now());
        if own {
            self.seen.lock().stream = None;
            drop(state);
            self.tell_all();
        }
        own
    }

    pub(super) fn ack(&self, epoch: &str, seq: u64) -> Result<(), BadAck> {
        self.state.lock().ack(epoch, seq)?;
        self.tell_all();
        Ok(())
    }

    pub(super) fn standing(&self) -> Standing {
        let state = self.state.lock();
        Standing { live: state.is_live(), users: state.users(), seq: state.ring.newest(), acked: state.ring.acked() }
    }

    pub(super) fn epoch(&self) -> Arc<str> {
        Arc::clone(self.state.lock().ring.epoch())
    }

    /// Does what is due. When to come again.
    async fn tick(&self) -> Option<Instant> {
        let mut gone = 0;
        self.pay_debts(Instant::now());
        loop {
            let now = Instant::now();
            {
                let mut state = self.state.lock();
                if state.seal_if_due(now) {
                    self.tell_all();
                }
                let some = state.expire(now, AT_ONCE);
                if some.is_empty() {
                    if gone > 0 {
                        self.counts.leases.fetch_add(1, Ordering::Relaxed);
                        let (node, users, lease) = (&self.name, gone, self.lease);
                        warn!(%node, users, ?lease, "the node had no event stream for too long (attach.lease): its users are gone");
                    }
                    return state.due();
                }
                gone += some.len();
                if let Some(rosters) = self.rosters() {
                    for user in &some {
                        rosters.disconnect(user, &self.session);
                    }
                }
            }
            tokio::task::yield_now().await;
        }
    }
}

async fn keep_time(weak: Weak<Node>) {
    let Some(mut news) = weak.upgrade().map(|node| node.news.subscribe()) else { return };
    loop {
        news.borrow_and_update();
        let Some(node) = weak.upgrade() else { return };
        let due = node.tick().await;
        drop(node);
        let changed = async {
            match due {
                Some(due) => timeout_at(due, news.changed()).await.unwrap_or(Ok(())),
                None => news.changed().await,
            }
        };
        // The node is gone.
        if changed.await.is_err() {
            return;
        }
    }
}

/// A user for whom an answer is to be given. Dropped, none is.
pub(super) struct Arrival {
    node: Arc<Node>,
    pub(super) user: Username,
    /// The last sync before it.
    sync: u64,
    rosters: Arc<Rosters>,
    open: bool,
}

/// Why a user cannot be noted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ArrivalError {
    TooMany,
    Stopping,
    Roster(RosterError),
}

impl Arrival {
    /// Whether the application need not be asked, as it looks.
    pub(super) fn is_in_memory(&self) -> bool {
        self.rosters.is_current(&self.user)
    }

    /// The roster, from memory or from the application; and the event up to which it contains what events say of the user.
    pub(super) async fn roster(mut self) -> Result<(LoadedRoster, u64), RosterError> {
        let found = self.rosters.current(&self.user).await;
        let failed = found.as_ref().err().cloned();
        match (self.end(found.ok()), failed) {
            (_, Some(error)) => Err(error),
            (Some(given), None) => Ok(given),
            (None, None) => Err(RosterError::Left),
        }
    }

    /// What is given; `None` if the user has left, or nothing was found.
    fn end(&mut self, found: Option<LoadedRoster>) -> Option<(LoadedRoster, u64)> {
        if !std::mem::take(&mut self.open) {
            return None;
        }
        let mut state = self.node.state.lock();
        let seq = state.ring.newest();
        // What was told meanwhile is in the store.
        let newer = self.rosters.cached(&self.user).map(|cached| cached.snapshot);
        let found = found.map(|found| match newer {
            Some(newer) if newer.version() > found.snapshot.version() => LoadedRoster { snapshot: newer, stale: None },
            _ => found,
        });
        let answer = found.as_ref().map(|found| &*found.snapshot);
        let (here, late) = state.answered(&self.user, self.sync, answer, Instant::now());
        if let Some(snapshot) = late {
            self.node.tell_whole(&mut state, &self.user, snapshot);
        }
        drop(state);
        // There may be something to look for.
        if found.is_none() {
            self.node.tell_all();
        }
        found.filter(|_| here).map(|found| (found, seq))
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        self.end(None);
    }
}

/// Waits until there is news, or `until`.
pub(super) async fn news_or(news: &mut watch::Receiver<()>, until: Instant) {
    tokio::select! {
        // The node is held by whoever waits.
        _ = news.changed() => {}
        () = sleep_until(until) => {}
    }
}
