//! Which module serves: the plugin that [`crate::rosters`] sees.

use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::sync::mpsc;
use tracing::warn;

use super::canary::{Canary, Progress, Verdict, is_doubtful};
use crate::config::SwapConfig;
use crate::model::{Contacts, Snapshot, Username};
use crate::plugin::{BadRequest, CallError, FetchedRoster, Outcome, Refreshed, Reply, RosterPlugin, WasmPlugin};

/// Modules that have failed and were not noted yet; more are only logged.
const FAILED: usize = 8;

/// Holds the module that serves. A call takes it once, at its beginning, and ends on it whatever happens meanwhile.
pub struct ServingPlugin {
    active: ArcSwap<Active>,
    rules: ArcSwap<Rules>,
    /// Told of the module that failed as a canary, after the one before it was put back.
    failed: mpsc::Sender<Failed>,
}

/// A module that failed as a canary.
pub(in crate::swap) struct Failed {
    pub(in crate::swap) module: Arc<WasmPlugin>,
    /// Put back in its place.
    pub(in crate::swap) previous: Arc<WasmPlugin>,
}

/// What a canary is judged by.
struct Rules {
    config: SwapConfig,
    /// Contacts of one roster at most.
    max_contacts: usize,
}

struct Active {
    plugin: Arc<WasmPlugin>,
    canary: Option<Canary>,
}

impl ServingPlugin {
    /// `plugin` serves. Modules that fail as canaries are sent to the receiver.
    pub(in crate::swap) fn new(
        plugin: Arc<WasmPlugin>,
        config: SwapConfig,
        max_contacts: usize,
    ) -> (Self, mpsc::Receiver<Failed>) {
        let (failed, failures) = mpsc::channel(FAILED);
        let active = ArcSwap::from_pointee(Active { plugin, canary: None });
        let rules = ArcSwap::from_pointee(Rules { config, max_contacts });
        (Self { active, rules, failed }, failures)
    }

    /// Other rules for the modules that take over from now on.
    pub(in crate::swap) fn retune(&self, config: SwapConfig, max_contacts: usize) {
        self.rules.rcu(|_| Rules { config: config.clone(), max_contacts });
    }

    /// The module that serves.
    pub fn plugin(&self) -> Arc<WasmPlugin> {
        Arc::clone(&self.active.load().plugin)
    }

    /// True while the module that serves is new.
    pub fn is_canary(&self) -> bool {
        self.active.load().canary.is_some()
    }

    /// How far the module that serves is, if it is a canary.
    pub(in crate::swap) fn canary(&self) -> Option<Progress> {
        self.active.load().canary.as_ref().map(Canary::progress)
    }

    /// From now on calls go to `plugin`; returns the module before it. With `canary`, that one stands in for it.
    pub(in crate::swap) fn replace(&self, plugin: &Arc<WasmPlugin>, canary: bool) -> Arc<WasmPlugin> {
        // Not just stored: a canary whose watch ends at this moment changes what the previous module is.
        let before = self.active.rcu(|active| {
            let previous = Arc::clone(&active.plugin);
            let canary = if canary { Canary::new(previous, &self.rules.load().config) } else { None };
            Active { plugin: Arc::clone(plugin), canary }
        });
        Arc::clone(&before.plugin)
    }

    /// A call of a module that is new.
    async fn watched<T>(
        &self,
        active: &Arc<Active>,
        canary: &Canary,
        call: impl Fn(Arc<WasmPlugin>) -> BoxFuture<'static, Result<T, CallError>> + Send + Sync,
        valid: impl Fn(&T) -> bool + Send + Sync,
    ) -> Result<T, CallError>
    where
        T: Send,
    {
        let doubtful = |result: &Result<T, CallError>| match result {
            Ok(value) => !valid(value),
            Err(error) => is_doubtful(error),
        };
        let module = &active.plugin;
        let result = call(Arc::clone(module)).await;
        if !doubtful(&result) {
            self.note(active, canary, false);
            return result;
        }
        if result.is_ok() {
            module.stats().malformed();
        }
        let again = call(Arc::clone(canary.previous())).await;
        // If that one fails too, or could not try, the reason may be what came in: nothing is held against the module.
        let better = again.is_ok() && !doubtful(&again);
        self.note(active, canary, better);
        if !better {
            return result;
        }
        let reason = result.err().map_or_else(|| "an invalid roster".to_owned(), |error| error.to_string());
        warn!(reason, plugin = module.name(), "a new plugin failed; the one before it made the call again");
        again
    }

