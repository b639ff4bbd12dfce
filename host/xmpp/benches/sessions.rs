//! What sessions cost over real sockets: memory of an idle one, and whether a refresh of everybody holds up a ping.
//!
//! `cargo bench -p roster-xmpp --bench sessions`. The endpoint runs in a process of its own, so that the memory is its alone.
//! Set `SESSIONS` for another number than 2,000.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use roster_model::{Change, Contact, Contacts, EventKind, RosterEvent, Snapshot, Subscription, Username};
use roster_xmpp::accounts::{Accounts, AccountsUnavailable, Verdict};
use roster_xmpp::config::EndpointConfig;
use roster_xmpp::{Domain, DomainOptions, Endpoint, Hosted, RosterSource, RosterUnavailable};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig, crypto::ring};

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

fn contact(user: usize) -> Contact {
    let groups = vec!["Friends".into()];
    let jid = format!("user{user}@example.com");
    Contact { jid, name: Some(format!("User {user}")), subscription: Subscription::Both, ask: false, groups }
}

struct Rosters {
    users: usize,
    contacts: usize,
}

impl Rosters {
    fn of(&self, user: usize, version: u64, more: usize) -> Arc<Snapshot> {
        let half = self.contacts / 2;
        let others = (1..=half).chain(self.users - half..self.users).chain((0..more).map(|n| half + 1 + n));
        let contacts: Vec<_> = others.map(|offset| contact((user + offset) % self.users)).collect();
        Arc::new(Snapshot::new(version, None, Contacts::pack(&contacts, 10_000).unwrap()))
    }
}

#[async_trait]
impl RosterSource for Rosters {
    async fn connect(&self, user: &Username, _session: &str) -> Result<Arc<Snapshot>, RosterUnavailable> {
        match user.as_str().strip_prefix("user") {
            Some(number) => Ok(self.of(number.parse().unwrap(), 1, 0)),
            None => Ok(Arc::new(Snapshot::new(1, None, Contacts::pack(&[], 0).unwrap()))),
        }
    }

    fn disconnect(&self, _user: &Username, _session: &str) {}

    fn cached(&self, _user: &Username) -> Option<Arc<Snapshot>> {
        None
    }
}

struct Everybody;

#[async_trait]
impl Accounts for Everybody {
    async fn verify_plain(&self, _: &Username, _: &str) -> Result<Verdict, AccountsUnavailable> {
        Ok(Verdict::Accepted)
    }
}

/// The endpoint's process: says where it listens and what its certificate is, then refreshes everybody for each line.
#[tokio::main]
async fn serve() {
    let rosters = Arc::new(Rosters { users: number("SESSIONS", 2000), contacts: number("CONTACTS", 100) });
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut config = EndpointConfig {
        listen: vec![loopback],
        listen_tls: vec![loopback],
        require_encryption: false,
        allow_unencrypted_plain_auth: true,
        ..EndpointConfig::default()
    };
    config.limits.connections_per_address = 100_000;
    config.limits.connections_per_second = 0;
    config.timeouts.login = Duration::from_secs(300);
    let made = rcgen::generate_simple_self_signed(vec!["example.com".to_owned()]).unwrap();
    let certificate = CertificateDer::from(made.cert.der().to_vec());
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let tls = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let name = roster_xmpp::roster_jid::DomainName::new("example.com").unwrap();
    let domain = Domain::new(DomainOptions::new(name), Arc::clone(&rosters) as Arc<dyn RosterSource>);
    let hosted = Hosted { domain: Arc::clone(&domain), accounts: Arc::new(Everybody) };
    let endpoint = Endpoint::bind(config, Some(Arc::new(tls)), vec![hosted]).await.unwrap();
    for listening in endpoint.listening() {
        println!("{}", listening.address);
    }
    println!("{}", certificate.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    tokio::spawn(endpoint.serve(std::future::pending()));
    let (lines, mut wanted) = tokio::sync::mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            let _ = lines.blocking_send(line.unwrap());
        }
    });
    let mut version = 1;
    while wanted.recv().await.is_some() {
        version += 1;
        let begun = Instant::now();
        for user in 0..rosters.users {
            let added = version % 2 == 0;
            let snapshot = rosters.of(user, version, usize::from(added));
            let other = contact((user + rosters.contacts / 2 + 1) % rosters.users);
            let change = if added { Change::Put(other) } else { Change::Remove(other.jid) };
            let user = Username::new(&format!("user{user}")).unwrap();
            let kind = EventKind::Changed { before: Arc::clone(&snapshot), snapshot, changes: Arc::from([change]) };
            domain.roster_event(&RosterEvent { domain: "example.com".into(), user, kind }).await;
            // As the host does, which waits for the application between two users.
            tokio::task::yield_now().await;
        }
        println!("{}", begun.elapsed().as_millis());
    }
}

struct Server {
    process: Child,
    commands: ChildStdin,
    lines: std::io::Lines<BufReader<ChildStdout>>,
    plain: SocketAddr,
    tls: SocketAddr,
    trust: TlsConnector,
}

