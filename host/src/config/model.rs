//! The checked configuration, part by part.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::{
    AccountsConfig, AdminConfig, AttachConfig, CompileConfig, HttpConfig, Origin, OriginError, PluginCacheConfig,
    ProcessLimits, Secret, XmppCertificate, XmppConfig,
};

/// Everything the operator can set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `[log]`
    pub log: LogConfig,
    /// `[http]`: the refresh route.
    pub http: HttpConfig,
    /// `[admin]`: health, metrics, cached rosters, sessions.
    pub admin: AdminConfig,
    /// `[sinks]`: who is told of roster changes.
    pub sinks: SinksConfig,
    /// `[xmpp]`: the endpoint that people's clients log in to. `None`: there is none.
    pub xmpp: Option<XmppConfig>,
    /// `[attach]`: servers of other make. `None`: there are none.
    pub attach: Option<AttachConfig>,
    /// `[limits]`: what all plugins may use together.
    pub limits: ProcessLimits,
    /// `[[host]]`: the virtual hosts, at least one, domains unique. The first serves requests whose `Host` header
    /// names none of them.
    pub hosts: Vec<HostConfig>,
    /// `shutdown_timeout`: how long running refreshes may take to finish after SIGTERM, default 30 s.
    pub shutdown_timeout: Duration,
    /// `plugin_cache` and `plugin_cache_size`: where compiled plugins are kept. `None`, the default: nowhere.
    pub plugin_cache: Option<PluginCacheConfig>,
    /// `[compile]`: what compiling a plugin may cost.
    pub compile: CompileConfig,
    /// `plugin_state`: a folder where the plugin that served well last is kept, one for each virtual host, for a start at which
    /// the configured one cannot be used. `None`, the default: nowhere.
    pub plugin_state: Option<PathBuf>,
    /// What is allowed but probably not meant, one line each, for the log.
    pub warnings: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            log: LogConfig::default(),
            http: HttpConfig::default(),
            admin: AdminConfig::default(),
            sinks: SinksConfig::default(),
            xmpp: None,
            attach: None,
            limits: ProcessLimits::default(),
            hosts: Vec::new(),
            shutdown_timeout: Duration::from_secs(30),
            plugin_cache: None,
            compile: CompileConfig::default(),
            plugin_state: None,
            warnings: Vec::new(),
        }
    }
}

impl Config {
    /// No listener for HTTPS. XMPP clients are still shown its certificate.
    pub fn https_off(&mut self) {
        let tls = self.http.tls.take();
        if let (Some(tls), Some(xmpp)) = (tls, &mut self.xmpp)
            && xmpp.certificate == XmppCertificate::OfHttp
        {
            xmpp.certificate = XmppCertificate::Files { certificate: tls.certificate, key: tls.key };
        }
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// `[log]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// A `tracing` filter, such as `info` or `info,roster_host::plugin=debug`.
    pub filter: String,
    /// See [`LogFormat`].
    pub format: LogFormat,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { filter: "info".into(), format: LogFormat::Text }
    }
}

/// `[sinks]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SinksConfig {
    /// `[sinks.json_lines]`
    pub json_lines: Option<JsonLinesConfig>,
}

/// `[sinks.json_lines]`: one JSON object a line for every roster event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonLinesConfig {
    /// `path`: a file to append to, or `-` for standard output.
    pub path: PathBuf,
    /// `queue`: events waiting to be written, default 1024.
    pub queue: usize,
    /// `queue_bytes`: what these may take together, default 16 MiB; one that is larger waits alone.
    pub queue_bytes: usize,
    /// `timeout`: how long a refresh waits for room in a full queue before the event is dropped, counted and
    /// logged; default 1 s.
    pub timeout: Duration,
}

impl JsonLinesConfig {
    /// Lines to `path` and the defaults for the rest.
    pub fn new(path: PathBuf) -> Self {
        Self { path, queue: 1024, queue_bytes: 16 << 20, timeout: Duration::from_secs(1) }
    }
}

/// `[[host]]`: one XMPP domain.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct HostConfig {
    /// `domain`, normalised.
    pub domain: String,
    /// `plugin`: the component to run. `None`: the one built in.
    pub plugin: Option<PathBuf>,
    /// `accounts` or `http_auth_url`: who may log in to the XMPP endpoint. `None`: nobody.
    pub accounts: Option<AccountsConfig>,
    /// `[host.settings]`: what the plugin reads through `wasi:config/store`, `http_roster_url` first.
    pub settings: BTreeMap<String, String>,
    /// `[host.client]`
    pub client: ClientConfig,
    /// `[host.limits]`
    pub limits: LimitsConfig,
    /// `[host.store]`
    pub store: StoreConfig,
    /// `[host.swap]`
    pub swap: SwapConfig,
}

