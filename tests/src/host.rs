//! A host in this process, on ports the system picks, and everything its sinks are told.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use parking_lot::Mutex;
use roster_host::Host;
use roster_host::config::{Config, HostConfig, PluginCacheConfig};
use roster_host::reload::{Mistakes, Source};
use roster_host::rosters::Rosters;
use roster_host::sinks::{RosterEvent, RosterSink, Undelivered};
use roster_host::sockets::{InheritedSockets, Purpose, Sockets};
use roster_host::swap::Swapper;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::client::{self, Response};
use crate::web_app::WebApp;

const HOUR: Duration = Duration::from_secs(3600);

/// The domain that test hosts serve.
pub const DOMAIN: &str = "localhost";

/// A running host. Stops when dropped, and politely with [`TestHost::stop`].
pub struct TestHost {
    /// The refresh route.
    pub http: SocketAddr,
    /// The same over HTTPS, if it is configured.
    pub https: Option<SocketAddr>,
    /// The admin listener.
    pub admin: SocketAddr,
    /// The XMPP endpoint without TLS, if there is one.
    pub xmpp: Option<SocketAddr>,
    /// The same for clients that begin with TLS.
    pub xmpps: Option<SocketAddr>,
    /// Where servers of other make are attached, if they can be.
    pub attach: Option<SocketAddr>,
    /// What was told to sinks.
    pub events: Arc<Events>,
    /// What swaps the first virtual host's plugin.
    pub swapper: Arc<Swapper>,
    /// The first virtual host's rosters.
    pub rosters: Arc<Rosters>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<bool>,
}

/// Remembers every event.
#[derive(Default)]
pub struct Events(Mutex<Vec<Arc<RosterEvent>>>);

#[async_trait]
impl RosterSink for Events {
    fn name(&self) -> &'static str {
        "test"
    }

    async fn deliver(&self, event: Arc<RosterEvent>) -> Result<(), Undelivered> {
        self.0.lock().push(event);
        Ok(())
    }
}

impl Events {
    /// The events of `user` as JSON, without `domain` and `user`.
    pub fn of(&self, user: &str) -> Vec<Value> {
        let all = self.0.lock();
        let own = all.iter().filter(|event| event.user.as_str() == user);
        own.map(|event| {
            let mut value = serde_json::to_value(&**event).unwrap();
            let object = value.as_object_mut().unwrap();
            object.remove("domain");
            object.remove("user");
            value
        })
        .collect()
    }

    /// The changes of `user`'s roster so far, one after another.
    pub fn changes_of(&self, user: &str) -> Vec<Value> {
        let changed = self.of(user).into_iter().filter(|event| event["event"] == "changed");
        changed.flat_map(|event| event["changes"].as_array().cloned().unwrap()).collect()
    }
}

/// Where compiled plugins are kept, beside the tests' executables: compiling one takes most of a second.
fn compiled() -> PluginCacheConfig {
    PluginCacheConfig::new(std::env::current_exe().unwrap().with_file_name("compiled-plugins"))
}

/// A configuration for `app` with the plugin that is built in, and short deadlines.
pub fn config(app: &WebApp) -> Config {
    let mut host = HostConfig::for_application(DOMAIN, &app.roster_url()).unwrap();
    host.settings.insert("api_url".into(), app.api_url());
    host.client.connect_timeout = Duration::from_millis(500);
    host.client.first_byte_timeout = Duration::from_millis(700);
    host.client.total_timeout = Duration::from_millis(1000);
    host.limits.call_timeout = Duration::from_millis(3000);
    // What the host does by itself would be among what a test counts.
    (host.limits.retry_first, host.limits.retry_longest) = (HOUR, HOUR);
    let mut config = Config { hosts: vec![host], plugin_cache: Some(compiled()), ..Config::default() };
    let any = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    (config.http.listen, config.admin.listen) = (any, any);
    config.shutdown_timeout = Duration::from_secs(5);
    config
}

/// The same with the plugin that misbehaves.
pub fn hostile_config(app: &WebApp) -> Config {
    let mut config = config(app);
    let host = &mut config.hosts[0];
    host.plugin = Some(PathBuf::from(crate::HOSTILE_GUEST).into());
    host.settings.insert("allowed".into(), app.address().to_string());
    // Nobody listens on the discard port, and it is not allowed either.
    host.settings.insert("forbidden".into(), "127.0.0.1:9".into());
    host.limits.cpu_time = Duration::from_millis(200);
    host.limits.max_memory = 32 << 20;
    host.limits.retire_memory = 8 << 20;
    config
}

