//! One virtual host that runs, and what it is made of.

use std::path::PathBuf;
use std::sync::Arc;

use tracing::info;

use crate::assembly::{StartError, load};
use crate::cluster::Cluster;
use crate::config::HostConfig;
use crate::metrics::Metrics;
use crate::plugin::{PluginEngine, RosterPlugin};
use crate::rosters::{self, Rosters};
use crate::sinks::RosterSink;
use crate::store::{MemoryStore, RosterStore};
use crate::swap::Swapper;

/// What all virtual hosts are made of.
pub(crate) struct Parts {
    pub(crate) engine: PluginEngine,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) sinks: Vec<Arc<dyn RosterSink>>,
    /// `plugin_state`
    pub(crate) state: Option<PathBuf>,
    /// The other nodes, if there may be any.
    pub(crate) cluster: Option<Arc<Cluster>>,
}

/// See the module.
#[derive(Clone)]
pub(crate) struct Running {
    pub(crate) config: HostConfig,
    pub(crate) swapper: Arc<Swapper>,
    pub(crate) rosters: Arc<Rosters>,
    pub(super) store: Arc<MemoryStore>,
    /// Those of the users that this node of a cluster asks the application for; the others are copies then.
    pub(super) owned: Option<(Arc<Rosters>, Arc<MemoryStore>)>,
}

impl Running {
    /// In a cluster: the rosters of its own users, and those that clients are served from.
    pub(crate) fn owned(&self) -> Option<(Arc<Rosters>, Arc<Rosters>)> {
        self.owned.as_ref().map(|(owned, _)| (Arc::clone(owned), Arc::clone(&self.rosters)))
    }

    /// From now on the limits of its configuration hold.
    pub(super) fn retune(&self) {
        let HostConfig { limits, store, .. } = &self.config;
        self.store.rebound(store);
        match &self.owned {
            None => self.rosters.retune(limits, store),
            Some((owned, of_owner)) => {
                of_owner.rebound(store);
                owned.retune(limits, store);
                self.rosters.retune(limits, &Cluster::store_of_copies(store));
            }
        }
    }
}

impl Parts {
    /// Loads the plugin of a virtual host; nobody is connected yet. Its plugin's file is not watched yet.
    /// `index`: among the virtual hosts, which are the same in the same order at all nodes of a cluster.
    pub(crate) async fn start(
        &self,
        engine: &PluginEngine,
        host: &HostConfig,
        index: usize,
    ) -> Result<Running, StartError> {
        let swapper = load(engine, host, &self.metrics, self.state.as_deref()).await?;
        info!(domain = %host.domain, plugin = swapper.serving().plugin().name(), "plugin loaded");
        let plugin = Arc::clone(swapper.serving()) as Arc<dyn RosterPlugin>;
        let new_store = || Arc::new(MemoryStore::new(&host.store));
        let parts = |plugin, store: &Arc<MemoryStore>, sinks, owners| rosters::Parts {
            domain: host.domain.as_str().into(),
            plugin,
            store: Arc::clone(store) as Arc<dyn RosterStore>,
            sinks,
            metrics: Arc::clone(&self.metrics),
            owners,
        };
        let store = new_store();
        let (rosters, owned) = match &self.cluster {
            None => (Rosters::new(parts(plugin, &store, self.sinks.clone(), None), &host.limits, &host.store), None),
            Some(cluster) => {
                let of_owner = new_store();
                let owned = parts(Arc::clone(&plugin), &of_owner, vec![cluster.sink(index)], None);
                let owned = Rosters::new(owned, &host.limits, &host.store);
                let (source, owners) = cluster.source(index, plugin);
                let here = parts(source, &store, self.sinks.clone(), Some(owners));
                let here = Rosters::new(here, &host.limits, &Cluster::store_of_copies(&host.store));
                (here, Some((owned, of_owner)))
            }
        };
        Ok(Running { config: host.clone(), swapper, rosters, store, owned })
    }
}
