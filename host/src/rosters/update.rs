//! Brings one user's roster up to date: ask the plugin, keep the result, tell the sinks.

use std::sync::Arc;

use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;
use tracing::{debug, warn};

use super::user::update_result::{Update, UpdateResult};
use super::{RosterError, Rosters};
use crate::model::{Change, Contacts, Snapshot, Tag, Username};
use crate::plugin::{CallError, Delta, Refreshed};
use crate::sinks::{EventKind, RosterEvent};
use crate::store::StoreError;

/// Rosters of people who have left that one store operation may drop to make room.
const MAKE_ROOM_ATTEMPTS: usize = 100;
/// Times that one flight asks, should others store a roster meanwhile.
const ATTEMPTS: usize = 3;

impl Rosters {
    /// The work of flight `number`. Waits for a permit, so that no more run at once than the operator allows.
    pub(super) async fn update(self: &Arc<Self>, user: &Username, number: u64) -> UpdateResult {
        let began = Instant::now();
        // The same to its end, whatever limits hold by then.
        let tuning = self.tuning.load_full();
        let permit = tuning.updates(self.plugin.asks_together()).permits.acquire();
        let outcome = match tokio::time::timeout(tuning.queue_timeout, permit).await {
            Ok(Ok(_permit)) => self.with_permit(user, number).await,
            Ok(Err(_)) | Err(_) => Err(CallError::Busy { limit: tuning.queue_timeout }.into()),
        };
        let name = match &outcome {
            Ok(update) => update.name(),
            Err(error) => error.kind(),
        };
        debug!(outcome = name, elapsed = ?began.elapsed(), "update ended");
        // Its owner counts what it asks the application.
        if self.owners.is_none() {
            self.metrics.update(&self.domain, name, began.elapsed());
        }
        outcome
    }

    /// Again from the start if another flight of the user has stored a roster meanwhile: what this one compared with is gone.
    async fn with_permit(self: &Arc<Self>, user: &Username, number: u64) -> UpdateResult {
        let mut attempts = ATTEMPTS;
        loop {
            let begun = self.with_known(user, |known| !known.is_away() && known.flights.begin(number, Instant::now()));
            if begun != Some(true) {
                return Ok(Update::Left);
            }
            let outcome = match self.store.get(user) {
                None => self.first_fetch(user, number).await,
                Some(known) => self.compare(user, number, known).await,
            };
            attempts -= 1;
            match outcome {
                Err(RosterError::Store(StoreError::Conflict { .. })) if attempts > 0 => {}
                outcome => return outcome,
            }
        }
    }

    async fn first_fetch(self: &Arc<Self>, user: &Username, number: u64) -> UpdateResult {
        let roster = self.plugin.fetch(user).await?;
        warn_of(&roster.warnings);
        let contacts = Contacts::pack(&roster.contacts, self.tuning.load().max_contacts)?;
        let kept =
            self.keep(user, number, None, &contacts, roster.tag, |kept| EventKind::Loaded(Arc::clone(kept))).await?;
        Ok(kept.map_or(Update::Left, Update::Fetched))
    }

    async fn compare(self: &Arc<Self>, user: &Username, number: u64, known: Arc<Snapshot>) -> UpdateResult {
        let delta = match self.plugin.refresh(user, Arc::clone(&known)).await? {
            Refreshed::Unchanged => {
                let found = self.store.get(user).map(|kept| kept.version());
                if found != Some(known.version()) {
                    return Err(
                        StoreError::Conflict { user: user.clone(), expected: Some(known.version()), found }.into()
                    );
                }
                known.confirm();
                return Ok(Update::Unchanged(known));
            }
            Refreshed::Changed(delta) => delta,
        };
        let Delta { changes, tag, warnings } = delta;
        warn_of(&warnings);
        let (contacts, changes) = known.contacts().apply(changes, self.tuning.load().max_contacts)?;
        if changes.is_empty() {
            return Ok(Update::Unchanged(self.store.retag(user, known.version(), tag)?));
        }
        let changes: Arc<[Change]> = changes.into();
        let event = |kept: &Arc<Snapshot>| EventKind::Changed {
            before: Arc::clone(&known),
            snapshot: Arc::clone(kept),
            changes: Arc::clone(&changes),
        };
        let kept = self.keep(user, number, Some(known.version()), &contacts, tag, event).await?;
        Ok(kept.map_or(Update::Left, Update::Changed))
    }

