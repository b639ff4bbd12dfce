//! HTTPS.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Version};
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::client::Client;
use super::{ANY_PORT, HANGS, Host};
use crate::config::TlsConfig;

/// A certificate for `localhost` and its key, in a directory of their own.
pub(super) struct Files {
    directory: PathBuf,
    pub(super) config: TlsConfig,
}

pub(super) struct Pair {
    der: CertificateDer<'static>,
    pub(super) certificate: String,
    pub(super) key: String,
}

pub(super) fn pair() -> Pair {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    Pair { der: made.cert.der().clone(), certificate: made.cert.pem(), key: made.signing_key.serialize_pem() }
}

impl Files {
    pub(super) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("roster-host-tls-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        let config = TlsConfig {
            listen: ANY_PORT,
            certificate: directory.join("cert.pem"),
            key: directory.join("key.pem"),
            reload_interval: Duration::from_millis(20),
        };
        Self { directory, config }
    }

    pub(super) fn write(&self, certificate: &str, key: &str) {
        replace(&self.config.certificate, certificate);
        replace(&self.config.key, key);
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn replace(file: &Path, content: &str) {
    let new = file.with_extension("new");
    std::fs::write(&new, content).unwrap();
    std::fs::rename(new, file).unwrap();
}

/// Fails if the host's certificate is not `trusted`.
pub(super) async fn connect(host: &Host, trusted: &Pair, protocol: &[u8]) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.der.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let stream = TcpStream::connect(host.https()).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
}

async fn host_with(files: &Files) -> Host {
    Host::with(|setup| setup.http.tls = Some(files.config.clone())).await
}

#[tokio::test]
async fn both_versions_of_http_work_over_tls() {
    let (files, pair) = (Files::new(), pair());
    files.write(&pair.certificate, &pair.key);
    let host = host_with(&files).await;

    let mut client = Client::over(connect(&host, &pair, b"http/1.1").await.unwrap());
    let reply = client.call("POST", "/roster_admin/refresh", &[], r#"["a"]"#).await;
    assert_eq!((reply.status, &reply.json()["updated"]), (200, &1.into()));
    assert_eq!(reply.header("content-type"), Some("application/json"));

    let stream = connect(&host, &pair, b"h2").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let uri = "https://localhost/roster_admin/refresh";
    let request = |body| Request::post(uri).body(Full::new(Bytes::from(body))).unwrap();
    let answer = sender.send_request(request(b"[]".to_vec())).await.unwrap();
    assert_eq!((answer.version(), answer.status().as_u16()), (Version::HTTP_2, 200));
    let answer = sender.send_request(request(vec![b' '; 11 << 20])).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers().get("connection")), (413, None));
    assert_eq!(sender.send_request(request(b"[]".to_vec())).await.unwrap().status().as_u16(), 200);
}

#[tokio::test]
async fn a_new_certificate_is_used_and_a_broken_one_is_not() {
    let (files, first, second) = (Files::new(), pair(), pair());
    files.write(&first.certificate, &first.key);
    let host = host_with(&files).await;
    let mut old = Client::over(connect(&host, &first, b"http/1.1").await.unwrap());
    connect(&host, &second, b"http/1.1").await.unwrap_err();

    // With nothing between those that do not belong together: whoever reads slowly must not have the one and then the other.
    for (certificate, key) in [
        ("nonsense", &*first.key),
        ("", ""),
        (&*second.certificate, &*first.key),
        ("", ""),
        (&*first.certificate, &*second.key),
    ] {
        files.write(certificate, key);
        tokio::time::sleep(Duration::from_millis(120)).await;
        connect(&host, &first, b"http/1.1").await.unwrap();
    }
    std::fs::remove_file(&files.config.key).unwrap();
    tokio::time::sleep(Duration::from_millis(120)).await;
    connect(&host, &first, b"http/1.1").await.unwrap();

    files.write(&second.certificate, &second.key);
    let began = Instant::now();
    while connect(&host, &second, b"http/1.1").await.is_err() {
        assert!(began.elapsed() < HANGS, "the new certificate is not used");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    connect(&host, &first, b"http/1.1").await.unwrap_err();
    let reply = old.call("POST", "/roster_admin/refresh", &[], "[]").await;
    assert_eq!(reply.status, 200, "a connection made with the old certificate goes on");
}

#[tokio::test]
async fn a_handshake_that_does_not_go_on_is_cut_off() {
    let (files, pair) = (Files::new(), pair());
    files.write(&pair.certificate, &pair.key);
    let host = Host::with(|setup| {
        setup.http.tls = Some(files.config.clone());
        setup.http.header_timeout = Duration::from_millis(200);
    })
    .await;
    for sent in ["", "\x16\x03\x01", "POST /roster_admin/refresh HTTP/1.1\r\n\r\n"] {
        let mut client = Client::open(host.https()).await;
        client.send(sent).await;
        assert!(!client.closed().await.contains("HTTP/1.1 200"), "{sent:?}");
    }
    let mut idle = Client::over(connect(&host, &pair, b"http/1.1").await.unwrap());
    assert_eq!(idle.closed().await, "");
}

/// The first record of a handshake.
fn client_hello() -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let mut hello = Vec::new();
    rustls::ClientConnection::new(Arc::new(config), name).unwrap().write_tls(&mut hello).unwrap();
    hello
}

#[tokio::test]
async fn an_address_begins_so_many_handshakes_and_no_more() {
    let (files, pair) = (Files::new(), pair());
    files.write(&pair.certificate, &pair.key);
    let host = Host::with(|setup| {
        setup.http.tls = Some(files.config.clone());
        setup.http.handshakes_per_second = 1;
    })
    .await;
    let mut answered = 0;
    for _ in 0..20 {
        let mut client = Client::open_as(2, host.https()).await;
        client.send(client_hello()).await;
        answered += usize::from(client.stream.read_u8().await.is_ok());
    }
    assert!((10..=15).contains(&answered), "{answered} of ten at once and one each second");
    connect(&host, &pair, b"http/1.1").await.expect("another address");
}

#[tokio::test]
async fn handshakes_that_do_not_go_on_make_room_for_those_that_do() {
    let (files, pair) = (Files::new(), pair());
    files.write(&pair.certificate, &pair.key);
    let host = Host::with(|setup| {
        setup.http.tls = Some(files.config.clone());
        setup.http.max_handshakes = 4;
    })
    .await;
    let mut stuck = Vec::new();
    for number in 2..12 {
        let mut client = Client::open_as(number, host.https()).await;
        client.send(&client_hello()[..20]).await;
        stuck.push(client);
    }
    let began = Instant::now();
    connect(&host, &pair, b"http/1.1").await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(12), "not after http.header_timeout: {:?}", began.elapsed());
}
