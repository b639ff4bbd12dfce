//! `[log]`, `[http]`, `[admin]` and `[sinks]`: what belongs to the process and not to one host.

use std::net::SocketAddr;
use std::path::Path;

use super::files::Kind;
use super::given::{Given, Section};
use super::raw::{RawAdmin, RawHttp, RawJsonLines, RawLog, RawSinks, RawTls};
use super::report::{At, twice};
use super::{AdminConfig, HttpConfig, JsonLinesConfig, LogConfig, SinksConfig, TlsConfig};

const MANY: u64 = 1_000_000;
const GIB: u64 = 1 << 30;

/// Checks the tables one by one and then against each other.
pub(super) fn all(
    raw_log: Given<Section<RawLog>>,
    raw_http: Given<Section<RawHttp>>,
    raw_admin: Given<Section<RawAdmin>>,
    raw_sinks: Given<Section<RawSinks>>,
    at: &At<'_>,
) -> (LogConfig, HttpConfig, AdminConfig, SinksConfig) {
    let log = log(at.key("log").section(raw_log).unwrap_or_default(), &at.key("log"));
    let http = http(at.key("http").section(raw_http).unwrap_or_default(), &at.key("http"));
    let admin = admin(at.key("admin").section(raw_admin).unwrap_or_default(), &at.key("admin"));
    let sinks = sinks(at.key("sinks").section(raw_sinks).unwrap_or_default(), &at.key("sinks"));
    no_address_twice(&http, &admin, at);
    (log, http, admin, sinks)
}

fn log(raw: RawLog, at: &At<'_>) -> LogConfig {
    let defaults = LogConfig::default();
    LogConfig {
        filter: at.get("filter", raw.filter).map_or(defaults.filter, |filter| filter.0),
        format: at.get("format", raw.format).unwrap_or(defaults.format),
    }
}

fn http(raw: RawHttp, at: &At<'_>) -> HttpConfig {
    let defaults = HttpConfig::default();
    let no_token = raw.token.is_absent() && raw.token_file.is_absent();
    let no_tls = raw.tls.is_absent();
    let at_tls = at.key("tls");
    let max_body = at.size("max_body", raw.max_body, defaults.max_body, 1..=GIB);
    let body_memory = defaults.body_memory.max(max_body.saturating_mul(2));
    let least = u64::try_from(max_body).unwrap_or(GIB);
    let http = HttpConfig {
        listen: at.get("listen", raw.listen).map_or(defaults.listen, |listen| listen.0),
        token: at.secret("token", raw.token, raw.token_file, Kind::BearerToken),
        max_body,
        request_timeout: at.wait("request_timeout", raw.request_timeout, defaults.request_timeout),
        header_timeout: at.wait("header_timeout", raw.header_timeout, defaults.header_timeout),
        max_connections: at.count("max_connections", raw.max_connections, defaults.max_connections, 1..=MANY),
        max_connections_per_address: at.count(
            "max_connections_per_address",
            raw.max_connections_per_address,
            defaults.max_connections_per_address,
            1..=MANY,
        ),
        connections_per_second: at.count(
            "connections_per_second",
            raw.connections_per_second,
            defaults.connections_per_second,
            0..=MANY,
        ),
        handshakes_per_second: at.count(
            "handshakes_per_second",
            raw.handshakes_per_second,
            defaults.handshakes_per_second,
            0..=MANY,
        ),
        max_handshakes: at.count("max_handshakes", raw.max_handshakes, defaults.max_handshakes, 1..=MANY),
        max_requests: at.count("max_requests", raw.max_requests, defaults.max_requests, 1..=MANY),
        max_requests_per_address: at.count(
            "max_requests_per_address",
            raw.max_requests_per_address,
            defaults.max_requests_per_address,
            1..=MANY,
        ),
        requests_per_second: at.count(
            "requests_per_second",
            raw.requests_per_second,
            defaults.requests_per_second,
            0..=MANY,
        ),
        body_memory: at.size("body_memory", raw.body_memory, body_memory, least..=64 * GIB),
        overhead_per_second: at.count(
            "overhead_per_second",
            raw.overhead_per_second,
            defaults.overhead_per_second,
            0..=MANY,
        ),
        cors_origins: at.list("cors_origins", raw.cors_origins).unwrap_or(defaults.cors_origins),
        tls: at_tls.section(raw.tls).and_then(|raw| tls(raw, &at_tls)),
    };
    if http.listen.is_none() && no_tls {
        at.key("listen").warn("off, and there is no [http.tls]: nothing can ask for a refresh over HTTP");
    }
    if no_token {
        let listeners = [(at, http.listen), (&at_tls, http.tls.as_ref().map(|tls| tls.listen))];
        for (at, address) in listeners {
            if let Some(address) = address.filter(|address| !is_loopback(address)) {
                at.key("listen").warn(format!(
                    "{address} is not a loopback address and there is no http.token: whoever reaches it can ask for \
                     refreshes"
                ));
            }
        }
    }
    http
}

