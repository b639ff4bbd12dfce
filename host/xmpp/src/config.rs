//! What an operator can set, with defaults.

use std::net::SocketAddr;
use std::time::Duration;

use crate::stream::StanzaLimits;

/// Everything about an endpoint but its certificate, domains and accounts.
#[derive(Clone, Debug)]
pub struct EndpointConfig {
    /// Where clients connect and begin without TLS; STARTTLS is offered if there is a certificate. Default: none.
    pub listen: Vec<SocketAddr>,
    /// Where clients connect and begin with TLS (XEP-0368). Default: none.
    pub listen_tls: Vec<SocketAddr>,
    /// Whether a client has to be on TLS to log in. Default: true.
    pub require_encryption: bool,
    /// Whether a password may cross a connection without TLS. Only of use where encryption is not required. Default: false.
    pub allow_unencrypted_plain_auth: bool,
    /// The URL that `/.well-known/host-meta` gives (XEP-0156). Default: that of the domain, the one asked if it is
    /// served here.
    pub websocket_url: Option<String>,
    /// Whether the process can do with one connection more; asked before each, and refused if not. Default: always.
    pub has_room: fn() -> bool,
    /// Limits on clients.
    pub limits: ClientLimits,
    /// Deadlines.
    pub timeouts: Timeouts,
    /// Logins.
    pub login: LoginLimits,
    /// Stream management (XEP-0198).
    pub resumption: Resumption,
}

impl Default for EndpointConfig {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            listen_tls: Vec::new(),
            require_encryption: true,
            allow_unencrypted_plain_auth: false,
            websocket_url: None,
            has_room: || true,
            limits: ClientLimits::default(),
            timeouts: Timeouts::default(),
            login: LoginLimits::default(),
            resumption: Resumption::default(),
        }
    }
}

/// What one client, and all together, may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientLimits {
    /// Connections at once. Default: 10,000.
    pub connections: usize,
    /// Connections at once from one address (of IPv6, from one /64). Default: 200.
    pub connections_per_address: usize,
    /// Connections from one address (of IPv6, from one /64) per second in the long run, and ten times as many at once, or as
    /// many as it may have; more are closed unread. Zero: as many as it likes. Default: 50.
    pub connections_per_second: u32,
    /// TLS handshakes under way at once, of which one address may have a quarter; more wait, and one that takes long makes room.
    /// Default: 512.
    pub handshakes: usize,
    /// One stanza before login. Default: 10 kB, 16 deep.
    pub stanza_before_login: StanzaLimits,
    /// One stanza. Default: 256 kB, 64 deep.
    pub stanza: StanzaLimits,
    /// Bytes a connection may send per second in the long run. It is not ended when it sends more, but read more slowly.
    /// Zero: as many as it likes. Default: 64 kB.
    pub bytes_per_second: u32,
    /// Bytes it may send at once. Default: 512 kB.
    pub bytes_burst: u32,
    /// Stanzas a connection may send per second in the long run, enforced in the same way. Zero: as many as it likes.
    /// Default: 100.
    pub stanzas_per_second: u32,
    /// Stanzas it may send at once. Default: 500.
    pub stanzas_burst: u32,
    /// Stanzas that may wait for one client; what belongs together, such as all pushes of one change of its roster, counts
    /// as one. A client with more of them does not read, and its session ends. Default: 1,024.
    pub outbound_queue: usize,
    /// What they may weigh together, bytes: as they are on the wire, and some more for each; what belongs together counts for at
    /// most 256 kB here. Default: 4 MB.
    pub outbound_bytes: usize,
    /// What all clients together may make the endpoint hold, bytes: what waits for them, what they have not acknowledged, the
    /// presence they show, and what was read of stanzas that are not complete. When it is more, nobody is read from until it is
    /// not, and the greediest lose their sessions: first those whose clients are away, then those that do not read. What other
    /// nodes of a cluster have counts too, and may take half of it: what is more is not seen here. Default: 256 MiB.
    pub memory: usize,
    /// Lines of the log that events of one kind may have in a minute because of one address (of IPv6, of one /64); more are
    /// counted and told in one line. Default: 10.
    pub log_lines_per_address: u32,
    /// Lines that events of one kind may have in a minute, whoever causes them; ten times as many of logins that succeed.
    /// Default: 1,000.
    pub log_lines: u32,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            connections_per_address: 200,
            connections_per_second: 50,
            handshakes: 512,
            stanza_before_login: StanzaLimits { bytes: 10_000, depth: 16 },
            stanza: StanzaLimits { bytes: 256_000, depth: 64 },
            bytes_per_second: 64_000,
            bytes_burst: 512_000,
            stanzas_per_second: 100,
            stanzas_burst: 500,
            outbound_queue: 1_024,
            outbound_bytes: 4_000_000,
            memory: 256 << 20,
            log_lines_per_address: 10,
            log_lines: 1_000,
        }
    }
}

