#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use http::StatusCode;
use http::header::{AUTHORIZATION, LOCATION, WWW_AUTHENTICATE};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{IfUnreachable, Registry, RegistryError};
use crate::config::{Artifact, Config, PluginCacheConfig, Secret};
use crate::plugin::Digest;

const COMPONENT: &[u8] = b"a component, as far as anybody here looks";
const LIMIT: u64 = 1000;
const PASSWORD: &str = "hush-hush";
const TOKEN: &str = "t0ken";

/// Which way the registry behaves.
#[derive(Clone, Default)]
struct Ways {
    /// Whom it lets have things: nobody asks, `Basic`, or `Bearer` with tokens from this origin (its own if empty).
    asks: Option<&'static str>,
    realm: String,
    /// Where it keeps components.
    elsewhere: Option<String>,
    manifest: Option<Vec<u8>>,
    component: Option<Vec<u8>>,
    status: Option<StatusCode>,
    delay: Duration,
}

struct Stand {
    origin: String,
    ways: Arc<Mutex<Ways>>,
    /// Path, and what was said of who asks.
    asked: Arc<Mutex<Vec<(String, String)>>>,
    serving: JoinHandle<()>,
}

type Shared = (Arc<Mutex<Ways>>, Arc<Mutex<Vec<(String, String)>>>, String);

impl Stand {
    async fn start(ways: Ways) -> Self {
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", socket.local_addr().unwrap());
        let (ways, asked) = (Arc::new(Mutex::new(ways)), Arc::<Mutex<Vec<_>>>::default());
        let shared: Shared = (Arc::clone(&ways), Arc::clone(&asked), origin.clone());
        let router = Router::new().fallback(answer).with_state(shared);
        let serving = tokio::spawn(async move { axum::serve(socket, router).await.unwrap() });
        Self { origin, ways, asked, serving }
    }

    fn name(&self, version: &str) -> Artifact {
        Artifact::parse(&format!("oci://{}/team/plugin{version}", self.origin.strip_prefix("http://").unwrap()))
            .unwrap()
    }

    fn config(&self) -> Config {
        let mut config = Config::default();
        config.registry.allow_origins = vec![self.origin.parse().unwrap()];
        config.compile.max_component = LIMIT;
        config
    }

    fn asked(&self) -> Vec<(String, String)> {
        std::mem::take(&mut *self.asked.lock())
    }
}

async fn answer(State((ways, asked, own)): State<Shared>, request: Request) -> Response {
    let ways = ways.lock().clone();
    let said = request.headers().get(AUTHORIZATION).map_or("", |value| value.to_str().unwrap()).to_owned();
    let path = request.uri().path().to_owned();
    asked.lock().push((path.clone(), said.clone()));
    tokio::time::sleep(ways.delay).await;
    let response = |status: StatusCode, body: Vec<u8>| {
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        response
    };
    let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("me:{PASSWORD}")));
    if path == "/token" {
        let query = request.uri().query().unwrap_or_default();
        assert!(query.contains("service=reg") && query.contains("scope=repository%3Ateam%2Fplugin%3Apull"), "{query}");
        return match said.is_empty() || said == basic {
            true => response(StatusCode::OK, json!({ "token": TOKEN }).to_string().into_bytes()),
            false => response(StatusCode::UNAUTHORIZED, Vec::new()),
        };
    }
    let wanted = match ways.asks {
        Some("Basic") => Some((basic, "Basic realm=\"reg\"".to_owned())),
        Some(_) => {
            let realm = if ways.realm.is_empty() { &own } else { &ways.realm };
            Some((format!("Bearer {TOKEN}"), format!("Bearer realm=\"{realm}/token\",service=\"reg\"")))
        }
        None => None,
    };
    if let Some((_, challenge)) = wanted.filter(|(wanted, _)| *wanted != said) {
        let mut refused = response(StatusCode::UNAUTHORIZED, Vec::new());
        refused.headers_mut().insert(WWW_AUTHENTICATE, challenge.parse().unwrap());
        return refused;
    }
    if let Some(status) = ways.status {
        return response(status, Vec::new());
    }
    if path.contains("/manifests/") {
        return response(StatusCode::OK, ways.manifest.unwrap_or_else(|| manifest(json!([layer(COMPONENT)]))));
    }
    if let Some(to) = ways.elsewhere {
        let mut redirect = response(StatusCode::TEMPORARY_REDIRECT, Vec::new());
        redirect.headers_mut().insert(LOCATION, format!("{to}{path}?signed=yes").parse().unwrap());
        return redirect;
    }
    response(StatusCode::OK, ways.component.unwrap_or_else(|| COMPONENT.to_vec()))
}

fn layer(bytes: &[u8]) -> Value {
    json!({ "mediaType": "application/wasm", "digest": format!("sha256:{}", Digest::of(bytes)), "size": bytes.len() })
}