impl TestHost {
    /// A host for `app` as [`config`] has it.
    pub async fn start(app: &WebApp) -> Self {
        Self::with(config(app)).await
    }

    /// A host with this configuration.
    pub async fn with(config: Config) -> Self {
        Self::from(config, None).await
    }

    /// A host that reads its configuration from `source`, at the start and at each reload.
    pub async fn reading(source: Source) -> Self {
        let config = source().unwrap_or_else(|Mistakes(mistakes)| panic!("{mistakes:?}"));
        Self::from(config, Some(source)).await
    }

    async fn from(config: Config, source: Option<Source>) -> Self {
        let events = Arc::new(Events::default());
        let sinks = vec![Arc::clone(&events) as Arc<dyn RosterSink>];
        let sockets = Sockets::open(Purpose::wanted(&config), InheritedSockets::default()).await.unwrap();
        let host = Host::start_reading(sockets, &config, sinks, source).await.unwrap();
        let listening = host.listening();
        let (http, admin) = (listening.refresh_http.unwrap(), listening.admin.unwrap());
        let (https, attach) = (listening.refresh_https, listening.attach);
        let xmpp = host.xmpp().and_then(|xmpp| xmpp.address(false));
        let xmpps = host.xmpp().and_then(|xmpp| xmpp.address(true));
        let rosters = Arc::clone(&host.rosters()[0]);
        let swapper = Arc::clone(&host.swappers()[0]);
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            host.serve(async {
                // A sender that is gone means the same.
                let _ = stopped.await;
            })
            .await
        });
        Self { http, https, admin, xmpp, xmpps, attach, events, swapper, rosters, stop: Some(stop), task }
    }

    /// Posts `body` to the refresh route.
    pub async fn post(&self, body: impl AsRef<[u8]>) -> Response {
        client::post(self.http, "/roster_admin/refresh", body).await
    }

    /// Refreshes these users and checks that the host says it went well.
    pub async fn refresh(&self, users: &[&str]) -> Response {
        let response = self.post(json!(users).to_string()).await;
        assert_eq!((response.status, &response.json()["errors"]), (200, &json!(0)), "{}", response.text());
        response
    }

    /// `user` connects; the roster must arrive.
    pub async fn connect(&self, user: &str) {
        let response = self.try_connect(user).await;
        assert_eq!(response.status, 200, "{user}: {}", response.text());
    }

    /// `user` connects.
    pub async fn try_connect(&self, user: &str) -> Response {
        client::request(self.admin, "PUT", &format!("/sessions/{user}"), &[], &[]).await
    }

    /// All sessions of `user` leave.
    pub async fn disconnect(&self, user: &str) {
        let response = client::request(self.admin, "DELETE", &format!("/sessions/{user}"), &[], &[]).await;
        assert_eq!(response.status, 204, "{user}: {}", response.text());
    }

    /// What is cached of `user`; `None` if nothing is.
    pub async fn cached(&self, user: &str) -> Option<Value> {
        let response = client::get(self.admin, &format!("/rosters/{user}")).await;
        match response.status {
            200 => Some(response.json()),
            404 => None,
            status => panic!("{status}: {}", response.text()),
        }
    }

    /// The contacts cached of `user`.
    pub async fn contacts(&self, user: &str) -> Vec<Value> {
        self.cached(user).await.expect("a roster is cached")["contacts"].as_array().unwrap().clone()
    }

    /// The JIDs of the contacts cached of `user`.
    pub async fn jids(&self, user: &str) -> Vec<String> {
        self.contacts(user).await.iter().map(|contact| contact["jid"].as_str().unwrap().to_owned()).collect()
    }

    /// The version cached of `user`.
    pub async fn version(&self, user: &str) -> u64 {
        self.cached(user).await.expect("a roster is cached")["version"].as_u64().unwrap()
    }

    /// The value of a metric's line that begins with `line`.
    pub async fn metric(&self, line: &str) -> Option<f64> {
        let text = client::get(self.admin, "/metrics").await.text();
        text.lines().find_map(|found| found.strip_prefix(line)?.trim().parse().ok())
    }

    /// Stops as after SIGTERM. True if everything that ran was finished in time.
    pub async fn stop(mut self) -> bool {
        drop(self.stop.take());
        (&mut self.task).await.unwrap()
    }

    /// Begins to stop, without waiting for it.
    pub fn begin_stop(&mut self) {
        drop(self.stop.take());
    }
}

impl Drop for TestHost {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Waits until `condition` holds; panics after half a minute.
pub async fn until<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let began = Instant::now();
    while !condition().await {
        assert!(began.elapsed() < Duration::from_secs(30), "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
