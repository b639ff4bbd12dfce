//! What clients can make the endpoint hold, measured by the allocator: each attack is bounded, the endpoint's own account of it is
//! true, and an innocent client is served meanwhile. Run with `--nocapture` for the figures.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, clippy::indexing_slicing, clippy::print_stdout)]

#[path = "wire/support/mod.rs"]
mod support;

use std::time::Duration;

use peak_alloc::PeakAlloc;
use roster_xmpp::config::EndpointConfig;
use support::client::HEADER;
use support::server::{config, until};
use support::{Client, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::timeout;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// One test at a time: they share the allocator.
static ALONE: Mutex<()> = Mutex::const_new(());

const KB: usize = 1_000;
const MB: usize = 1_000_000;

fn plain() -> EndpointConfig {
    let mut config = config();
    config.allow_unencrypted_plain_auth = true;
    config.limits.connections_per_address = 1_000;
    config
}

/// What is held from a moment on, by the allocator and by the endpoint's account.
struct Measure<'a> {
    server: &'a Server,
    begin: usize,
    account: usize,
}

impl<'a> Measure<'a> {
    fn begin(server: &'a Server) -> Self {
        ALLOCATOR.reset_peak_usage();
        Self { server, begin: ALLOCATOR.current_usage(), account: server.memory.held() }
    }

    fn held(&self) -> usize {
        ALLOCATOR.current_usage().saturating_sub(self.begin)
    }

    fn account(&self) -> usize {
        self.server.memory.held() - self.account
    }

    fn peak(&self, what: &str) -> usize {
        let peak = ALLOCATOR.peak_usage().saturating_sub(self.begin);
        println!("{what}: peak {} kB, held {} kB, account {} kB", peak / KB, self.held() / KB, self.account() / KB);
        peak
    }
}

async fn server(config: EndpointConfig) -> (MutexGuard<'static, ()>, Server) {
    let alone = ALONE.lock().await;
    (alone, Server::with(config).await)
}

/// Logged in without TLS, whose buffers would be measured too.
async fn log_in(server: &Server, user: &str, resource: &str) -> Client {
    let mut client = Client::connect(server.plain).await;
    client.open().await;
    client.plain(user).await;
    client.bind(resource).await;
    client
}

async fn innocent_is_served(server: &Server) {
    let mut marie = log_in(server, "marie", "innocent").await;
    marie.ping("innocent").await;
    marie.log_out().await;
}

/// Sends, and leaves the rest to the server.
async fn give(stream: &mut TcpStream, bytes: &[u8]) {
    let _ = timeout(Duration::from_secs(5), stream.write_all(bytes)).await;
}

#[tokio::test]
async fn what_is_said_before_login_takes_little_memory_whatever_it_is() {
    const CONNECTIONS: usize = 200;
    let name = "n".repeat(4_900);
    let begins = |rest: String| format!("{HEADER}{rest}").into_bytes();
    let attributes = |n: usize| (0..n).map(|n| format!(" a{n}='x'")).collect::<String>();
    let mut figures = Vec::new();
    for (what, sent) in [
        ("children of a long name", begins(format!("<a xmlns='{name}'>{}", "<b/>".repeat(1_240)))),
        (
            "children of a long name, each called otherwise",
            begins(format!("<a xmlns='{name}'>{}", (0..600).map(|n| format!("<b{n}/>")).collect::<String>())),
        ),
        ("tiny elements", begins(format!("<a>{}", "<b/>".repeat(2_400)))),
        ("elements with an attribute", begins(format!("<a>{}", "<b c=''/>".repeat(1_000)))),
        ("attributes", begins(format!("<a{}", attributes(1_100)))),
        ("attributes of a header", [HEADER.trim_end_matches('>'), &attributes(1_000)].concat().into_bytes()),
        ("text", begins(format!("<a>{}", "x".repeat(9_900)))),
    ] {
        let (_alone, server) = server(plain()).await;
        let mut streams = Vec::new();
        for _ in 0..CONNECTIONS {
            let mut stream = TcpStream::connect(server.plain).await.unwrap();
            stream.write_all(b" ").await.unwrap();
            streams.push(stream);
        }
        until("all are here", || server.counters.connections.get() == CONNECTIONS as u64).await;
        let measure = Measure::begin(&server);
        for stream in &mut streams {
            give(stream, &sent).await;
        }
        innocent_is_served(&server).await;
        let peak = measure.peak(what);
        figures.push((what, peak / CONNECTIONS));
        assert!(peak < CONNECTIONS * 230 * KB, "{what}: {peak}");
    }
    println!("bytes a connection: {figures:?}");
}