impl HostConfig {
    /// The virtual host for `domain` whose application answers at `http_roster_url`, and the defaults for the rest.
    /// Requests may go to that URL's origin and nowhere else.
    pub fn for_application(domain: &str, http_roster_url: &str) -> Result<Self, OriginError> {
        let origin = Origin::of_url(http_roster_url)?;
        let client =
            ClientConfig { allow_origins: vec![origin.clone()], auth_origins: vec![origin], ..ClientConfig::default() };
        let settings = BTreeMap::from([("http_roster_url".to_owned(), http_roster_url.to_owned())]);
        // What is no domain is refused with a message when the host starts.
        let domain = roster_jid::domainpart(domain).map_or_else(|_| domain.to_owned(), Cow::into_owned);
        Ok(Self { domain, settings, client, ..Self::default() })
    }
}

/// Shows which settings there are and not their values: a plugin's setting may hold a key.
impl fmt::Debug for HostConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostConfig")
            .field("domain", &self.domain)
            .field("plugin", &self.plugin)
            .field("accounts", &self.accounts)
            .field("settings", &self.settings.keys())
            .field("client", &self.client)
            .field("limits", &self.limits)
            .field("store", &self.store)
            .field("swap", &self.swap)
            .finish()
    }
}

/// How the host proves to the application who it is. The plugin never sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// `username` and `password` or `password_file`: RFC 7617.
    Basic {
        /// The user-id.
        username: String,
        /// The password.
        password: Secret,
    },
    /// `bearer_token` or `bearer_token_file`: RFC 6750.
    Bearer(Secret),
}

/// `[host.client]`: the HTTP client that asks the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientConfig {
    /// `allow_origins`: where the plugin may send requests, as origins (`https://app.example.org`,
    /// `http://127.0.0.1:8000`). Default: the origin of the setting `http_roster_url`.
    pub allow_origins: Vec<Origin>,
    /// `allow_addresses`: networks in CIDR notation that an allowed name may resolve to although they are
    /// link-local, metadata, multicast or unspecified addresses.
    pub allow_addresses: Vec<ipnet::IpNet>,
    /// `auth`: sent to the origin of `http_roster_url` (`auth_origins`, when set, instead) and to no other.
    pub auth: Option<ClientAuth>,
    /// `auth_origins`: origins that get `auth`. Default: the origin of `http_roster_url`.
    pub auth_origins: Vec<Origin>,
    /// `ca_file`: PEM certificates to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// `connect_timeout`: DNS, TCP and TLS together, default 5 s.
    pub connect_timeout: Duration,
    /// `first_byte_timeout`: from the request sent to the head of the response, default 10 s.
    pub first_byte_timeout: Duration,
    /// `total_timeout`: a whole exchange, redirects included, default 15 s.
    pub total_timeout: Duration,
    /// `max_response`: the longest response body, and what all responses of one call may have together; bytes,
    /// default 10 MiB.
    pub max_response: usize,
    /// `max_response_head`: the longest head of a response, bytes, default 64 KiB.
    pub max_response_head: usize,
    /// `max_response_headers`: the most header fields of a response, default 1000.
    pub max_response_headers: usize,
    /// `max_redirects`: followed only to allowed origins; default 0: a redirect is an answer with another status than 200.
    pub max_redirects: usize,
    /// `max_idle_connections`: kept open to one origin, default 64.
    pub max_idle_connections: usize,
    /// `idle_timeout`: how long an unused connection is kept, default 30 s.
    pub idle_timeout: Duration,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            allow_origins: Vec::new(),
            allow_addresses: Vec::new(),
            auth: None,
            auth_origins: Vec::new(),
            ca_file: None,
            connect_timeout: Duration::from_secs(5),
            first_byte_timeout: Duration::from_secs(10),
            total_timeout: Duration::from_secs(15),
            max_response: 10 << 20,
            max_response_head: 64 << 10,
            max_response_headers: 1000,
            max_redirects: 0,
            max_idle_connections: 64,
            idle_timeout: Duration::from_secs(30),
        }
    }
}

