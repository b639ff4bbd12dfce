//! TLS: whom to trust, HTTP/2, and what the errors say.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use futures::future::join_all;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::server::{Reply, Server, ok};
use super::*;
use crate::http_client::{ClientBuildError, ErrorKind};

/// A certificate authority of this test's own, and its certificate in a file.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    file: PathBuf,
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
    }
}

/// A file of this process's own.
fn temporary(content: &str) -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("roster-host-test-{}-{}.pem", std::process::id(), COUNT.fetch_add(1, SeqCst));
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, content).unwrap();
    path
}

impl Authority {
    pub(super) fn new() -> Self {
        Self::named("Test authority")
    }

    fn named(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let file = temporary(&params.self_signed(&key).unwrap().pem());
        Self { issuer: Issuer::new(params, key), file }
    }

    pub(super) fn file(&self) -> PathBuf {
        self.file.clone()
    }

    /// A server's side of TLS, with a certificate for `names`.
    pub(super) fn acceptor(&self, names: &[&str], alpn: &[&str], expired: bool) -> TlsAcceptor {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        if expired {
            params.not_before = rcgen::date_time_ymd(2020, 1, 1);
            params.not_after = rcgen::date_time_ymd(2021, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        let chain: Vec<CertificateDer<'static>> = vec![params.signed_by(&key, &self.issuer).unwrap().der().clone()];
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }

    fn client(&self, server: &Server) -> HttpClient {
        client(&ClientConfig { ca_file: Some(self.file()), ..config([server.origin()]) })
    }
}

#[tokio::test]
async fn https_with_the_configured_authority() {
    let ca = Authority::new();
    for alpn in [&[][..], &["http/1.1"]] {
        let server = Server::start_with(Some(ca.acceptor(&["127.0.0.1"], alpn, false)), |_| ok("{}")).await;
        let client = ca.client(&server);
        for _ in 0..3 {
            let response = get(&client, &server.url("/")).await.unwrap();
            assert_eq!((response.version(), response.body().as_ref()), (http::Version::HTTP_11, b"{}".as_slice()));
        }
        assert_eq!(server.opened(), 1);
        assert_eq!(server.seen()[0].header("host").unwrap(), server.address().to_string());
    }
}

#[tokio::test]
async fn http2_by_alpn_on_one_connection() {
    let ca = Authority::new();
    let acceptor = ca.acceptor(&["127.0.0.1"], &["h2", "http/1.1"], false);
    let server = Server::start_with(Some(acceptor), |_| ok("{}")).await;
    let client = ca.client(&server);
    let url = server.url("/a?b");
    for response in join_all((0..20).map(|_| get(&client, &url))).await {
        let response = response.unwrap();
        assert_eq!((response.version(), response.body().as_ref()), (http::Version::HTTP_2, b"{}".as_slice()));
    }
    assert_eq!((server.opened(), server.seen().len()), (1, 20));
    let head = server.seen()[0].head.clone();
    assert!(head.starts_with(&format!("GET {url} HTTP/2\r\n")) && !head.contains("host:"), "{head}");
}

#[tokio::test]
async fn a_broken_http2_connection_is_replaced() {
    let ca = Authority::new();
    let acceptor = ca.acceptor(&["127.0.0.1"], &["h2"], false);
    // The third request on a connection gets a stream reset.
    let server = Server::start_with(Some(acceptor), |seen| if seen.nth == 2 { Reply::Close } else { ok("{}") }).await;
    let client = ca.client(&server);
    for _ in 0..5 {
        get(&client, &server.url("/")).await.unwrap();
    }
    assert_eq!((server.opened(), client.stats().retries()), (3, 2));
}

#[tokio::test]
async fn an_unused_http2_connection_is_closed_after_the_idle_timeout() {
    let ca = Authority::new();
    let server = Server::start_with(Some(ca.acceptor(&["127.0.0.1"], &["h2"], false)), |_| ok("{}")).await;
    let config = ClientConfig { ca_file: Some(ca.file()), idle_timeout: SHORT, ..config([server.origin()]) };
    let client = client(&config);
    get(&client, &server.url("/")).await.unwrap();
    eventually("closed", || server.closed() == 1).await;
    assert_eq!(client.stats().connections_open(), 0);
}

#[tokio::test]
async fn a_certificate_that_is_not_to_be_trusted_is_named_as_such() {
    let (ca, again, other) = (Authority::new(), Authority::new(), Authority::named("Another authority"));
    for (name, trusted, names, expired, reason) in [
        ("another authority", &other, ["127.0.0.1"], false, "issuer is not trusted"),
        ("another authority of the same name", &again, ["127.0.0.1"], false, "not signed by the trusted issuer"),
        ("another name", &ca, ["app.example.org"], false, "for app.example.org, not for 127.0.0.1"),
        ("expired", &ca, ["127.0.0.1"], true, "has expired, on 2021-01-01T00:00:00Z"),
    ] {
        let server = Server::start_with(Some(ca.acceptor(&names, &[], expired)), |_| ok("{}")).await;
        let error = get(&trusted.client(&server), &server.url("/")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Certificate, "{name}: {error}");
        assert!(error.to_string().starts_with(&server.origin()) && error.to_string().contains(reason), "{error}");
        assert!(server.seen().is_empty());
    }
}

#[tokio::test]
async fn a_server_without_tls_is_a_tls_error() {
    let ca = Authority::new();
    let alert = |code: u8| vec![0x15, 3, 3, 0, 2, 2, code];
    for (reply, reason) in [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), "does not speak TLS on this port"),
        (Vec::new(), "closed the connection during the handshake"),
        (alert(40), "no cipher or certificate for this host (alert HandshakeFailure)"),
        (alert(70), "speaks no version of TLS that the host does"),
        (alert(112), "has no certificate for this name"),
        (alert(80), "ended the handshake (alert InternalError)"),
    ] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("https://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 4096]).await;
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, &reply).await;
        });
        let config = ClientConfig { ca_file: Some(ca.file()), ..config([&origin]) };
        let error = get(&client(&config), &origin).await.unwrap_err();
        assert_eq!((error.kind(), error.target()), (ErrorKind::Tls, &*format!("{origin}/")), "{error}");
        assert!(error.detail().contains(reason), "{error}");
    }
}

#[test]
fn a_useless_ca_file_is_reported_with_its_name() {
    for (content, reason) in [("", "no PEM certificate"), ("-----BEGIN CERTIFICATE-----\nxx\n", "")] {
        let path = temporary(content);
        let config = ClientConfig { ca_file: Some(path.clone()), ..config(["http://127.0.0.1"]) };
        let error = HttpClient::new(&config).unwrap_err();
        std::fs::remove_file(&path).unwrap();
        let text = error.to_string();
        assert!(matches!(error, ClientBuildError::CaFile { .. }), "{text}");
        assert!(text.contains(path.to_str().unwrap()) && text.contains(reason), "{text}");
    }
    let missing = ClientConfig { ca_file: Some("/nonexistent.pem".into()), ..config(["http://127.0.0.1"]) };
    assert!(HttpClient::new(&missing).unwrap_err().to_string().starts_with("ca_file /nonexistent.pem: "));
}