/// How long what may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From the connection to the bound resource, TLS included. Default: 30 s.
    pub login: Duration,
    /// From the first byte of a stanza to its last. Default: 60 s.
    pub stanza: Duration,
    /// From the last byte a client sent to the server asking whether it is there. Default: 5 min.
    pub idle: Duration,
    /// The same over WebSocket, and from the last byte written too: proxies cut off what is silent in either direction, nginx
    /// after 60 s. Default: 45 s.
    pub idle_websocket: Duration,
    /// How long the client may take to answer that. Default: 60 s.
    pub ping: Duration,
    /// How long a client may take to read what is written to it, 256 kB at a time. Default: 60 s.
    pub write: Duration,
    /// How long the server waits for a client to close its stream too. Default: 3 s.
    pub close: Duration,
    /// How long the endpoint takes to say goodbye to everybody when it stops. Default: 10 s.
    pub shutdown: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            login: Duration::from_secs(30),
            stanza: Duration::from_secs(60),
            idle: Duration::from_secs(300),
            idle_websocket: Duration::from_secs(45),
            ping: Duration::from_secs(60),
            write: Duration::from_secs(60),
            close: Duration::from_secs(3),
            shutdown: Duration::from_secs(10),
        }
    }
}

/// How often a login may fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginLimits {
    /// Tries on one stream; the stream is closed after the last. Default: 3.
    pub attempts_per_stream: u32,
    /// Failures from one address (of IPv6, from one /64) before it is turned away for a while. Default: 20.
    pub failures_per_address: u32,
    /// Failures with one account's name, from anywhere, before logins to it are turned away for a while. That lets a
    /// stranger keep somebody out, so it is well above what an address may. Default: 100.
    pub failures_per_account: u32,
    /// In this time so many failures are forgotten, bit by bit. Attempts that are under way count as failures until they have
    /// succeeded; others wait for them, for a third of [`Timeouts::login`] at most. Default: 10 min.
    pub forgotten_after: Duration,
}

impl Default for LoginLimits {
    fn default() -> Self {
        Self {
            attempts_per_stream: 3,
            failures_per_address: 20,
            failures_per_account: 100,
            forgotten_after: Duration::from_secs(600),
        }
    }
}

/// Stream management.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resumption {
    /// How long a session waits for its client to come back. Zero: not at all. Default: 5 min.
    pub window: Duration,
    /// Stanzas that are kept because a client has not acknowledged them. What comes after them waits in the queue; a client
    /// that does not acknowledge any within [`Timeouts::ping`] loses its session. Default: 16,384.
    pub unacknowledged: usize,
    /// What these may weigh together, counted as for [`ClientLimits::outbound_bytes`]. Default: 8 MB.
    pub unacknowledged_bytes: usize,
    /// Sessions that may wait for their clients at once, each with its queue: of that one sender may fill a quarter meanwhile, all
    /// of them three; what is more is refused to its sender. One more session ends with its connection. Default: 5,000.
    pub hibernating: usize,
}

impl Default for Resumption {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(300),
            unacknowledged: 16_384,
            unacknowledged_bytes: 8_000_000,
            hibernating: 5_000,
        }
    }
}
