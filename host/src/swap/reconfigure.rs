//! Another configuration of a virtual host whose plugin serves: prepared like a swap, and then taken over.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use tokio::sync::OwnedMutexGuard;

use super::candidate::Refusal;
use super::configured::Configured;
use super::receipt::{Module, Receipt};
use super::swapper::Swapper;
use crate::config::HostConfig;
use crate::http_client::HttpClient;
use crate::plugin::{IfUnreachable, PluginBytes, PluginEngine, WasmPlugin};

impl Swapper {
    /// Prepares another configuration of the virtual host: everything that can fail. Nothing has changed before
    /// [`Reconfiguration::commit`]; until then, or until it is dropped, no other swap is prepared. What is refused leaves a receipt.
    pub async fn reconfigure(
        self: &Arc<Self>,
        host: &HostConfig,
        engine: PluginEngine,
        client: HttpClient,
    ) -> Result<Reconfiguration, Receipt> {
        let began = Instant::now();
        let mut receipt = self.new_receipt("configuration", &self.serving.plugin());
        let Some(turn) = self.turn(&mut receipt).await else { return Err(self.remember(receipt)) };
        let rollbacks = self.rollbacks.load(Ordering::SeqCst);
        let configured = Configured { host: host.clone(), engine, client };
        let longest = configured.engine.compile_config().max_component;
        // A registry that is away is no reason against other limits.
        let read = async { configured.engine.source(host, IfUnreachable::UseLast)?.read_within(longest).await };
        let new = match self.prepared(&configured, read, &mut receipt).await {
            Ok(new) => Some(new),
            Err(Refusal::Unchanged) => None,
            Err(Refusal::Because(reason)) => {
                receipt.reason = Some(reason);
                return Err(self.remember(receipt));
            }
        };
        let swapper = Arc::clone(self);
        Ok(Reconfiguration { swapper, configured, new, receipt, began, rollbacks, moment: None, _turn: turn })
    }
}

/// Another configuration of a virtual host, with a module that may take over if another is needed for it.
pub struct Reconfiguration {
    swapper: Arc<Swapper>,
    configured: Configured,
    new: Option<(Arc<WasmPlugin>, PluginBytes)>,
    receipt: Receipt,
    began: Instant,
    /// Rollbacks when it was begun.
    rollbacks: u64,
    /// No other module takes over.
    moment: Option<OwnedMutexGuard<()>>,
    _turn: OwnedMutexGuard<()>,
}

impl Reconfiguration {
    /// Keeps what serves as it is until the commit, or until this is dropped. The error is a receipt: a rollback that was asked for while
    /// this was prepared is not to be undone by it.
    pub async fn hold(&mut self) -> Result<(), Receipt> {
        self.moment = self.swapper.moment_since(self.rollbacks, &mut self.receipt).await;
        if self.moment.is_some() { Ok(()) } else { Err(self.swapper.remember(self.receipt.clone())) }
    }

    /// The module that serves and the one that takes its place, if it is not only configured otherwise.
    pub fn replaces(&self) -> Option<(&Module, &Module)> {
        let (old, new) = (&self.receipt.old, self.new.as_ref().and(self.receipt.new.as_ref())?);
        (old.digest != new.digest).then_some((old, new))
    }

    /// From now on the virtual host is configured so. The receipt is that of a swap; `None` if none was needed.
    pub async fn commit(self) -> Option<Receipt> {
        let Self { swapper, configured, new, mut receipt, began, moment, _turn, .. } = self;
        let _moment = match moment {
            Some(held) => held,
            None => Arc::clone(&swapper.moment).lock_owned().await,
        };
        let HostConfig { plugin, swap, store, .. } = &configured.host;
        let watches_other = {
            let before = &swapper.configured.load().host;
            (&before.plugin, before.swap.watch) != (plugin, swap.watch)
        };
        swapper.serving.retune(swap.clone(), store.max_contacts);
        let forgotten = swapper.generations.lock().keep(swap.keep);
        // What they hold takes a while to give back, so not under the lock.
        drop(forgotten);
        swapper.configured.store(Arc::new(configured));
        let receipt = match new {
            None => None,
            Some((new, bytes)) => {
                swapper.takes_over(new, bytes, began, &mut receipt).await;
                Some(swapper.remember(receipt))
            }
        };
        if watches_other {
            swapper.watch();
        }
        receipt
    }
}
