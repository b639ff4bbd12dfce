//! The two sides that benchmarks compare: the same use cases on the component and on the logic compiled natively.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use roster_host::config::{Config, HostConfig, StoreConfig};
use roster_host::http_client::HttpClient;
use roster_host::metrics::Metrics;
use roster_host::model::Username;
use roster_host::plugin::{EngineSize, LoadOptions, PluginEngine, PluginSource, RosterPlugin, WasmPlugin};
use roster_host::rosters::{Parts, Rosters, SessionId};
use roster_host::store::MemoryStore;
use tokio::time::Instant;

use crate::native::NativePlugin;
use crate::ordinary_app::OrdinaryApp;
use crate::quick_app::QuickApp;

/// How many users a benchmark refreshes.
pub const USERS: usize = 1000;

const DOMAIN: &str = "example.com";

/// What the hosts ask.
pub enum App {
    /// An application as they are.
    Ordinary(OrdinaryApp),
    /// One that costs as little as possible.
    Quick(QuickApp),
}

impl App {
    fn origin(&self) -> String {
        match self {
            Self::Ordinary(app) => app.origin(),
            Self::Quick(app) => app.origin(),
        }
    }

    /// Another version of everybody's roster: one contact has another name in each.
    pub fn set_version(&self, version: u64) {
        match self {
            Self::Ordinary(app) => app.set_version(version),
            Self::Quick(app) => app.set_version(version),
        }
    }
}

/// An application, and the configuration of a host that asks it.
pub struct Bench {
    /// What is asked.
    pub app: App,
    config: Config,
}

impl Bench {
    /// An application as they are, in which everybody has this many contacts.
    pub async fn ordinary(contacts: usize) -> Self {
        Self::new(App::Ordinary(OrdinaryApp::start(contacts).await))
    }

    /// One that costs as little as possible.
    pub async fn quick(contacts: usize) -> Self {
        Self::new(App::Quick(QuickApp::start(contacts).await))
    }

    fn new(app: App) -> Self {
        let host = HostConfig::for_application(DOMAIN, &format!("{}/contacts/%s", app.origin())).unwrap();
        Self { app, config: Config { hosts: vec![host], ..Config::default() } }
    }

    fn host(&self) -> &HostConfig {
        self.config.hosts.first().unwrap()
    }

    async fn component(&self, host: &HostConfig) -> Arc<dyn RosterPlugin> {
        let engine = PluginEngine::new(EngineSize::of(&self.config.hosts)).unwrap();
        let client = HttpClient::new(&self.host().client).unwrap();
        let plugin = PluginSource::BuiltIn.read().await.unwrap();
        let options = LoadOptions { host, plugin: &plugin, client, metrics: Metrics::new() };
        Arc::new(WasmPlugin::load(&engine, options).await.unwrap())
    }

    fn native(&self) -> Arc<dyn RosterPlugin> {
        Arc::new(NativePlugin::new(&self.app.origin(), DOMAIN, HttpClient::new(&self.host().client).unwrap()))
    }

    /// The two plugins, and what they are called.
    pub async fn both(&self) -> [(&'static str, Arc<dyn RosterPlugin>); 2] {
        [("component", self.component(self.host()).await), ("native", self.native())]
    }

    /// The component twice: calls are recorded for shadow runs, as by default, and not.
    pub async fn recording(&self) -> [(&'static str, Arc<dyn RosterPlugin>); 2] {
        let mut off = self.host().clone();
        off.swap.shadow_calls = 0;
        [("recorded", self.component(self.host()).await), ("not recorded", self.component(&off).await)]
    }

    /// The component twice: many users are asked for in one request, and each alone.
    pub async fn bulk(&self) -> [(&'static str, Arc<dyn RosterPlugin>); 2] {
        let mut together = self.host().clone();
        together.settings.insert("http_roster_bulk_url".into(), format!("{}/contacts", self.app.origin()));
        [("together", self.component(&together).await), ("alone", self.component(self.host()).await)]
    }

    /// A host's rosters on one of them, with nobody connected.
    pub fn rosters(&self, plugin: Arc<dyn RosterPlugin>) -> Arc<Rosters> {
        let store = Arc::new(MemoryStore::new(&StoreConfig::default()));
        let parts =
            Parts { domain: DOMAIN.into(), plugin, store, sinks: Vec::new(), metrics: Metrics::new(), owners: None };
        Rosters::new(parts, &self.host().limits, &self.host().store)
    }
}

/// No benchmark runs into it.
pub fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// A refresh request that names so many users.
pub fn names(count: usize) -> Bytes {
    let names: Vec<String> = (0..count).map(|n| format!("user{n}")).collect();
    serde_json::to_vec(&names).unwrap().into()
}

/// Connects all [`USERS`].
pub async fn connect(rosters: &Arc<Rosters>) {
    for n in 0..USERS {
        let user = Username::new(&format!("user{n}")).unwrap();
        rosters.connect(&user, SessionId::new("bench")).await.unwrap();
    }
}
