//! Tells nodes of changes: of each roster the newest, what came in between in one.

use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, sleep};
use tracing::debug;

use crate::cluster::Cluster;
use crate::cluster::link::message::{Applied, Content, OneChange, OwnerRoster, Reply, Request, whole};
use crate::cluster::member::Member;
use crate::cluster::owner::registry::{Pending, Whose};
use crate::sinks::{EventKind, RosterEvent, RosterSink, Undelivered};

/// Rosters in one message.
const AT_ONCE: usize = 256;
/// Contacts in one message, beyond its first roster.
const MOST_CONTACTS: usize = 20_000;
/// How long one message may take to be applied.
const APPLY: Duration = Duration::from_secs(10);
/// The first wait before a node is told again, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));

/// The sink of the rosters that this node owns.
pub(in crate::cluster) struct Tell {
    pub(in crate::cluster) cluster: Weak<Cluster>,
    pub(in crate::cluster) index: usize,
}

#[async_trait]
impl RosterSink for Tell {
    fn name(&self) -> &'static str {
        "cluster"
    }

    async fn deliver(&self, event: Arc<RosterEvent>) -> Result<(), Undelivered> {
        let Some(cluster) = self.cluster.upgrade() else { return Err(Undelivered::Closed) };
        let whose = (self.index, event.user.clone());
        match &event.kind {
            EventKind::Loaded(snapshot) => {
                let version = snapshot.content_version();
                cluster.state.lock().registry.changed(&whose, version, None);
            }
            EventKind::Changed { before, snapshot, changes } => {
                let (from, version) = (before.content_version(), snapshot.content_version());
                cluster.state.lock().registry.changed(&whose, version, Some((from, changes)));
            }
            EventKind::Dropped { .. } => {}
        }
        Ok(())
    }
}

/// One roster on its way.
struct Sent {
    whose: Whose,
    version: u64,
    /// What the node had said last of the user.
    number: u64,
}

/// Tells `member` what there is to tell, for as long as it is live.
pub(in crate::cluster) async fn send(cluster: Arc<Cluster>, member: Member) {
    let mut wait = RETRY.0;
    while !cluster.stop.is_cancelled() {
        let (wake, batch) = {
            let mut state = cluster.state.lock();
            let Some(wake) = state.registry.wake(&member) else { return };
            (wake, state.registry.take(&member, AT_ONCE))
        };
        if batch.is_empty() {
            tokio::select! {
                () = wake.notified() => {}
                () = cluster.stop.cancelled() => return,
            }
            continue;
        }
        let went_well = cluster.tell(&member, batch).await;
        cluster.news.send_replace(());
        match went_well {
            true => wait = RETRY.0,
            false => {
                sleep(wait).await;
                wait = (wait * 2).min(RETRY.1);
            }
        }
    }
}

impl Cluster {
    /// Tells `member` of these rosters. False if something has to be said again.
    async fn tell(self: &Arc<Self>, member: &Member, batch: Vec<(Whose, Pending)>) -> bool {
        let (view, told, sent) = self.to_tell(member, batch);
        if told.is_empty() {
            return true;
        }
        let reply = self.call(view, member, Request::Tell { rosters: told }, Instant::now() + APPLY).await;
        let applied = match reply {
            Ok(Reply::Told(applied)) => applied,
            Ok(_) => Applied::default(),
            Err(error) => {
                debug!(to = %member.name, %error, "a node was not told of changes");
                let mut state = self.state.lock();
                for one in sent {
                    state.registry.not_taken(&one.whose, member);
                }
                return false;
            }
        };
        self.note_applied(member, sent, &applied)
    }

    /// The messages for `batch`, each roster as it is now.
    fn to_tell(&self, member: &Member, batch: Vec<(Whose, Pending)>) -> (u64, Vec<OwnerRoster>, Vec<Sent>) {
        let (mut told, mut sent, mut contacts) = (Vec::new(), Vec::new(), 0);
        let view = *self.views.borrow();
        let mut batch = batch.into_iter();
        for (whose, pending) in batch.by_ref() {
            // Before the roster is looked at: what the node says after this is not known of that roster.
            let number = self.state.lock().registry.number_of(&whose, member);
            if let Some((_, false)) = number {
                self.state.lock().registry.not_taken(&whose, member);
                continue;
            }
            let newest = self.host(whose.0).and_then(|host| Some((host, host.owned.cached(&whose.1)?.snapshot)));
            let (Some((host, newest)), Some((number, _))) = (newest, number) else {
                // Nothing to tell any more, or nobody.
                self.state.lock().registry.told(&whose, member, None);
                continue;
            };
            let version = newest.content_version();
            let content = match pending {
                Pending::Delta(from, changes, to) if to == version => {
                    Content::Delta { from, changes: changes.iter().map(OneChange::from).collect() }
                }
                Pending::Delta(..) | Pending::Whole => {
                    contacts += newest.contacts().len();
                    Content::Whole(whole(newest.contacts()))
                }
            };
            let (domain, user) = (host.domain.to_string(), whose.1.as_str().to_owned());
            told.push(OwnerRoster { domain, user, stamp: newest.version(), number, version, content });
            sent.push(Sent { whose, version, number });
            if contacts > MOST_CONTACTS {
                break;
            }
        }
        let mut state = self.state.lock();
        for (whose, _) in batch {
            state.registry.not_taken(&whose, member);
        }
        (view, told, sent)
    }

    /// Takes note of what `member` has done with what it was told.
    fn note_applied(&self, member: &Member, sent: Vec<Sent>, applied: &Applied) -> bool {
        let mut state = self.state.lock();
        let mut again = false;
        for Sent { whose, version, number } in sent {
            let name = self.host(whose.0).map(|host| (host.domain.to_string(), whose.1.as_str().to_owned()));
            let Some(name) = name else { continue };
            if applied.gone.contains(&name) {
                state.registry.told(&whose, member, None);
                if state.registry.unregister(&whose, member, number)
                    && let Some(host) = self.host(whose.0)
                {
                    host.owned.disconnect(&whose.1, &crate::cluster::owner::session(member));
                }
            } else if applied.failed.contains(&name) || applied.whole.contains(&name) {
                again = true;
                state.registry.not_taken(&whose, member);
            } else {
                state.registry.told(&whose, member, Some(version));
                for running in state.refreshes.values_mut() {
                    if running.index == whose.0 && running.users.contains(&whose.1) {
                        running.unconfirmed.extend(applied.unconfirmed.iter().cloned());
                    }
                }
            }
        }
        !again
    }
}
