//! Brings one user's roster up to date: ask the plugin, keep the result, tell the sinks.

use std::sync::Arc;
use std::time::Instant;

use tracing::{debug, warn};

use super::flights::Landing;
use super::{RosterError, Rosters};
use crate::model::{Change, Contacts, Snapshot, Tag, Username};
use crate::plugin::{CallError, Delta, Refreshed};
use crate::sinks::{EventKind, RosterEvent};
use crate::store::StoreError;

/// Rosters of people who have left that one store operation may drop to make room.
const MAKE_ROOM_ATTEMPTS: usize = 100;

/// What an update did.
#[derive(Clone, Debug)]
pub enum Update {
    /// The roster was fetched.
    Fetched(Arc<Snapshot>),
    /// The application has the roster that is kept.
    Unchanged(Arc<Snapshot>),
    /// The application has another, which is kept now.
    Changed(Arc<Snapshot>),
    /// The user left meanwhile; nothing was kept.
    Left,
}

impl Update {
    /// The roster after the update.
    pub fn into_snapshot(self) -> Option<Arc<Snapshot>> {
        match self {
            Self::Fetched(snapshot) | Self::Unchanged(snapshot) | Self::Changed(snapshot) => Some(snapshot),
            Self::Left => None,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Fetched(_) => "fetched",
            Self::Unchanged(_) => "unchanged",
            Self::Changed(_) => "changed",
            Self::Left => "left",
        }
    }
}

impl Rosters {
    /// One flight. Takes its turn, so that no more run at once than the operator allows.
    pub(super) async fn update(self: &Arc<Self>, user: &Username) -> Landing {
        let began = Instant::now();
        let result = match tokio::time::timeout(self.queue_timeout, self.turns.acquire()).await {
            Ok(Ok(_turn)) => {
                self.give_way().await;
                self.take_turn(user).await
            }
            Ok(Err(_)) | Err(_) => Err(CallError::Busy { limit: self.queue_timeout }.into()),
        };
        match &result {
            Ok(update) => {
                debug!(outcome = update.name(), elapsed = ?began.elapsed(), "roster updated");
                self.metrics.update(&self.domain, update.name(), began.elapsed());
            }
            Err(error) => {
                warn!(%error, "the roster could not be updated; if one is cached, it stays");
                self.metrics.update(&self.domain, error.kind(), began.elapsed());
            }
        }
        result
    }

    /// What has begun goes before what begins: an update starts when a thread has nothing else to do, one for each thread.
    ///
    /// An application that answers at once then has a few updates under way and not all that may be, and what those need
    /// stays in the processor's caches; a slow one leaves the threads idle, so as many as may be begin. Whatever else the
    /// host does in the same threads goes before a large refresh, too. The permit is held for a yield only, so nobody waits
    /// long: the runtime resumes who yields after some dozens of other tasks at the latest.
    async fn give_way(&self) {
        // The semaphore is never closed.
        let _start = self.starts.acquire().await;
        tokio::task::yield_now().await;
    }

    async fn take_turn(self: &Arc<Self>, user: &Username) -> Landing {
        if !self.users.is_online(user) {
            return Ok(Update::Left);
        }
        match self.store.get(user) {
            None => self.first_fetch(user).await,
            Some(known) => self.compare(user, known).await,
        }
    }

    async fn first_fetch(self: &Arc<Self>, user: &Username) -> Landing {
        let roster = self.plugin.fetch(user).await?;
        warn_of(&roster.warnings);
        let contacts = Contacts::pack(&roster.contacts, self.max_contacts)?;
        let Some(snapshot) = self.keep(user, None, &contacts, roster.tag).await? else { return Ok(Update::Left) };
        self.tell(user, EventKind::Loaded(Arc::clone(&snapshot))).await;
        Ok(Update::Fetched(snapshot))
    }

    async fn compare(self: &Arc<Self>, user: &Username, known: Arc<Snapshot>) -> Landing {
        let delta = match self.plugin.refresh(user, Arc::clone(&known)).await? {
            Refreshed::Unchanged => {
                known.confirm();
                return Ok(Update::Unchanged(known));
            }
            Refreshed::Changed(delta) => delta,
        };
        let Delta { changes, tag, warnings } = delta;
        warn_of(&warnings);
        let (contacts, changes) = if changes.is_empty() {
            (None, changes)
        } else {
            let (contacts, effective) = known.contacts().apply(changes, self.max_contacts)?;
            (Some(contacts), effective)
        };
        match contacts {
            Some(contacts) if !changes.is_empty() => {
                let kept = self.keep(user, Some(known.version()), &contacts, tag).await?;
                let Some(snapshot) = kept else { return Ok(Update::Left) };
                let changes: Arc<[Change]> = changes.into();
                self.tell(user, EventKind::Changed { snapshot: Arc::clone(&snapshot), changes }).await;
                Ok(Update::Changed(snapshot))
            }
            _ => match self.store.retag(user, known.version(), tag) {
                // Dropped meanwhile.
                Err(StoreError::Conflict { .. }) => Ok(Update::Left),
                retagged => Ok(Update::Unchanged(retagged?)),
            },
        }
    }

    /// Stores the roster, unless the user has left (or the roster was dropped because of that). When there is no room,
    /// those who have left make some.
    async fn keep(
        self: &Arc<Self>,
        user: &Username,
        expected: Option<u64>,
        contacts: &Contacts,
        tag: Option<Tag>,
    ) -> Result<Option<Arc<Snapshot>>, RosterError> {
        let mut attempts = MAKE_ROOM_ATTEMPTS;
        loop {
            // Under the user's lock: a roster stored after its owner has left would never be dropped.
            let result = self.users.with_shard(user, |shard| {
                shard.get(user).filter(|known| !known.sessions.is_empty())?;
                Some(self.store.replace(user, expected, contacts.clone(), tag.clone()))
            });
            attempts -= 1;
            match result {
                None | Some(Err(StoreError::Conflict { .. })) => return Ok(None),
                Some(Err(StoreError::Full { .. })) if attempts > 0 && self.drop_longest_gone().await => {}
                Some(result) => return Ok(Some(result?)),
            }
        }
    }

    /// Tells every sink. A sink that fails loses the event, and nobody else anything.
    pub(super) async fn tell(&self, user: &Username, kind: EventKind) {
        if self.sinks.is_empty() {
            return;
        }
        let event = Arc::new(RosterEvent { domain: Arc::clone(&self.domain), user: user.clone(), kind });
        for sink in &self.sinks {
            if let Err(error) = sink.deliver(Arc::clone(&event)).await {
                warn!(sink = sink.name(), event = event.name(), user = %user, %error, "a roster event was lost");
                self.metrics.event_lost(sink.name());
            }
        }
    }
}

fn warn_of(warnings: &[String]) {
    for warning in warnings {
        warn!(%warning, "the plugin mended the application's answer");
    }
}