fn tls(raw: RawTls, at: &At<'_>) -> Option<TlsConfig> {
    for (key, given) in [("certificate", &raw.certificate), ("key", &raw.key)] {
        if given.is_absent() {
            at.key(key).problem("is missing");
        }
    }
    // Both looked at before either ends this: each fault is to be told.
    let certificate = at.existing_file("certificate", raw.certificate);
    let key = at.existing_file("key", raw.key);
    let defaults = TlsConfig::new(certificate.clone().unwrap_or_default(), key.clone().unwrap_or_default());
    let tls = TlsConfig {
        listen: at.get("listen", raw.listen).unwrap_or(defaults.listen),
        reload_interval: at.wait("reload_interval", raw.reload_interval, defaults.reload_interval),
        ..defaults
    };
    (certificate.is_some() && key.is_some()).then_some(tls)
}

fn admin(raw: RawAdmin, at: &At<'_>) -> AdminConfig {
    let defaults = AdminConfig::default();
    let no_token = raw.token.is_absent() && raw.token_file.is_absent();
    let admin = AdminConfig {
        listen: at.get("listen", raw.listen).map_or(defaults.listen, |listen| listen.0),
        token: at.secret("token", raw.token, raw.token_file, Kind::BearerToken),
        upload_token: None,
        event_buffer: at.count("event_buffer", raw.event_buffer, defaults.event_buffer, 1..=MANY),
        event_buffer_bytes: at.size(
            "event_buffer_bytes",
            raw.event_buffer_bytes,
            defaults.event_buffer_bytes,
            64 << 10..=GIB,
        ),
        max_streams: at.count("max_streams", raw.max_streams, defaults.max_streams, 1..=MANY),
    };
    if let Some(address) = admin.listen.filter(|address| no_token && !is_loopback(address)) {
        at.key("listen")
            .problem(format!("{address} is not a loopback address: admin.token or admin.token_file is needed"));
    }
    admin
}

fn sinks(raw: RawSinks, at: &At<'_>) -> SinksConfig {
    let at = at.key("json_lines");
    SinksConfig { json_lines: at.section(raw.json_lines).and_then(|raw| json_lines(raw, &at)) }
}

fn json_lines(raw: RawJsonLines, at: &At<'_>) -> Option<JsonLinesConfig> {
    if raw.path.is_absent() {
        at.key("path").problem("is missing");
    }
    let standard_output = matches!(&raw.path, Given::Good(path) if path == Path::new("-"));
    let path = if standard_output { at.get("path", raw.path) } else { at.path("path", raw.path) };
    let defaults = JsonLinesConfig::new(path.clone().unwrap_or_default());
    let lines = JsonLinesConfig {
        queue: at.count("queue", raw.queue, defaults.queue, 1..=MANY),
        queue_bytes: at.size("queue_bytes", raw.queue_bytes, defaults.queue_bytes, 64 << 10..=GIB),
        timeout: at.wait("timeout", raw.timeout, defaults.timeout),
        ..defaults
    };
    let path = path?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !standard_output && !folder.is_dir()) {
        at.key("path").problem(format!("no such folder: {}", folder.display()));
    } else if path.is_dir() {
        at.key("path").problem(format!("is a folder: {}", path.display()));
    }
    Some(lines)
}

fn no_address_twice(http: &HttpConfig, admin: &AdminConfig, at: &At<'_>) {
    let tls = http.tls.as_ref().map(|tls| tls.listen);
    let all = [("http.listen", http.listen), ("http.tls.listen", tls), ("admin.listen", admin.listen)];
    // Port 0 lets the system choose, so there it is no clash.
    let mut seen: Vec<(&str, SocketAddr)> = Vec::new();
    for (key, address) in all {
        let Some(address) = address.filter(|address| address.port() != 0) else { continue };
        match seen.iter().find(|(_, other)| *other == address) {
            Some((first, _)) => {
                key.split('.').fold(at.clone(), |at, part| at.key(part)).problem(twice(&address, first))
            }
            None => seen.push((key, address)),
        }
    }
}

/// Whether only this machine reaches it, written as IPv4 in IPv6 too.
pub(super) fn is_loopback(address: &SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}
