//! The tables of `[xmpp]` that bound what clients can do. What they mean, the crate `roster-xmpp` says.

use std::time::Duration;

use crate::config::mistakes::place::At;
use crate::config::table::table;
use crate::config::values::kind::{GIB, MANY, MIB, count, secs, size, wait, wait_or_zero};

/// RFC 6120 section 13.12: no server may allow less.
const LEAST_STANZA: u64 = 10_000;
/// Room for some sessions with queues of their own.
const LEAST_MEMORY: u64 = 16 * MIB;

table! {
    /// What one client, and all together, may take.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct ClientLimits {
        /// Connections at once.
        max_connections: usize = 10_000, count(1..=MANY, "connections");
        /// Of them from one address (of IPv6, from one /64).
        max_connections_per_address: usize = 200, count(1..=MANY, "connections");
        /// From one address, and ten times as many at once, or as many as it may have. More are closed unread. 0: as many as it
        /// likes.
        connections_per_second: u32 = 50, count(0..=MANY, "connections a second");
        /// TLS handshakes under way at once, of which one address may have a quarter. More wait, and one that takes long makes
        /// room.
        max_handshakes: usize = 512, count(1..=MANY, "handshakes");
        /// One stanza. In memory its elements may take eight times as much, and written again, with a declaration at each change of
        /// namespace, it may have twice as much.
        max_stanza: usize = 256_000, size(LEAST_STANZA..=16 * MIB);
        /// One stanza before login.
        max_stanza_before_login: usize = 10_000, size(LEAST_STANZA..=16 * MIB);
        /// What a connection may send in the long run. It is not ended when it sends more, but read more slowly. 0: as much as it
        /// likes.
        bytes_per_second: u32 = 64_000, size(0..=GIB);
        /// What it may send at once.
        bytes_burst: u32 = 512_000, size(1..=GIB);
        /// Stanzas a connection may send in the long run, enforced in the same way. 0: as many as it likes.
        stanzas_per_second: u32 = 100, count(0..=MANY, "stanzas a second");
        /// Stanzas it may send at once.
        stanzas_burst: u32 = 500, count(1..=MANY, "stanzas");
        /// Stanzas that may wait for a client; what one event causes, such as all pushes of one change or the presence of all
        /// contacts at login, counts as one. With more of them its session ends.
        outbound_queue: usize = 1024, count(1..=MANY, "stanzas");
        /// What they may take together, about as on the wire; what one event causes counts for at most 256 kB.
        outbound_bytes: usize = 4_000_000, size(LEAST_STANZA..=GIB);
        /// What all clients together may make the endpoint hold: what waits for them, what they have not acknowledged, the presence
        /// they show, and what was read of stanzas that are not complete. With more, nobody is read from until there is room, and
        /// the greediest lose their sessions: first those whose clients are away, then those that do not read.
        memory: usize = 256 << 20, size(LEAST_MEMORY..=1024 * GIB);
        /// Lines of the log that events of one kind, such as failed logins, may have in a minute because of one address (of IPv6, of
        /// one /64). What is more is counted, and told in one line.
        log_lines_per_address: u32 = 10, count(1..=MANY, "lines a minute");
        /// Lines that events of one kind may have in a minute, whoever causes them; ten times as many for logins that succeed.
        log_lines: u32 = 1_000, count(1..=MANY, "lines a minute");
    }
}

table! {
    /// How long what may take.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Timeouts {
        /// From the connection to the bound resource, TLS included.
        login: Duration = secs(30), wait();
        /// From the first byte of a stanza to its last.
        stanza: Duration = secs(60), wait();
        /// From the last byte of a client to a ping.
        idle: Duration = secs(300), wait();
        /// Over WebSocket, silence in either direction until a ping. A proxy must not cut off sooner; nginx does after 60 s.
        idle_websocket: Duration = secs(45), wait();
        /// From a ping to the end of a session that does not answer it.
        ping: Duration = secs(60), wait();
        /// How long a client may take to read what is written to it, 256 kB at a time.
        write: Duration = secs(60), wait();
        /// How long the server waits for a client to close its stream too.
        close: Duration = secs(3), wait();
        /// For saying goodbye to everybody when the host stops; within `shutdown_timeout`.
        shutdown: Duration = secs(10), wait();
    }
}

table! {
    /// How often a login may fail.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct LoginLimits (check = login) {
        /// Tries on one stream.
        attempts_per_stream: u32 = 3, count(1..=1000, "logins");
        /// Failures from one address (of IPv6, from one /64) before logins from there are turned away for a while. A login that is
        /// under way counts until it succeeds, so this is also how many there can be at once; others wait, for a third of
        /// `timeouts.login` at most.
        failures_per_address: u32 = 20, count(1..=MANY, "logins");
        /// The same with one account's name, from anywhere. It lets strangers keep a user out, so it is best well above the other.
        failures_per_account: u32 = 100, count(1..=MANY, "logins");
        /// In this time so many failures are forgotten, bit by bit.
        forgotten_after: Duration = secs(600), wait();
    }
}

fn login(login: &mut LoginLimits, at: &At<'_>) {
    if login.failures_per_account <= login.failures_per_address {
        at.key("failures_per_account")
            .warn("is not above failures_per_address: anybody can keep a user out from a single address");
    }
}

table! {
    /// Clients that lose their connection come back to their session (XEP-0198).
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Resumption {
        /// How long a session waits for its client. `"0s"`: not at all.
        window: Duration = secs(300), wait_or_zero();
        /// Stanzas kept because a client has not acknowledged them. What comes after them waits; a client that does not acknowledge
        /// any within `timeouts.ping` loses its session.
        unacknowledged: usize = 16_384, count(1..=MANY, "stanzas");
        /// What they may take together, counted as for `limits.outbound_bytes`.
        unacknowledged_bytes: usize = 8_000_000, size(LEAST_STANZA..=GIB);
        /// Sessions that may wait at once. Of the queue of one that does, a sender may fill a quarter, and all of them three; what is
        /// more is refused to its sender.
        hibernating: usize = 5_000, count(0..=MANY, "sessions");
    }
}