/// `[host.limits]`: what one call of the plugin may cost, and how many run at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitsConfig {
    /// `max_concurrent_calls`: calls of the plugin at once, default 64.
    pub max_concurrent_calls: usize,
    /// `bulk_users`: users that one request to the application may name, for a plugin that can ask for many at once; default 500.
    /// Below 2: each is asked for alone.
    pub bulk_users: usize,
    /// `bulk_wait`: how long a user waits at most for others to be asked for together, while a request is under way; default 5 ms.
    pub bulk_wait: Duration,
    /// `call_timeout`: wall clock of one call, all requests for a roster and waiting for the application included; default 20 s.
    pub call_timeout: Duration,
    /// `queue_timeout`: how long a user's update waits for its turn before it is given up, default 20 s.
    pub queue_timeout: Duration,
    /// `overdue_after`: an update that has not ended so long after its request began no longer holds up whoever asks later: they
    /// get a request of their own. Each that is still open doubles it; default 1 s.
    pub overdue_after: Duration,
    /// `retry_first`: how soon the application is asked again for the roster of somebody who is connected, when it failed;
    /// default 1 s. Each further failure doubles it.
    pub retry_first: Duration,
    /// `retry_longest`: the longest wait between two such requests for one user, default 1 min.
    pub retry_longest: Duration,
    /// `max_retries`: such requests at once, for all users, default 8.
    pub max_retries: usize,
    /// `cpu_time`: time one call may compute, default 2 s.
    pub cpu_time: Duration,
    /// `max_memory`: linear memory of one instance, bytes, default 128 MiB.
    pub max_memory: usize,
    /// `reuse_instances`: keep instances warm between calls. `false`: a fresh instance for every call, 3 to 4 times
    /// slower, where isolation between users matters more. Default true.
    pub reuse_instances: bool,
    /// `max_calls_per_instance`: a warm instance is retired after about this many calls (jittered), default 1000.
    pub max_calls_per_instance: u32,
    /// `retire_memory`: a warm instance whose memory has grown past this many bytes is retired, default 16 MiB.
    pub retire_memory: usize,
    /// `max_requests_per_call`: HTTP requests for one roster, default 16.
    pub max_requests_per_call: u32,
    /// `max_state`: what a plugin hands from one request for a roster to the next, bytes, default 1 MiB.
    pub max_state: usize,
    /// `max_handles`: resources (streams, requests, ...) one instance may hold, default 256.
    pub max_handles: usize,
    /// `max_users_per_request`: users that the body of one refresh request may name, default 100,000.
    pub max_users_per_request: usize,
    /// `max_log_per_call`: bytes of the plugin's standard error that reach the log per call, default 8 KiB.
    pub max_log_per_call: usize,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            max_concurrent_calls: 64,
            bulk_users: 500,
            bulk_wait: Duration::from_millis(5),
            call_timeout: Duration::from_secs(20),
            queue_timeout: Duration::from_secs(20),
            overdue_after: Duration::from_secs(1),
            retry_first: Duration::from_secs(1),
            retry_longest: Duration::from_secs(60),
            max_retries: 8,
            cpu_time: Duration::from_secs(2),
            max_memory: 128 << 20,
            reuse_instances: true,
            max_calls_per_instance: 1000,
            retire_memory: 16 << 20,
            max_requests_per_call: 16,
            max_state: 1 << 20,
            max_handles: 256,
            max_users_per_request: 100_000,
            max_log_per_call: 8 << 10,
        }
    }
}

/// `[host.store]`: the memory store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreConfig {
    /// `max_users`: cached rosters, default 1,000,000.
    pub max_users: usize,
    /// `max_bytes`: what the cached rosters may take together, default 1 GiB.
    pub max_bytes: usize,
    /// `max_contacts`: contacts of one roster, default 100,000; a longer one is an error.
    pub max_contacts: usize,
    /// `grace`: how long a roster stays cached after the user's last session left, default 60 s.
    pub grace: Duration,
    /// `stale_if_error`: how old a roster may be that is served when the application cannot be asked, default 1 h. Zero: no
    /// such roster is kept.
    pub stale_if_error: Duration,
    /// `max_age`: how long ago the application may have confirmed the roster of somebody who is connected before it is asked
    /// again, for applications whose refresh requests may get lost. `None`, the default: for ever.
    pub max_age: Option<Duration>,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            max_users: 1_000_000,
            max_bytes: 1 << 30,
            max_contacts: 100_000,
            grace: Duration::from_secs(60),
            stale_if_error: Duration::from_secs(3600),
            max_age: None,
        }
    }
}

/// `[host.swap]`: how another plugin takes over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwapConfig {
    /// `watch`: swap by itself when the file of `plugin` changes. Default true.
    pub watch: bool,
    /// `queue_timeout`: how long a swap waits for another of the same virtual host to end before it is refused, default 60 s.
    pub queue_timeout: Duration,
    /// `keep`: generations kept beside the one that serves, for a rollback; default 3.
    pub keep: usize,
    /// `shadow_calls`: the latest calls of each hook that are remembered, to be made again in a new module before it takes
    /// over; default 8, 0 for none.
    pub shadow_calls: usize,
    /// `refuse_different`: a module that does other than the one that serves in one of them is refused. Default false: it is
    /// counted in the receipt.
    pub refuse_different: bool,
    /// `probation_calls`: the first calls of a new generation are watched, and made again on the one before if they fail;
    /// default 200, 0 for none.
    pub probation_calls: u32,
    /// `probation_failures`: with one more of them failed the generation before is put back; default 3.
    pub probation_failures: u32,
}

impl Default for SwapConfig {
    fn default() -> Self {
        Self {
            watch: true,
            queue_timeout: Duration::from_secs(60),
            keep: 3,
            shadow_calls: 8,
            refuse_different: false,
            probation_calls: 200,
            probation_failures: 3,
        }
    }
}