    /// Stores the roster and tells the sinks, unless the user has left or what the flight brings is out of date. When there is
    /// no room, those who have left make some.
    async fn keep(
        self: &Arc<Self>,
        user: &Username,
        number: u64,
        expected: Option<u64>,
        contacts: &Contacts,
        tag: Option<Tag>,
        event: impl Fn(&Arc<Snapshot>) -> EventKind + Send + Sync,
    ) -> Result<Option<Arc<Snapshot>>, RosterError> {
        let mut attempts = MAKE_ROOM_ATTEMPTS;
        loop {
            let Some(commit) = self.commit(user) else { return Ok(None) };
            let guard = commit.lock().await;
            // Under the user's lock: a roster stored after its owner has left would never be dropped.
            let stored = self.with_known(user, |known| {
                (!known.is_away() && known.flights.commit(number))
                    .then(|| self.store.replace(user, expected, contacts.clone(), tag.clone()))
            });
            attempts = attempts.saturating_sub(1);
            match stored.flatten() {
                None => return Ok(None),
                Some(Ok(snapshot)) => {
                    self.tell(user, event(&snapshot)).await;
                    return Ok(Some(snapshot));
                }
                // Only without the lock: others wait for it to make room for somebody.
                Some(Err(StoreError::Full { .. })) if attempts > 0 => {
                    drop(guard);
                    drop(commit);
                    if !self.drop_first_to_expire().await {
                        attempts = 0;
                    }
                }
                Some(Err(error)) => return Err(error.into()),
            }
        }
    }

    /// What orders whoever stores or drops the roster of `user`. None: nothing is known of the user.
    pub(super) fn commit<'a>(&'a self, user: &'a Username) -> Option<Commit<'a>> {
        let lock = self.with_known(user, |known| Arc::clone(&known.commit))?;
        Some(Commit { rosters: self, user, lock })
    }

    /// Tells every sink. A sink that fails loses the event, and nobody else anything.
    pub(super) async fn tell(&self, user: &Username, kind: EventKind) {
        if self.sinks.is_empty() {
            return;
        }
        let event = Arc::new(RosterEvent { domain: Arc::clone(&self.domain), user: user.clone(), kind });
        for sink in &self.sinks {
            if let Err(error) = sink.deliver(Arc::clone(&event)).await {
                // The sink tells that it loses events, once and not for each.
                debug!(sink = sink.name(), event = event.name(), user = %user, %error, "a roster event was lost");
                self.metrics.event_lost(sink.name());
            }
        }
    }
}

/// A user is known for as long as anybody has this. When it is let go, also by a flight that is ended while it waits, the user is
/// forgotten if there is nothing left to know.
pub(super) struct Commit<'a> {
    rosters: &'a Rosters,
    user: &'a Username,
    lock: Arc<Mutex<()>>,
}

impl Commit<'_> {
    /// Waits for whoever stores or drops the roster now.
    pub(super) async fn lock(&self) -> MutexGuard<'_, ()> {
        self.lock.lock().await
    }
}

impl Drop for Commit<'_> {
    fn drop(&mut self) {
        // Before anybody counts who has it.
        drop(std::mem::take(&mut self.lock));
        self.rosters.with_known(self.user, |_| ());
    }
}

fn warn_of(warnings: &[String]) {
    for warning in warnings {
        warn!(%warning, "the plugin mended the application's answer");
    }
}
