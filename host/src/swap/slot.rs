//! Which module serves: the plugin that [`crate::rosters`] sees.

use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::sync::mpsc;
use tracing::warn;

use super::probation::{Probation, Verdict};
use crate::model::{Snapshot, Username};
use crate::plugin::{Answer, BadRequest, CallError, FetchedRoster, Outcome, Refreshed, RosterPlugin, WasmPlugin};

/// Holds the module that serves. A call takes it once, at its beginning, and ends on it whatever happens meanwhile.
pub struct PluginSlot {
    active: ArcSwap<Active>,
    /// Told of the module that failed its probation, after the one before it was put back.
    failed: mpsc::Sender<Arc<WasmPlugin>>,
}

struct Active {
    plugin: Arc<WasmPlugin>,
    probation: Option<Probation>,
}

impl PluginSlot {
    /// `plugin` serves. Modules that fail their probation are sent to the receiver.
    pub(super) fn new(plugin: Arc<WasmPlugin>) -> (Self, mpsc::Receiver<Arc<WasmPlugin>>) {
        let (failed, failures) = mpsc::channel(8);
        (Self { active: ArcSwap::from_pointee(Active { plugin, probation: None }), failed }, failures)
    }

    /// The module that serves.
    pub fn plugin(&self) -> Arc<WasmPlugin> {
        Arc::clone(&self.active.load().plugin)
    }

    /// True while the module that serves is new.
    pub fn on_probation(&self) -> bool {
        self.active.load().probation.is_some()
    }

    /// From now on calls go to `plugin`; returns the module before it. With `probation`, that one stands in for it.
    pub(super) fn replace(&self, plugin: Arc<WasmPlugin>, probation: bool) -> Arc<WasmPlugin> {
        let previous = self.plugin();
        let probation = probation.then(|| Probation::new(Arc::clone(&previous)));
        self.active.store(Arc::new(Active { plugin, probation }));
        previous
    }

    async fn call<T>(
        &self,
        call: impl Fn(Arc<WasmPlugin>) -> BoxFuture<'static, Result<T, CallError>> + Send + Sync,
    ) -> Result<T, CallError>
    where
        T: Send,
    {
        let active = self.active.load_full();
        let result = call(Arc::clone(&active.plugin)).await;
        let Some(probation) = &active.probation else { return result };
        match probation.judge(&result) {
            Verdict::Goes => {}
            Verdict::Passed => self.settle(&active, &active.plugin),
            Verdict::Failed => {
                self.settle(&active, probation.previous());
                // A full queue means that somebody is about to look anyway.
                let _ = self.failed.try_send(Arc::clone(&active.plugin));
            }
        }
        match result {
            Err(error) if error.is_plugins_fault() => {
                warn!(%error, plugin = active.plugin.name(), "a new plugin failed; the one before it makes the call again");
                call(Arc::clone(probation.previous())).await
            }
            result => result,
        }
    }

    /// Ends the probation of `active`, unless something else serves by now.
    fn settle(&self, active: &Arc<Active>, plugin: &Arc<WasmPlugin>) {
        let settled = Arc::new(Active { plugin: Arc::clone(plugin), probation: None });
        self.active.compare_and_swap(active, settled);
    }
}

#[async_trait]
impl RosterPlugin for PluginSlot {
    async fn fetch(&self, user: &Username) -> Result<FetchedRoster, CallError> {
        self.call(|plugin| {
            let user = user.clone();
            Box::pin(async move { plugin.fetch(&user).await })
        })
        .await
    }

    async fn changed_users(&self, body: Bytes) -> Result<Result<Vec<String>, BadRequest>, CallError> {
        self.call(|plugin| {
            let body = body.clone();
            Box::pin(async move { plugin.changed_users(body).await })
        })
        .await
    }

    async fn refresh(&self, user: &Username, known: Arc<Snapshot>) -> Result<Refreshed, CallError> {
        self.call(|plugin| {
            let (user, known) = (user.clone(), Arc::clone(&known));
            Box::pin(async move { plugin.refresh(&user, known).await })
        })
        .await
    }

    async fn summary(&self, outcome: Outcome) -> Result<Answer, CallError> {
        self.call(|plugin| {
            let outcome = outcome.clone();
            Box::pin(async move { plugin.summary(outcome).await })
        })
        .await
    }
}