fn manifest(layers: Value) -> Vec<u8> {
    let empty =
        json!({ "mediaType": "application/vnd.wasm.config.v0+json", "digest": layer(b"{}")["digest"], "size": 2 });
    let manifest = json!({ "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                           "config": empty, "layers": layers });
    manifest.to_string().into_bytes()
}

fn pinned() -> String {
    format!("@sha256:{}", Digest::of(&manifest(json!([layer(COMPONENT)]))))
}

async fn had(config: &Config, artifact: &Artifact) -> Result<Arc<[u8]>, RegistryError> {
    Registry::new(config).unwrap().component(artifact, LIMIT, IfUnreachable::Fail).await
}

#[tokio::test]
async fn a_plugin_is_had_by_its_tag_and_by_its_digest() {
    let stand = Stand::start(Ways::default()).await;
    for version in [":1.0".to_owned(), pinned(), format!(":1.0{}", pinned())] {
        let bytes = had(&stand.config(), &stand.name(&version)).await.unwrap();
        assert_eq!(&bytes[..], COMPONENT, "{version}");
        let asked = stand.asked();
        let last = version.rsplit([':', '@']).next().unwrap();
        assert!(asked.len() == 2 && asked[0].0.ends_with(last), "{version}: {asked:?}");
    }
}

#[tokio::test]
async fn what_is_not_what_it_should_be_is_refused_and_why_is_said() {
    let other = b"another component".to_vec();
    let large = vec![0; usize::try_from(LIMIT).unwrap() + 1];
    let index = json!({ "schemaVersion": 2, "manifests": [] }).to_string().into_bytes();
    let other_type = json!([{ "mediaType": "text/plain", "digest": layer(b"x")["digest"], "size": 1 }]);
    let wrong = format!("@sha256:{}", "00".repeat(32));
    let small = json!([{ "mediaType": "application/wasm", "digest": layer(&large)["digest"], "size": 1 }]);
    let status = |code: u16| Ways { status: Some(StatusCode::from_u16(code).unwrap()), ..Ways::default() };
    for (ways, version, part, requests) in [
        (Ways::default(), wrong.as_str(), "the manifest is not what it should be", 1),
        (Ways { component: Some(other), ..Ways::default() }, ":1", "the component is not what it should be", 2),
        (
            Ways { manifest: Some(manifest(json!([layer(&large)]))), ..Ways::default() },
            ":1",
            "compile.max_component",
            1,
        ),
        (Ways { manifest: Some(manifest(small)), component: Some(large), ..Ways::default() }, ":1", "1000 bytes", 2),
        (Ways { manifest: Some(index), ..Ways::default() }, ":1", "no manifest", 1),
        (Ways { manifest: Some(b"<html>".to_vec()), ..Ways::default() }, ":1", "no manifest", 1),
        (Ways { manifest: Some(manifest(other_type)), ..Ways::default() }, ":1", "no layer", 1),
        (
            Ways { manifest: Some(manifest(json!([layer(b"x"), layer(b"y")]))), ..Ways::default() },
            ":1",
            "more than one component",
            1,
        ),
        (status(404), ":1", "no such artifact", 1),
        (status(403), ":1", "registry.username", 1),
        (status(500), ":1", "status 500", 1),
    ] {
        let stand = Stand::start(ways).await;
        let error = had(&stand.config(), &stand.name(version)).await.unwrap_err().to_string();
        assert!(error.contains(part), "{part}: {error}");
        assert_eq!(stand.asked().len(), requests, "{part}");
    }
}

#[tokio::test]
async fn nobody_is_asked_who_is_not_on_the_list() {
    let (stand, other) = (Stand::start(Ways::default()).await, Stand::start(Ways::default()).await);
    let mut config = stand.config();
    config.registry.allow_origins = vec![other.origin.parse().unwrap()];
    assert!(matches!(had(&config, &stand.name(":1")).await, Err(RegistryError::NotAllowed)));
    assert!(stand.asked().is_empty());
    // A redirect, and a giver of tokens.
    for ways in [
        Ways { elsewhere: Some(other.origin.clone()), ..Ways::default() },
        Ways { asks: Some("Bearer"), realm: other.origin.clone(), ..Ways::default() },
    ] {
        *stand.ways.lock() = ways;
        let error = had(&stand.config(), &stand.name(":1")).await.unwrap_err();
        assert!(error.to_string().contains("registry.allow_origins") && !error.is_outage(), "{error}");
        assert!(other.asked().is_empty());
        let mut config = stand.config();
        config.registry.allow_origins.push(other.origin.parse().unwrap());
        assert_eq!(&had(&config, &stand.name(":1")).await.unwrap()[..], COMPONENT);
        assert!(!other.asked().is_empty());
    }
}

#[tokio::test]
async fn who_asks_is_said_to_those_who_are_to_know_and_is_in_no_message() {
    let storage = Stand::start(Ways::default()).await;
    let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("me:{PASSWORD}")));
    let token = format!("Bearer {TOKEN}");
    for (asks, known, said) in [
        ("Basic", true, Some(vec!["", &basic, &basic, ""])),
        ("Basic", false, None),
        ("Bearer", true, Some(vec!["", &basic, &token, &token, ""])),
        ("Bearer", false, Some(vec!["", "", &token, &token, ""])),
    ] {
        let ways = Ways { asks: Some(asks), elsewhere: Some(storage.origin.clone()), ..Ways::default() };
        let stand = Stand::start(ways).await;
        let mut config = stand.config();
        config.registry.allow_origins.push(storage.origin.parse().unwrap());
        if known {
            config.registry.username = Some("me".to_owned());
            config.registry.password = Some(Secret::new(PASSWORD));
            config.registry.auth_origins = vec![stand.origin.parse().unwrap()];
        }
        let found = had(&config, &stand.name(":1")).await;
        match (&said, found) {
            (Some(said), Ok(bytes)) => {
                assert_eq!(&bytes[..], COMPONENT, "{asks}");
                let asked: Vec<_> = stand.asked().into_iter().chain(storage.asked()).map(|(_, said)| said).collect();
                assert_eq!(&asked, said, "{asks}");
            }
            (None, Err(error)) => assert!(error.to_string().contains("registry.username"), "{error}"),
            (_, found) => panic!("{asks}, {known}: {found:?}"),
        }
        let shown = format!("{config:?}");
        assert!(!shown.contains(PASSWORD), "{shown}");
    }
}

