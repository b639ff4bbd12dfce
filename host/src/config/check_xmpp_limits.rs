//! The tables of `[xmpp]` that bound what clients can do.

use super::raw::{RawClientLimits, RawLogin, RawResumption, RawTimeouts};
use super::report::At;
use super::{ClientLimits, LoginLimits, Resumption, StanzaLimits, Timeouts};

const MANY: u64 = 1_000_000;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// RFC 6120 section 13.12: no server may allow less.
const LEAST_STANZA: u64 = 10_000;
/// Room for some sessions with queues of their own.
const LEAST_MEMORY: u64 = 16 * MIB;

pub(super) fn limits(raw: RawClientLimits, at: &At<'_>) -> ClientLimits {
    let d = ClientLimits::default();
    let stanza = |key, given, default: StanzaLimits| {
        let bytes = at.size(key, given, default.bytes, LEAST_STANZA..=16 * MIB);
        StanzaLimits { bytes, ..default }
    };
    let bytes = |key, given, default: u32, least| {
        let size = at.size(key, given, usize::try_from(default).unwrap_or(usize::MAX), least..=GIB);
        u32::try_from(size).unwrap_or(u32::MAX)
    };
    ClientLimits {
        connections: at.count("max_connections", raw.max_connections, d.connections, 1..=MANY),
        connections_per_address: at.count(
            "max_connections_per_address",
            raw.max_connections_per_address,
            d.connections_per_address,
            1..=MANY,
        ),
        connections_per_second: at.count(
            "connections_per_second",
            raw.connections_per_second,
            d.connections_per_second,
            0..=MANY,
        ),
        handshakes: at.count("max_handshakes", raw.max_handshakes, d.handshakes, 1..=MANY),
        stanza_before_login: stanza("max_stanza_before_login", raw.max_stanza_before_login, d.stanza_before_login),
        stanza: stanza("max_stanza", raw.max_stanza, d.stanza),
        bytes_per_second: bytes("bytes_per_second", raw.bytes_per_second, d.bytes_per_second, 0),
        bytes_burst: bytes("bytes_burst", raw.bytes_burst, d.bytes_burst, 1),
        stanzas_per_second: at.count("stanzas_per_second", raw.stanzas_per_second, d.stanzas_per_second, 0..=MANY),
        stanzas_burst: at.count("stanzas_burst", raw.stanzas_burst, d.stanzas_burst, 1..=MANY),
        outbound_queue: at.count("outbound_queue", raw.outbound_queue, d.outbound_queue, 1..=MANY),
        outbound_bytes: at.size("outbound_bytes", raw.outbound_bytes, d.outbound_bytes, LEAST_STANZA..=GIB),
        memory: at.size("memory", raw.memory, d.memory, LEAST_MEMORY..=1024 * GIB),
        log_lines_per_address: at.count(
            "log_lines_per_address",
            raw.log_lines_per_address,
            d.log_lines_per_address,
            1..=MANY,
        ),
        log_lines: at.count("log_lines", raw.log_lines, d.log_lines, 1..=MANY),
    }
}

pub(super) fn timeouts(raw: RawTimeouts, at: &At<'_>) -> Timeouts {
    let d = Timeouts::default();
    Timeouts {
        login: at.wait("login", raw.login, d.login),
        stanza: at.wait("stanza", raw.stanza, d.stanza),
        idle: at.wait("idle", raw.idle, d.idle),
        idle_websocket: at.wait("idle_websocket", raw.idle_websocket, d.idle_websocket),
        ping: at.wait("ping", raw.ping, d.ping),
        write: at.wait("write", raw.write, d.write),
        close: at.wait("close", raw.close, d.close),
        shutdown: at.wait("shutdown", raw.shutdown, d.shutdown),
    }
}

pub(super) fn login(raw: RawLogin, at: &At<'_>) -> LoginLimits {
    let d = LoginLimits::default();
    let login = LoginLimits {
        attempts_per_stream: at.count("attempts_per_stream", raw.attempts_per_stream, d.attempts_per_stream, 1..=1000),
        failures_per_address: at.count(
            "failures_per_address",
            raw.failures_per_address,
            d.failures_per_address,
            1..=MANY,
        ),
        failures_per_account: at.count(
            "failures_per_account",
            raw.failures_per_account,
            d.failures_per_account,
            1..=MANY,
        ),
        forgotten_after: at.wait("forgotten_after", raw.forgotten_after, d.forgotten_after),
    };
    if login.failures_per_account <= login.failures_per_address {
        at.key("failures_per_account")
            .warn("is not above failures_per_address: anybody can keep a user out from a single address");
    }
    login
}

pub(super) fn resumption(raw: RawResumption, at: &At<'_>) -> Resumption {
    let d = Resumption::default();
    Resumption {
        window: at.wait_or_zero("window", raw.window, d.window),
        unacknowledged: at.count("unacknowledged", raw.unacknowledged, d.unacknowledged, 1..=MANY),
        unacknowledged_bytes: at.size(
            "unacknowledged_bytes",
            raw.unacknowledged_bytes,
            d.unacknowledged_bytes,
            LEAST_STANZA..=GIB,
        ),
        hibernating: at.count("hibernating", raw.hibernating, d.hibernating, 0..=MANY),
    }
}