impl Server {
    fn start(contacts: usize) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .env("ROLE", "server")
            .env("CONTACTS", contacts.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut next = || lines.next().unwrap().unwrap();
        let (plain, tls, certificate) = (next().parse().unwrap(), next().parse().unwrap(), next());
        let certificate: Vec<u8> = (0..certificate.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&certificate[at..at + 2], 16).unwrap())
            .collect();
        let mut roots = RootCertStore::empty();
        roots.add(certificate.into()).unwrap();
        let trust = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let commands = process.stdin.take().unwrap();
        Self { process, commands, lines, plain, tls, trust: Arc::new(trust).into() }
    }

    /// Resident memory, kB.
    fn memory(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

async fn connect(server: &Server, tls: bool) -> Box<dyn Io> {
    let stream = TcpStream::connect(if tls { server.tls } else { server.plain }).await.unwrap();
    stream.set_nodelay(true).unwrap();
    if !tls {
        return Box::new(stream);
    }
    Box::new(server.trust.connect(ServerName::try_from("example.com").unwrap(), stream).await.unwrap())
}

async fn log_in(io: &mut dyn Io, user: &str, roster: bool) {
    use base64::Engine;
    let header = "<stream:stream to='example.com' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";
    let secret = base64::engine::general_purpose::STANDARD.encode(format!("\0{user}\0x"));
    let roster = match roster {
        true => "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq><presence/>",
        false => "<iq type='get' id='r'><x xmlns='urn:none'/></iq>",
    };
    let all = format!(
        "{header}<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{secret}</auth>{header}\
         <iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>{roster}"
    );
    io.write_all(all.as_bytes()).await.unwrap();
    io.flush().await.unwrap();
    until(io, "id='r'").await;
}

/// Reads up to `wanted`; what comes with it is lost.
async fn until(io: &mut dyn Io, wanted: &str) {
    let mut read = Vec::new();
    let mut bytes = [0; 4096];
    while !read.windows(wanted.len()).any(|window| window == wanted.as_bytes()) {
        let count = io.read(&mut bytes).await.unwrap();
        assert_ne!(count, 0, "{}", String::from_utf8_lossy(&read));
        read.extend_from_slice(&bytes[..count]);
    }
}

/// How long pings take while `busy` is true, sorted.
async fn pings(io: &mut dyn Io, busy: &AtomicUsize) -> Vec<Duration> {
    let mut all = Vec::new();
    while busy.load(Ordering::Relaxed) > 0 {
        let begun = Instant::now();
        let id = format!("p{}", all.len());
        io.write_all(format!("<iq type='get' id='{id}'><ping xmlns='urn:xmpp:ping'/></iq>").as_bytes()).await.unwrap();
        io.flush().await.unwrap();
        until(io, &format!("id='{id}'")).await;
        all.push(begun.elapsed());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    all.sort();
    all
}

#[tokio::main]
async fn measure() {
    let sessions = number("SESSIONS", 2000);
    for (contacts, tls) in [(0, false), (0, true), (100, false), (100, true)] {
        let mut server = Server::start(contacts);
        let before = server.memory();
        let begun = Instant::now();
        let pushes = Arc::new(AtomicUsize::new(0));
        let mut readers = Vec::new();
        for user in 0..sessions {
            let mut io = connect(&server, tls).await;
            log_in(&mut io, &format!("user{user}"), contacts > 0).await;
            let pushes = Arc::clone(&pushes);
            readers.push(tokio::spawn(async move {
                let mut bytes = [0; 4096];
                while let Ok(count @ 1..) = io.read(&mut bytes).await {
                    let found = bytes[..count].windows(10).filter(|window| window == b"type='set'").count();
                    pushes.fetch_add(found, Ordering::Relaxed);
                }
            }));
        }
        let logins = begun.elapsed();
        tokio::time::sleep(Duration::from_secs(2)).await;
        let each = (server.memory() - before) as f64 / sessions as f64;
        println!("{sessions} sessions, {contacts} contacts, TLS {tls}: logged in in {logins:.1?}, {each:.1} kB each");
        if contacts > 0 {
            let mut other = connect(&server, tls).await;
            log_in(&mut other, "other", false).await;
            let busy = AtomicUsize::new(1);
            let idle = async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                busy.store(0, Ordering::Relaxed);
            };
            let (all, ()) = tokio::join!(pings(&mut *other, &busy), idle);
            println!("  ping while idle: p50 {:.1?}, p99 {:.1?}", all[all.len() / 2], all[all.len() * 99 / 100]);
            let mut all = Vec::new();
            for round in 1..=5 {
                busy.store(1, Ordering::Relaxed);
                let begun = Instant::now();
                server.commands.write_all(b"refresh\n").unwrap();
                let done = async {
                    while pushes.load(Ordering::Relaxed) < round * sessions {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                        assert!(begun.elapsed() < Duration::from_secs(60), "pushes are missing: {pushes:?}");
                    }
                    busy.store(0, Ordering::Relaxed);
                    begun.elapsed()
                };
                let (mut some, took) = tokio::join!(pings(&mut *other, &busy), done);
                let queued = server.lines.next().unwrap().unwrap();
                println!("  refresh {round}: queued after {queued} ms, the last push after {took:.0?}");
                all.append(&mut some);
            }
            all.sort();
            let at = |part: usize| all[(all.len() * part / 100).min(all.len() - 1)];
            println!(
                "  ping meanwhile: {} of them, p50 {:.1?}, p99 {:.1?}, most {:.1?}",
                all.len(),
                at(50),
                at(99),
                at(100)
            );
        }
        drop(readers);
    }
}

fn main() {
    if std::env::var("ROLE").as_deref() == Ok("server") { serve() } else { measure() }
}
