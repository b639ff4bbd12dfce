//! Another Rust server with the plugin in it: its own HTTP client, store, sink and route, and two users. The sample
//! application stands for yours. `cargo run -p roster-host --example embed` shows a change of their rosters, and ends.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::{Router, http::StatusCode, response::IntoResponse, routing::post};
use bytes::Bytes;
use roster_host::config::{ClientConfig, HostConfig};
use roster_host::demo::{DOMAIN, HostAddresses, Stage, WebApp};
use roster_host::http_client::HttpClient;
use roster_host::metrics::Metrics;
use roster_host::model::Username;
use roster_host::plugin::{EngineSize, LoadOptions, Network, PluginEngine, PluginSource, WasmPlugin};
use roster_host::rosters::{Parts, Rosters, SessionId};
use roster_host::sinks::{RosterEvent, RosterSink, Undelivered};
use tokio::time::Instant;

#[path = "embed/client.rs"]
mod client;
#[path = "embed/store.rs"]
mod store;

struct MySink;

#[async_trait]
impl RosterSink for MySink {
    fn name(&self) -> &'static str {
        "embed"
    }

    async fn deliver(&self, event: Arc<RosterEvent>) -> Result<(), Undelivered> {
        println!("{}: {}", event.user, event.name());
        Ok(())
    }
}

/// The refresh route: what to answer is the plugin's to say.
async fn refresh(rosters: Arc<Rosters>, body: Bytes) -> impl IntoResponse {
    match rosters.refresh_request(body, Instant::now() + Duration::from_secs(60)).await {
        Ok(answer) => (StatusCode::from_u16(answer.status).unwrap_or_default(), answer.body),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string().into()),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let application = WebApp::bind("127.0.0.1:0".parse()?, &Arc::new(Stage::new())).await?;
    let host = HostConfig::for_application(DOMAIN, &format!("http://{}/contacts/%s", application.address()))?;

    let metrics = Metrics::new();
    let bytes = PluginSource::configured(None).read().await?; // or Some(path)
    let engine = PluginEngine::new(EngineSize::of(std::slice::from_ref(&host)))?;
    let no_client = HttpClient::new(&ClientConfig::default())?; // may go nowhere
    let options = LoadOptions { host: &host, plugin: &bytes, client: no_client, metrics: Arc::clone(&metrics) };
    let plugin = WasmPlugin::load(&engine, options).await?;
    let plugin = Arc::new(plugin.with_network(Network::Own(Arc::new(client::MyClient::new()))));
    let (store, sinks) = (Arc::new(store::MyStore::default()), vec![Arc::new(MySink) as Arc<dyn RosterSink>]);
    let parts = Parts { domain: DOMAIN.into(), plugin, store, sinks, metrics, owners: None };
    let rosters = Rosters::new(parts, &host.limits, &host.store);

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let http = listener.local_addr()?;
    application.host_is_up(HostAddresses { http, admin: http, upload_token: None });
    let change = format!("http://{}/friends/john/marie", application.address());
    let served = Arc::clone(&rosters);
    let route = post(move |body| refresh(Arc::clone(&served), body));
    tokio::spawn(axum::serve(listener, Router::new().route("/roster_admin/refresh", route)).into_future());
    tokio::spawn(application.serve());

    for user in ["john", "marie"] {
        let roster = rosters.connect(&Username::new(user)?, SessionId::new("phone")).await?;
        println!("{user} has {} contacts", roster.contacts().len());
    }
    println!("{}", client::MyClient::new().delete(&change).await?);
    Ok(())
}
