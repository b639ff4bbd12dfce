//! The top of the file, and the tables that belong to the process and not to one host.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{
    AdminConfig, AttachConfig, ClusterConfig, CompileConfig, HostConfig, HttpConfig, PluginCacheConfig, RegistryConfig,
    XmppConfig,
};
use super::{XmppCertificate, attach, compile, host, http, registry, xmpp};
use crate::config::mistakes::place::At;
use crate::config::table::{inner, optional, several, table};
use crate::config::values::kind::{
    GIB, MANY, MIB, choice, count, filter, folder_or_off, path_or_dash, secs, size, wait,
};

table! {
    /// Everything the operator can set.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Config (check = check) {
        /// How long running refreshes may take to finish after SIGTERM or SIGINT.
        shutdown_timeout: Duration = secs(30), wait();
        /// Where compiled plugins are kept, for a faster start. `None`: nowhere.
        plugin_cache: Option<PluginCacheConfig> = None, compile::CacheKeys;
        /// A folder that keeps the plugin which served well last, one for each virtual host, for a start at which the configured
        /// one cannot be used. It is made if it is not there, and nobody else may be able to write to it.
        plugin_state: Option<PathBuf> = None, folder_or_off();
        /// `[compile]`: what compiling a plugin may cost.
        compile: CompileConfig = CompileConfig::default(), inner();
        /// `[log]`
        log: LogConfig = LogConfig::default(), inner();
        /// `[http]`: the refresh route.
        http: HttpConfig = HttpConfig::default(), inner();
        /// `[admin]`: health, metrics, cached rosters, sessions.
        admin: AdminConfig = AdminConfig::default(), inner();
        /// `[sinks]`: who is told of roster changes.
        sinks: SinksConfig = SinksConfig::default(), inner();
        /// `[xmpp]`: the endpoint that people's clients log in to. `None`: there is none.
        xmpp: Option<XmppConfig> = None, optional();
        /// `[attach]`: servers of other make. `None`: there are none.
        attach: Option<AttachConfig> = None, optional();
        /// `[cluster]`: other hosts that serve the same virtual hosts. `None`: there are none.
        cluster: Option<ClusterConfig> = None, optional();
        /// `[registry]`: where plugins may be had from that are no files.
        registry: RegistryConfig = RegistryConfig::default(), inner();
        /// `[limits]`: what all plugins may use together.
        limits: ProcessLimits = ProcessLimits::default(), inner();
        /// `[[host]]`: the virtual hosts, at least one, domains unique. The first serves requests whose `Host` header names none of
        /// them.
        hosts as "host": Vec<HostConfig> = Vec::new(), several("[[host]]");
    }
    beside {
        /// What is allowed but probably not meant, one line each, for the log.
        warnings: Vec<String> = Vec::new();
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

fn check(config: &mut Config, at: &At<'_>) {
    let taken = http::no_address_twice(config, at);
    host::all(&config.hosts, config.plugin_state.is_some(), &at.key("host"));
    registry::beside_hosts(&config.registry, &config.hosts, config.plugin_cache.is_some(), &at.key("host"));
    if let Some(xmpp) = &config.xmpp {
        xmpp::beside_http(xmpp, &config.http, &at.key("xmpp"));
    }
    if let Some(attach) = &mut config.attach {
        attach::beside_others(attach, &config.hosts, &taken, &at.key("attach"));
    }
    for (index, host) in config.hosts.iter().enumerate() {
        instance_fits(&config.limits, host, &at.key("host").index(index));
        body_fits(&config.http, host, index, at);
    }
}

/// An instance that may have more memory than all together never gets it.
fn instance_fits(limits: &ProcessLimits, host: &HostConfig, at: &At<'_>) {
    let (one, all) = (host.limits.max_memory, limits.total_memory);
    if one > all {
        at.keys("limits.max_memory").warn(format!(
            "{one} bytes for one instance are more than all may have together, which is {all} (limits.total_memory)"
        ));
    }
}

/// What the refresh route takes, a plugin should be able to read.
fn body_fits(http: &HttpConfig, host: &HostConfig, index: usize, at: &At<'_>) {
    /// Memory that a plugin needs for each byte of a request body, at most: of JSON in which each name has three bytes, the
    /// built-in one takes twenty.
    const MEMORY_PER_BYTE: usize = 32;
    let (body, memory) = (http.max_body, host.limits.max_memory);
    let fits = memory / MEMORY_PER_BYTE;
    if body > fits {
        at.keys("http.max_body").warn(format!(
            "a plugin may need {MEMORY_PER_BYTE} bytes of memory for each byte of a body, so that \
             host[{index}].limits.max_memory ({memory} bytes) is enough for bodies of {fits} bytes and not for {body}: \
             longer ones may be refused with 413 although they were taken"
        ));
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

table! {
    /// The log, on standard error.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct LogConfig {
        /// Which lines: a level (`error`, `warn`, `info`, `debug`, `trace`), and levels of parts, as in
        /// `info,roster_host::plugin=debug`. `debug` and `trace` by themselves are for the host's own parts; libraries stay at
        /// `info` unless they are named, as in `debug,hyper=debug`.
        filter: String = "info".into(), filter();
        /// `text` for people, `json` for one JSON object a line.
        format: LogFormat = LogFormat::Text, choice(&[("text", LogFormat::Text), ("json", LogFormat::Json)]);
    }
}

table! {
    /// What all plugins may use together.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct ProcessLimits {
        /// Memory that the instances of all plugins may hold together, with the responses that they read: by default eight
        /// instances as large as one may be, or some hundreds of the built-in plugin's. Half of it is set aside in equal shares for
        /// the virtual hosts, the other half is for whoever needs more. Idle instances are dropped to make room; a call that finds
        /// none waits for it, for `host.limits.queue_timeout` at most.
        total_memory: usize = 1 << 30, size(MIB..=1024 * GIB);
    }
}

table! {
    /// Who is told of roster changes, besides `/events`.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct SinksConfig {
        /// `[sinks.json_lines]`
        json_lines: Option<JsonLinesConfig> = None, optional();
    }
}

table! {
    /// One JSON object a line for every roster event. Off without this table.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct JsonLinesConfig (check = json_lines) {
        /// A file to append to, or `-` for standard output.
        path: PathBuf = PathBuf::new(), path_or_dash().required();
        /// Events waiting to be written.
        queue: usize = 1024, count(1..=MANY, "events");
        /// What these may take together; one that is larger waits alone.
        queue_bytes: usize = 16 << 20, size(64 << 10..=GIB);
        /// How long a refresh waits for room in a full queue before the event is dropped, counted and logged.
        timeout: Duration = secs(1), wait();
    }
}

impl JsonLinesConfig {
    /// Lines to `path` and the defaults for the rest.
    pub fn new(path: PathBuf) -> Self {
        Self { path, ..Self::default() }
    }
}

fn json_lines(lines: &mut JsonLinesConfig, at: &At<'_>) {
    let path = &lines.path;
    if path == Path::new("-") {
        return;
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        at.key("path").problem(format!("no such folder: {}", folder.display()));
    } else if path.is_dir() {
        at.key("path").problem(format!("is a folder: {}", path.display()));
    }
}