#[tokio::test]
async fn what_one_stanza_takes_and_becomes_is_bounded() {
    let name = "n".repeat(4_900);
    for (what, content) in [
        ("children of a long name", format!("<a xmlns='{name}'>{}</a>", "<b/>".repeat(60_000))),
        ("children of a long name by prefix", format!("<a xmlns:p='{name}'>{}</a>", "<p:b/>".repeat(40_000))),
        ("attributes of a long name", format!("<a xmlns:p='{name}'>{}</a>", "<b p:c=''/>".repeat(22_000))),
    ] {
        let (_alone, server) = server(plain()).await;
        let mut john = log_in(&server, "john", "phone").await;
        john.send("<presence/>").await;
        john.ping("here").await;
        let mut marie = log_in(&server, "marie", "tablet").await;
        let message = format!("<message to='john@example.com/phone'>{content}</message>");
        assert!(message.len() < 256_000);
        let measure = Measure::begin(&server);
        marie.try_send(message.as_bytes()).await;
        let rest = marie.rest().await;
        assert!(rest.contains("<policy-violation "), "{what}: {rest}");
        let peak = measure.peak(what);
        assert!(peak < 8 * MB, "{what}: {peak}");
        let read = john.ping("again").await;
        assert!(read.len() < 2_000, "{what}: {} bytes went to the recipient", read.len());
    }
}

/// Whatever is sent to who does not read, or is away: the account says what is held, and it is about what was sent.
#[tokio::test]
async fn what_waits_is_held_as_its_text_and_the_account_is_true() {
    const MESSAGES: usize = 100;
    const SESSIONS: usize = 8;
    for (what, content) in [
        ("tiny elements", "<b/>".repeat(2_500)),
        ("elements with attributes", "<b c='d' e='f'/>".repeat(600)),
        ("text", format!("<body>{}</body>", "x".repeat(10_000))),
    ] {
        for away in [false, true] {
            let (_alone, server) = server(plain()).await;
            let mut johns = Vec::new();
            for n in 0..SESSIONS {
                let mut john = log_in(&server, "john", &format!("r{n}")).await;
                john.send("<presence/>").await;
                john.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>").await;
                john.expect("<enabled ").await;
                johns.push(john);
            }
            if away {
                johns.clear();
                until("all wait", || server.counters.sessions_hibernating.get() == SESSIONS as u64).await;
            }
            let mut marie = log_in(&server, "marie", "tablet").await;
            let measure = Measure::begin(&server);
            for n in 0..MESSAGES {
                for session in 0..SESSIONS {
                    let to = format!("john@example.com/r{session}");
                    marie.send(&format!("<message to='{to}' id='{n}' type='chat'>{content}</message>")).await;
                }
            }
            marie.ping("sent").await;
            let peak = measure.peak(&format!("{what}, away: {away}"));
            let (held, account) = (measure.held(), measure.account());
            assert_eq!(server.counters.overflows.get(), 0);
            assert!(peak < 12 * MB, "{what} {away}: {peak}");
            if away {
                assert!(held > 7 * MB && account > held * 8 / 10 && account < held * 12 / 10, "{held} {account}");
            }
            drop(johns);
            marie.log_out().await;
        }
    }
}