    fn note(&self, active: &Arc<Active>, canary: &Canary, failed: bool) {
        let settled = |plugin: &Arc<WasmPlugin>| {
            let settled = Arc::new(Active { plugin: Arc::clone(plugin), canary: None });
            // Unless something else serves by now.
            let found = self.active.compare_and_swap(active, settled);
            Arc::ptr_eq(&found, active)
        };
        match canary.judge(failed) {
            Verdict::Goes => {}
            Verdict::Passed => {
                settled(&active.plugin);
            }
            Verdict::Failed => {
                let previous = canary.previous();
                if settled(previous) {
                    previous.open();
                    let failed = Failed { module: Arc::clone(&active.plugin), previous: Arc::clone(previous) };
                    if self.failed.try_send(failed).is_err() {
                        warn!(plugin = active.plugin.name(), "a plugin was rolled back; there is no receipt of it");
                    }
                }
            }
        }
    }
}

#[async_trait]
impl RosterPlugin for ServingPlugin {
    fn asks_together(&self) -> bool {
        self.active.load().plugin.asks_together()
    }

    async fn fetch(&self, user: &Username) -> Result<FetchedRoster, CallError> {
        let active = self.active.load_full();
        let Some(canary) = &active.canary else { return active.plugin.fetch(user).await };
        let call = |plugin: Arc<WasmPlugin>| {
            let user = user.clone();
            Box::pin(async move { plugin.fetch(&user).await }) as BoxFuture<'static, _>
        };
        let most = self.rules.load().max_contacts;
        let valid = |roster: &FetchedRoster| Contacts::pack(&roster.contacts, most).is_ok();
        self.watched(&active, canary, call, valid).await
    }

    async fn changed_users(&self, body: Bytes) -> Result<Result<Vec<String>, BadRequest>, CallError> {
        let active = self.active.load_full();
        let Some(canary) = &active.canary else { return active.plugin.changed_users(body).await };
        let call = |plugin: Arc<WasmPlugin>| {
            let body = body.clone();
            Box::pin(async move { plugin.changed_users(body).await }) as BoxFuture<'static, _>
        };
        self.watched(&active, canary, call, Result::is_ok).await
    }

    async fn refresh(&self, user: &Username, known: Arc<Snapshot>) -> Result<Refreshed, CallError> {
        let active = self.active.load_full();
        let Some(canary) = &active.canary else { return active.plugin.refresh(user, known).await };
        let call = |plugin: Arc<WasmPlugin>| {
            let (user, known) = (user.clone(), Arc::clone(&known));
            Box::pin(async move { plugin.refresh(&user, known).await }) as BoxFuture<'static, _>
        };
        let most = self.rules.load().max_contacts;
        let valid = |refreshed: &Refreshed| match refreshed {
            Refreshed::Unchanged => true,
            Refreshed::Changed(delta) => {
                delta.changes.is_empty() || known.contacts().apply(delta.changes.clone(), most).is_ok()
            }
        };
        self.watched(&active, canary, call, valid).await
    }

    async fn summary(&self, outcome: Outcome) -> Result<Reply, CallError> {
        let active = self.active.load_full();
        let Some(canary) = &active.canary else { return active.plugin.summary(outcome).await };
        let call = |plugin: Arc<WasmPlugin>| {
            let outcome = outcome.clone();
            Box::pin(async move { plugin.summary(outcome).await }) as BoxFuture<'static, _>
        };
        self.watched(&active, canary, call, |_| true).await
    }
}
