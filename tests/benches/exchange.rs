//! What one refresh costs without a network, on one thread: through the component, and the plugin's logic alone natively.
//!
//! `cargo bench -p roster-tests --bench exchange`; `-- 100 unchanged` runs only rows with these words in their names, `--
//! --long` ten times as long, for a profiler, and `-- --ready` with answers that are there at once. With all of it in the
//! processor's caches these times are lower than their part of a refresh over sockets.
#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_roster_admin::protocol::{Fetch, Response as Answer};
use http_roster_admin::roster::packed::Packed;
use http_roster_admin::settings::Settings;
use roster_host::config::{Config, HostConfig};
use roster_host::http_client::{Deadlines, HttpClient, SendError};
use roster_host::metrics::Metrics;
use roster_host::model::{Contacts, Snapshot, Username};
use roster_host::plugin::{
    EngineSize, LoadOptions, Network, Outbound, Outcome, PluginEngine, PluginSource, RosterPlugin, WasmPlugin,
};
use roster_tests::quick_app::roster;

/// What the program uses.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Answers with this body; later, if the second is true.
struct Canned(parking_lot::Mutex<Bytes>, bool);

#[async_trait]
impl Outbound for Canned {
    async fn send(&self, request: Request<Bytes>, _: Deadlines) -> Result<Response<Bytes>, SendError> {
        std::hint::black_box(request);
        if self.1 {
            tokio::task::yield_now().await;
        }
        let mut response = Response::new(self.0.lock().clone());
        response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
        response.headers_mut().insert("content-length", http::HeaderValue::from_static("1000"));
        Ok(response)
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let wanted = |name: &str| args.iter().filter(|arg| !arg.starts_with("--")).all(|part| name.contains(part.as_str()));
    let long = args.iter().any(|arg| arg == "--long");
    let pend = !args.iter().any(|arg| arg == "--ready");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for contacts in [10, 100, 1000] {
        for (what, changes) in [("unchanged", false), ("changed", true)] {
            let name = format!("{contacts} {what}");
            if !wanted(&name) {
                continue;
            }
            runtime.block_on(async {
                let host = HostConfig::for_application("example.com", "http://127.0.0.1:1/contacts/%s").unwrap();
                let config = Config { hosts: vec![host], ..Config::default() };
                let host = config.hosts.first().unwrap();
                let engine = PluginEngine::new(EngineSize::of(&config.hosts)).unwrap();
                let client = HttpClient::new(&host.client).unwrap();
                let plugin = PluginSource::BuiltIn.read().await.unwrap();
                let canned = Arc::new(Canned(parking_lot::Mutex::new(roster(contacts, 0).into()), pend));
                let options = LoadOptions { host, plugin: &plugin, client, metrics: Metrics::new() };
                let plugin = WasmPlugin::load(&engine, options).await.unwrap();
                let plugin = plugin.with_network(Network::Own(canned.clone()));
                let user = Username::new("user1").unwrap();
                let fetched = plugin.fetch(&user).await.unwrap();
                let packed = Contacts::pack(&fetched.contacts, 10_000).unwrap();
                let known = Arc::new(Snapshot::new(1, fetched.tag, packed));
                if changes {
                    *canned.0.lock() = roster(contacts, 1).into();
                }
                let rounds = if long { 10 } else { 1 } * if contacts == 1000 { 20_000 } else { 100_000 };
                let began = Instant::now();
                for _ in 0..rounds {
                    plugin.refresh(&user, Arc::clone(&known)).await.unwrap();
                }
                let component = began.elapsed().as_secs_f64() * 1e6 / f64::from(rounds);
                let settings = Settings::read(&xmpp_roster_plugin::Settings::of([(
                    "http_roster_url",
                    "http://127.0.0.1:1/contacts/%s",
                )]))
                .unwrap();
                let body = canned.0.lock().clone();
                let began = Instant::now();
                let tag = known.tag().unwrap().validator.as_deref();
                let mut unchanged = false;
                for _ in 0..rounds {
                    let exchange = Fetch::new(&settings, user.as_str(), tag);
                    let answer = Answer { status: 200, etag: None, body: &body };
                    let packed = || Packed::new(known.contacts().text(), known.contacts().layout());
                    let result = std::hint::black_box(exchange.refreshed(&answer, packed).unwrap());
                    unchanged = matches!(result, http_roster_admin::protocol::Refreshed::Unchanged);
                }
                assert_eq!(unchanged, !changes);
                let native = began.elapsed().as_secs_f64() * 1e6 / f64::from(rounds);
                let began = Instant::now();
                for _ in 0..rounds {
                    plugin.summary(Outcome::Single(true)).await.unwrap();
                }
                let summary = began.elapsed().as_secs_f64() * 1e6 / f64::from(rounds);
                println!("{name:20} a call of a hook that asks nobody {summary:6.2} us");
                println!("{name:20} component {component:8.2} us   logic alone natively {native:8.2} us");
            });
        }
    }
}