#[tokio::test]
async fn rosters_that_are_asked_for_and_not_read_take_no_more_than_the_queue() {
    let (_alone, server) = server(plain()).await;
    server.friends.absent.store(3_000, std::sync::atomic::Ordering::Relaxed);
    let mut john = log_in(&server, "john", "phone").await;
    let measure = Measure::begin(&server);
    let get = "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>";
    for _ in 0..1_000 {
        john.try_send(get.as_bytes()).await;
    }
    innocent_is_served(&server).await;
    let peak = measure.peak("a thousand roster gets");
    assert!(peak < 20 * MB, "{peak}");
}

#[tokio::test]
async fn a_large_presence_is_held_once_for_all_who_see_it() {
    let (_alone, server) = server(plain()).await;
    let mut maries = Vec::new();
    for n in 0..20 {
        let mut marie = log_in(&server, "marie", &format!("r{n}")).await;
        marie.send("<presence/>").await;
        marie.ping("here").await;
        maries.push(marie);
    }
    let mut john = log_in(&server, "john", "phone").await;
    john.send("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>").await;
    john.expect("</iq>").await;
    let measure = Measure::begin(&server);
    for n in 0..8 {
        let status = format!("<status>{n}{}</status>", "x".repeat(240_000));
        john.send(&format!("<presence>{status}</presence>")).await;
    }
    john.ping("sent").await;
    let peak = measure.peak("eight presences to twenty sessions");
    // Some are in the buffers of connections, as text.
    assert!(peak < 20 * MB, "{peak}");
}

#[tokio::test]
async fn pongs_that_are_not_read_do_not_pile_up() {
    let (_alone, server) = server(plain()).await;
    let mut stream = TcpStream::connect(server.web).await.unwrap();
    let request = "GET /xmpp-websocket HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
                   sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                   sec-websocket-protocol: xmpp\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 101");
    let pings = [&[0x89, 0xfd, 1, 2, 3, 4][..], &[0; 125]].concat().repeat(1_000);
    let measure = Measure::begin(&server);
    for _ in 0..400 {
        if timeout(Duration::from_secs(1), stream.write_all(&pings)).await.is_err() {
            break;
        }
    }
    innocent_is_served(&server).await;
    let peak = measure.peak("pings");
    assert!(peak < MB, "{peak}");
}

/// Many sessions, each within its own limits, and more than there is room for: the greediest go, and who holds little stays and
/// is served, also one that is away.
#[tokio::test]
async fn one_budget_bounds_all_sessions_and_the_greediest_go_first() {
    const BUDGET: usize = 4 * MB;
    for away in [true, false] {
        let mut config = plain();
        config.limits.memory = BUDGET;
        let (_alone, server) = server(config).await;
        let mut modest = log_in(&server, "marie", "modest").await;
        modest.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>").await;
        modest.expect("<enabled ").await;
        modest.lose(&server).await;
        let mut johns = Vec::new();
        for n in 0..8 {
            let mut john = log_in(&server, "john", &format!("r{n}")).await;
            john.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>").await;
            john.expect("<enabled ").await;
            johns.push(john);
        }
        if away {
            johns.clear();
            until("they wait", || server.counters.sessions_hibernating.get() == 9).await;
        }
        let mut marie = log_in(&server, "marie", "tablet").await;
        let measure = Measure::begin(&server);
        let body = "x".repeat(100 * KB);
        marie.send("<message to='marie@example.com/modest' type='chat' id='m'><body>hello</body></message>").await;
        let mut most = 0;
        for n in 0..35 {
            for session in 0..8 {
                let message = format!("<message to='john@example.com/r{session}' id='{n}'><x>{body}</x></message>");
                marie.send(&message).await;
                most = most.max(server.memory.held());
            }
            marie.ping("sent").await;
        }
        let peak = measure.peak(&format!("28 MB for eight sessions, away: {away}"));
        assert!(most < BUDGET + 2 * MB, "{most}");
        assert!(peak < BUDGET + 4 * MB, "{peak}");
        assert!(server.counters.overflows.get() >= 4, "{}", server.counters.overflows.get());
        assert!(server.counters.sessions_hibernating.get() >= 1, "who is away with little stays");
        innocent_is_served(&server).await;
        marie.log_out().await;
    }
}
