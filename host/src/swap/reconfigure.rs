//! Another configuration of a virtual host whose plugin serves: prepared like a swap, and then taken over.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::OwnedMutexGuard;

use super::candidate::Refusal;
use super::configured::Configured;
use super::receipt::Receipt;
use super::swapper::Swapper;
use crate::config::HostConfig;
use crate::http_client::HttpClient;
use crate::plugin::{Away, PluginBytes, PluginEngine, WasmPlugin};

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
        let configured = Configured { host: host.clone(), engine, client };
        let longest = configured.engine.compile_config().max_component;
        // A registry that is away is no reason against other limits.
        let read = async { configured.engine.source(host, Away::Kept)?.read_within(longest).await };
        let new = match self.prepared(&configured, read, &mut receipt).await {
            Ok(new) => Some(new),
            Err(Refusal::Unchanged) => None,
            Err(Refusal::Because(reason)) => {
                receipt.reason = Some(reason);
                return Err(self.remember(receipt));
            }
        };
        Ok(Reconfiguration { swapper: Arc::clone(self), configured, new, receipt, began, _turn: turn })
    }
}

/// Another configuration of a virtual host, with a module that may take over if another is needed for it.
pub struct Reconfiguration {
    swapper: Arc<Swapper>,
    configured: Configured,
    new: Option<(Arc<WasmPlugin>, PluginBytes)>,
    receipt: Receipt,
    began: Instant,
    _turn: OwnedMutexGuard<()>,
}

impl Reconfiguration {
    /// From now on the virtual host is configured so. The receipt is that of a swap; `None` if none was needed.
    pub async fn commit(self) -> Option<Receipt> {
        let Self { swapper, configured, new, mut receipt, began, _turn } = self;
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
                let _moment = swapper.moment.lock().await;
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