#[tokio::test]
async fn what_was_had_is_there_when_the_registry_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let stand = Stand::start(Ways::default()).await;
    let mut config = stand.config();
    config.plugin_cache = Some(PluginCacheConfig::new(folder.path().join("cache")));
    let registry = Registry::new(&config).unwrap();
    let (tag, digest) = (stand.name(":1"), stand.name(&pinned()));
    for artifact in [&tag, &digest] {
        registry.component(artifact, LIMIT, IfUnreachable::UseLast).await.unwrap();
    }
    assert_eq!(stand.asked().len(), 4);
    registry.component(&digest, LIMIT, IfUnreachable::Fail).await.unwrap();
    assert_eq!(stand.asked().len(), 0, "a digest is what it was");
    *stand.ways.lock() = Ways { component: Some(b"changed".to_vec()), ..Ways::default() };
    assert!(matches!(registry.component(&tag, LIMIT, IfUnreachable::UseLast).await, Err(RegistryError::Digest { .. })));
    *stand.ways.lock() = Ways { status: Some(StatusCode::NOT_FOUND), ..Ways::default() };
    assert!(matches!(registry.component(&tag, LIMIT, IfUnreachable::UseLast).await, Err(RegistryError::Missing)));
    *stand.ways.lock() = Ways { status: Some(StatusCode::BAD_GATEWAY), ..Ways::default() };
    assert_eq!(&registry.component(&tag, LIMIT, IfUnreachable::UseLast).await.unwrap()[..], COMPONENT);
    stand.serving.abort();
    let _ = stand.serving.await;
    for artifact in [&tag, &digest] {
        assert_eq!(&registry.component(artifact, LIMIT, IfUnreachable::UseLast).await.unwrap()[..], COMPONENT);
    }
    assert!(registry.component(&tag, LIMIT, IfUnreachable::Fail).await.is_err());
    assert!(registry.component(&digest, 3, IfUnreachable::Fail).await.is_err(), "longer than is taken now");
    // Damaged, it is not used.
    for file in std::fs::read_dir(folder.path().join("cache")).unwrap() {
        std::fs::write(file.unwrap().path(), "something else").unwrap();
    }
    assert!(registry.component(&digest, LIMIT, IfUnreachable::UseLast).await.is_err());
}

#[tokio::test]
async fn only_so_many_are_kept_and_only_so_long_is_waited() {
    let folder = tempfile::tempdir().unwrap();
    let stand = Stand::start(Ways::default()).await;
    let mut config = stand.config();
    config.plugin_cache = Some(PluginCacheConfig::new(folder.path().to_owned()));
    let registry = Registry::new(&config).unwrap();
    for n in 0..20 {
        registry.component(&stand.name(&format!(":{n}")), LIMIT, IfUnreachable::UseLast).await.unwrap();
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 16);
    stand.ways.lock().delay = Duration::from_secs(600);
    config.registry.timeout = Duration::from_millis(200);
    let error = had(&config, &stand.name(":1")).await.unwrap_err();
    assert!(error.is_outage(), "{error}");
}
