//! The file as it is written: which tables and keys there are, and the type of each.
//!
//! Nothing is checked here beyond the type, and nothing is filled in. What the keys mean is said in
//! [`model`](super::model) and, for operators, in `roster-host.example.toml`, where a test looks for each of them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;
use toml::Value;

use super::given::{FromValue, Given, Section};
use super::value::{Domain, Filter, Listen, NodeName, SecretText, Settings, Size, Whole};
use super::{LogFormat, Origin};

/// An array whose elements are read one by one.
pub(super) type List<T> = Given<Vec<Given<T>>>;
/// A table with known keys.
pub(super) type Table<T> = Given<Section<T>>;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawConfig {
    pub(super) shutdown_timeout: Given<Duration>,
    pub(super) plugin_cache: Given<PathBuf>,
    pub(super) plugin_cache_size: Given<Size>,
    pub(super) plugin_state: Given<PathBuf>,
    pub(super) compile: Table<RawCompile>,
    pub(super) log: Table<RawLog>,
    pub(super) http: Table<RawHttp>,
    pub(super) admin: Table<RawAdmin>,
    pub(super) sinks: Table<RawSinks>,
    pub(super) xmpp: Table<RawXmpp>,
    pub(super) attach: Table<RawAttach>,
    pub(super) limits: Table<RawProcessLimits>,
    pub(super) host: Given<Hosts>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawProcessLimits {
    pub(super) total_memory: Given<Size>,
}

/// All `[[host]]` tables.
pub(super) struct Hosts(pub(super) Vec<Table<RawHost>>);

impl FromValue for Hosts {
    fn from_value(value: Value) -> Result<Self, String> {
        match value {
            Value::Array(_) => Vec::from_value(value).map(Self),
            Value::Table(_) => Err("write [[host]], with two pairs of brackets: there may be several".into()),
            _ => Err("expected tables that begin with [[host]]".into()),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawCompile {
    pub(super) memory: Given<Size>,
    pub(super) cpu_time: Given<Duration>,
    pub(super) timeout: Given<Duration>,
    pub(super) max_component: Given<Size>,
    pub(super) max_code: Given<Size>,
    pub(super) max_concurrent: Given<Whole>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawLog {
    pub(super) filter: Given<Filter>,
    pub(super) format: Given<LogFormat>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawHttp {
    pub(super) listen: Given<Listen>,
    pub(super) token: Given<SecretText>,
    pub(super) token_file: Given<PathBuf>,
    pub(super) max_body: Given<Size>,
    pub(super) request_timeout: Given<Duration>,
    pub(super) header_timeout: Given<Duration>,
    pub(super) max_connections: Given<Whole>,
    pub(super) max_connections_per_address: Given<Whole>,
    pub(super) connections_per_second: Given<Whole>,
    pub(super) handshakes_per_second: Given<Whole>,
    pub(super) max_handshakes: Given<Whole>,
    pub(super) max_requests: Given<Whole>,
    pub(super) max_requests_per_address: Given<Whole>,
    pub(super) requests_per_second: Given<Whole>,
    pub(super) body_memory: Given<Size>,
    pub(super) overhead_per_second: Given<Whole>,
    pub(super) cors_origins: List<Origin>,
    pub(super) tls: Table<RawTls>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawTls {
    pub(super) listen: Given<SocketAddr>,
    pub(super) certificate: Given<PathBuf>,
    pub(super) key: Given<PathBuf>,
    pub(super) reload_interval: Given<Duration>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawAdmin {
    pub(super) listen: Given<Listen>,
    pub(super) token: Given<SecretText>,
    pub(super) token_file: Given<PathBuf>,
    pub(super) event_buffer: Given<Whole>,
    pub(super) event_buffer_bytes: Given<Size>,
    pub(super) max_streams: Given<Whole>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawSinks {
    pub(super) json_lines: Table<RawJsonLines>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawJsonLines {
    pub(super) path: Given<PathBuf>,
    pub(super) queue: Given<Whole>,
    pub(super) queue_bytes: Given<Size>,
    pub(super) timeout: Given<Duration>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawAttach {
    pub(super) listen: Given<Listen>,
    pub(super) certificate: Given<PathBuf>,
    pub(super) key: Given<PathBuf>,
    pub(super) lease: Given<Duration>,
    pub(super) ack_timeout: Given<Duration>,
    pub(super) keepalive: Given<Duration>,
    pub(super) max_users: Given<Whole>,
    pub(super) max_connections: Given<Whole>,
    pub(super) max_body: Given<Size>,
    pub(super) max_sync_fetches: Given<Whole>,
    pub(super) ring_events: Given<Whole>,
    pub(super) ring_memory: Given<Size>,
    pub(super) node: Given<Nodes>,
}

/// All `[[attach.node]]` tables.
pub(super) struct Nodes(pub(super) Vec<Table<RawNode>>);

impl FromValue for Nodes {
    fn from_value(value: Value) -> Result<Self, String> {
        match value {
            Value::Array(_) => Vec::from_value(value).map(Self),
            Value::Table(_) => Err("write [[attach.node]], with two pairs of brackets: there may be several".into()),
            _ => Err("expected tables that begin with [[attach.node]]".into()),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawNode {
    pub(super) name: Given<NodeName>,
    pub(super) domain: Given<Domain>,
    pub(super) token: Given<SecretText>,
    pub(super) token_file: Given<PathBuf>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawHost {
    pub(super) domain: Given<Domain>,
    pub(super) plugin: Given<PathBuf>,
    pub(super) accounts: Given<PathBuf>,
    pub(super) http_auth_url: Given<SecretText>,
    pub(super) http_auth_cache: Given<Duration>,
    pub(super) settings: Given<Settings>,
    pub(super) client: Table<RawClient>,
    pub(super) limits: Table<RawLimits>,
    pub(super) store: Table<RawStore>,
    pub(super) swap: Table<RawSwap>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawClient {
    pub(super) allow_origins: List<Origin>,
    pub(super) allow_addresses: List<IpNet>,
    pub(super) username: Given<String>,
    pub(super) password: Given<SecretText>,
    pub(super) password_file: Given<PathBuf>,
    pub(super) bearer_token: Given<SecretText>,
    pub(super) bearer_token_file: Given<PathBuf>,
    pub(super) auth_origins: List<Origin>,
    pub(super) ca_file: Given<PathBuf>,
    pub(super) connect_timeout: Given<Duration>,
    pub(super) first_byte_timeout: Given<Duration>,
    pub(super) total_timeout: Given<Duration>,
    pub(super) max_response: Given<Size>,
    pub(super) max_response_head: Given<Size>,
    pub(super) max_response_headers: Given<Whole>,
    pub(super) max_redirects: Given<Whole>,
    pub(super) max_idle_connections: Given<Whole>,
    pub(super) idle_timeout: Given<Duration>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawLimits {
    pub(super) max_concurrent_calls: Given<Whole>,
    pub(super) bulk_users: Given<Whole>,
    pub(super) bulk_wait: Given<Duration>,
    pub(super) call_timeout: Given<Duration>,
    pub(super) queue_timeout: Given<Duration>,
    pub(super) overdue_after: Given<Duration>,
    pub(super) retry_first: Given<Duration>,
    pub(super) retry_longest: Given<Duration>,
    pub(super) max_retries: Given<Whole>,
    pub(super) cpu_time: Given<Duration>,
    pub(super) max_memory: Given<Size>,
    pub(super) reuse_instances: Given<bool>,
    pub(super) max_calls_per_instance: Given<Whole>,
    pub(super) retire_memory: Given<Size>,
    pub(super) max_requests_per_call: Given<Whole>,
    pub(super) max_state: Given<Size>,
    pub(super) max_handles: Given<Whole>,
    pub(super) max_users_per_request: Given<Whole>,
    pub(super) max_log_per_call: Given<Size>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawStore {
    pub(super) max_users: Given<Whole>,
    pub(super) max_bytes: Given<Size>,
    pub(super) max_contacts: Given<Whole>,
    pub(super) grace: Given<Duration>,
    pub(super) stale_if_error: Given<Duration>,
    pub(super) max_age: Given<Duration>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawSwap {
    pub(super) watch: Given<bool>,
    pub(super) queue_timeout: Given<Duration>,
    pub(super) keep: Given<Whole>,
    pub(super) shadow_calls: Given<Whole>,
    pub(super) refuse_different: Given<bool>,
    pub(super) probation_calls: Given<Whole>,
    pub(super) probation_failures: Given<Whole>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawXmpp {
    pub(super) listen: Given<Listen>,
    pub(super) tls_listen: Given<Listen>,
    pub(super) require_encryption: Given<bool>,
    pub(super) allow_unencrypted_plain_auth: Given<bool>,
    pub(super) websocket: Given<bool>,
    pub(super) websocket_behind_tls: Given<bool>,
    pub(super) websocket_url: Given<String>,
    pub(super) max_sessions_per_user: Given<Whole>,
    pub(super) limits: Table<RawClientLimits>,
    pub(super) timeouts: Table<RawTimeouts>,
    pub(super) login: Table<RawLogin>,
    pub(super) resumption: Table<RawResumption>,
    pub(super) certificate: Given<PathBuf>,
    pub(super) key: Given<PathBuf>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawClientLimits {
    pub(super) max_connections: Given<Whole>,
    pub(super) max_connections_per_address: Given<Whole>,
    pub(super) connections_per_second: Given<Whole>,
    pub(super) max_handshakes: Given<Whole>,
    pub(super) max_stanza: Given<Size>,
    pub(super) max_stanza_before_login: Given<Size>,
    pub(super) bytes_per_second: Given<Size>,
    pub(super) bytes_burst: Given<Size>,
    pub(super) stanzas_per_second: Given<Whole>,
    pub(super) stanzas_burst: Given<Whole>,
    pub(super) outbound_queue: Given<Whole>,
    pub(super) outbound_bytes: Given<Size>,
    pub(super) memory: Given<Size>,
    pub(super) log_lines_per_address: Given<Whole>,
    pub(super) log_lines: Given<Whole>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawTimeouts {
    pub(super) login: Given<Duration>,
    pub(super) stanza: Given<Duration>,
    pub(super) idle: Given<Duration>,
    pub(super) idle_websocket: Given<Duration>,
    pub(super) ping: Given<Duration>,
    pub(super) write: Given<Duration>,
    pub(super) close: Given<Duration>,
    pub(super) shutdown: Given<Duration>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawLogin {
    pub(super) attempts_per_stream: Given<Whole>,
    pub(super) failures_per_address: Given<Whole>,
    pub(super) failures_per_account: Given<Whole>,
    pub(super) forgotten_after: Given<Duration>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawResumption {
    pub(super) window: Given<Duration>,
    pub(super) unacknowledged: Given<Whole>,
    pub(super) unacknowledged_bytes: Given<Size>,
    pub(super) hibernating: Given<Whole>,
}
