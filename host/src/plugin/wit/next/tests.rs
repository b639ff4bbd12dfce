//! Modules of two versions in one host.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::config::HostConfig;
use crate::http_client::{Deadlines, HttpClient, SendError};
use crate::metrics::Metrics;
use crate::model::{Change, Contact, Contacts, Snapshot, Subscription, Username};
use crate::plugin::{
    BUILT_IN, CallError, EngineSize, FetchError, LoadError, LoadOptions, Network, Outbound, Outcome, PluginEngine,
    PluginSource, Refreshed, RosterPlugin, WasmPlugin,
};
use crate::swap::{self, Swapper};

fn config() -> HostConfig {
    let mut config = HostConfig::for_application("example.com", "http://127.0.0.1:9/%s").unwrap();
    config.limits.max_concurrent_calls = 4;
    config
}

fn engine() -> PluginEngine {
    PluginEngine::new(EngineSize::of(&[config()])).unwrap()
}

fn bytes(name: &str, bytes: &[u8]) -> PluginSource {
    PluginSource::Bytes { name: name.to_owned(), bytes: bytes.into() }
}

fn next() -> PluginSource {
    PluginSource::File(test_guests::NEXT.into())
}

async fn load(engine: &PluginEngine, source: PluginSource) -> Result<WasmPlugin, LoadError> {
    let config = config();
    let plugin = source.read().await?;
    let client = HttpClient::new(&config.client).unwrap();
    WasmPlugin::load(engine, LoadOptions { host: &config, plugin: &plugin, client, metrics: Metrics::new() }).await
}

/// Answers everybody.
struct Application;

#[async_trait]
impl Outbound for Application {
    async fn send(&self, _request: Request<Bytes>, _deadlines: Deadlines) -> Result<Response<Bytes>, SendError> {
        Ok(Response::new(Bytes::from_static(BODY.as_bytes())))
    }
}

const BODY: &str = r#"{"old@localhost":{}}"#;

/// The same behind a socket. Returns where.
async fn listening() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let response = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{BODY}", BODY.len());
                while stream.read(&mut [0; 4096]).await.is_ok_and(|read| read > 0) {
                    stream.write_all(response.as_bytes()).await.unwrap();
                }
            });
        }
    });
    address
}

fn contact(jid: &str, name: Option<&str>, subscription: Subscription) -> Contact {
    Contact { jid: jid.to_owned(), name: name.map(str::to_owned), subscription, ask: false, groups: Vec::new() }
}

/// Version 7 of a roster with two contacts.
fn known() -> Arc<Snapshot> {
    let contacts =
        [contact("old@localhost", None, Subscription::Both), contact("next@localhost", None, Subscription::To)];
    Arc::new(Snapshot::new(7, None, Contacts::pack(&contacts, 10).unwrap()))
}

#[tokio::test(flavor = "multi_thread")]
async fn modules_of_two_versions_serve_side_by_side() {
    let engine = engine();
    let john = Username::new("john").unwrap();
    let old = load(&engine, PluginSource::BuiltIn).await.unwrap();
    let new = load(&engine, next()).await.unwrap();
    assert_eq!((old.wit_version(), new.wit_version()), ("0.1.0", "0.2.0-test"));

    let (old, new) = (
        old.for_rehearsal(Network::Own(Arc::new(Application))),
        new.for_rehearsal(Network::Own(Arc::new(Application))),
    );
    let (from_old, from_new) = tokio::join!(old.fetch(&john), new.fetch(&john));
    assert_eq!(from_old.unwrap().contacts, [contact("old@localhost", None, Subscription::Both)]);
    assert_eq!(from_new.unwrap().contacts, [contact("next@localhost", None, Subscription::Both)]);

    let Refreshed::Changed(delta) = old.refresh(&john, known()).await.unwrap() else { panic!("the roster differs") };
    assert_eq!(delta.changes, [Change::Remove("next@localhost".to_owned())]);
    let Refreshed::Changed(delta) = new.refresh(&john, known()).await.unwrap() else { panic!("the roster differs") };
    let put = Change::Put(contact("next@localhost", Some("after 7"), Subscription::Both));
    assert_eq!(delta.changes, [Change::Remove("old@localhost".to_owned()), put]);

    let nobody = new.fetch(&Username::new("nobody").unwrap()).await.unwrap_err();
    let CallError::Fetch(nobody) = nobody else { panic!("{nobody}") };
    assert_eq!(nobody.error, FetchError::Malformed("there is no such user".to_owned()));
    let users = new.changed_users(Bytes::from_static(b"john marie")).await.unwrap();
    assert_eq!(users.unwrap(), ["john", "marie"]);
    let answer = new.summary(Outcome::Batch { updated: 2, errors: 1, invalid: 0 }).await.unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"2 and 1"[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_host_swaps_to_another_version_and_back() {
    let application = listening().await;
    let config = HostConfig::for_application("example.com", &format!("http://{application}/%s")).unwrap();
    let engine = PluginEngine::new(EngineSize::of(std::slice::from_ref(&config))).unwrap();
    let client = HttpClient::new(&config.client).unwrap();
    let john = Username::new("john").unwrap();
    let swapper = Swapper::start(&engine, &config, client, &Metrics::new(), None).await.unwrap();
    let receipt = swapper.swap("test", next()).await;
    assert_eq!(receipt.outcome, swap::Outcome::Swapped, "{:?}", receipt.reason);
    assert_eq!(swapper.serving().fetch(&john).await.unwrap().contacts.len(), 1);
    let receipt = swapper.swap("test", PluginSource::BuiltIn).await;
    assert_eq!(receipt.outcome, swap::Outcome::Swapped, "{:?}", receipt.reason);
    assert_eq!(swapper.serving().plugin().wit_version(), "0.1.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_for_another_patch_version_is_served_and_for_another_version_is_refused() {
    let engine = engine();
    let later = load(&engine, bytes("later", &renamed("0.1.7"))).await.unwrap();
    assert_eq!(later.wit_version(), "0.1.0");
    for found in ["0.7.0", "9.1.0"] {
        let refused = load(&engine, bytes("other", &renamed(found))).await.err().unwrap().to_string();
        let expected =
            format!("plugin other: it was built for xmpp:roster@{found}; this host serves 0.1.0, 0.2.0-test");
        assert_eq!(refused, expected);
    }
}

/// The built-in plugin with another version of the package's interfaces in their names, of the same length.
fn renamed(version: &str) -> Vec<u8> {
    let mut component = BUILT_IN.to_vec();
    for interface in ["hooks", "store", "types"] {
        let old = format!("xmpp:roster/{interface}@0.1.0").into_bytes();
        let new = format!("xmpp:roster/{interface}@{version}").into_bytes();
        let mut at = 0;
        while let Some(found) = component[at..].windows(old.len()).position(|name| name == old) {
            component[at + found..at + found + old.len()].copy_from_slice(&new);
            at += found + old.len();
        }
    }
    component
}
