//! XMPP clients on TLS: with STARTTLS and from the start, with the certificate of HTTPS or the endpoint's own.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use roster_host::config::{AccountsConfig, Config, Secret, TlsConfig, XmppCertificate, XmppConfig};
use roster_host::demo;
use roster_host::model::Username;
use roster_tests::host::{TestHost, config};
use roster_tests::web_app::WebApp;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

const LONG: Duration = Duration::from_secs(30);
const OPEN: &str = "<stream:stream to='localhost' version='1.0' xmlns='jabber:client' \
                    xmlns:stream='http://etherx.jabber.org/streams'>";
/// `\0john\0secret`.
const AUTH: &str = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGpvaG4Ac2VjcmV0</auth>";
const STARTTLS: &str = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";

/// Sends `text` and reads until `what` has come.
async fn ask<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, text: &str, what: &str) -> String {
    stream.write_all(text.as_bytes()).await.unwrap();
    let (mut all, mut buffer) = (String::new(), [0; 4096]);
    while !all.contains(what) {
        let read = timeout(LONG, stream.read(&mut buffer)).await.unwrap_or_else(|_| panic!("no {what} in {all}"));
        let read = read.unwrap();
        assert!(read > 0, "closed before {what}: {all}");
        all.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
    all
}

/// TLS with nobody but the owner of the certificate in `pem`.
async fn tls(stream: TcpStream, pem: &str) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
    let trust = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(trust));
    timeout(LONG, connector.connect("localhost".try_into().unwrap(), stream)).await.unwrap()
}

/// Logs in at both ports.
async fn log_in(host: &TestHost, pem: &str) {
    let mut stream = TcpStream::connect(host.xmpp.unwrap()).await.unwrap();
    ask(&mut stream, OPEN, "</stream:features>").await;
    ask(&mut stream, STARTTLS, "<proceed").await;
    let after_starttls = tls(stream, pem).await.unwrap();
    let direct = tls(TcpStream::connect(host.xmpps.unwrap()).await.unwrap(), pem).await.unwrap();
    for mut stream in [after_starttls, direct] {
        let features = ask(&mut stream, OPEN, "</stream:features>").await;
        assert!(features.contains("SCRAM-SHA-256-PLUS"), "{features}");
        ask(&mut stream, AUTH, "<success").await;
    }
}

fn with_xmpp(app: &WebApp, xmpp: XmppConfig) -> Config {
    let mut config = config(app);
    let any = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    config.xmpp = Some(XmppConfig { listen: any, tls_listen: any, ..xmpp });
    let john = (Username::new("john").unwrap(), Secret::new("secret"));
    config.hosts[0].accounts = Some(AccountsConfig::Fixed(vec![john]));
    config
}

/// A new certificate in two files, and its text.
fn certificate(folder: &Path, name: &str) -> (TlsConfig, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let [certificate, key] = ["cert", "key"].map(|kind| folder.join(format!("{name}-{kind}.pem")));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    (TlsConfig { listen, ..TlsConfig::new(certificate, key) }, made.cert.pem())
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_see_the_endpoints_own_certificate_or_that_of_https() {
    let app = WebApp::start().await;
    let folder = tempfile::tempdir().unwrap();
    let (of_http, of_http_pem) = certificate(folder.path(), "http");
    let (own, own_pem) = certificate(folder.path(), "xmpp");
    let own = XmppCertificate::Files { certificate: own.certificate, key: own.key };
    for (https, certificate, right, wrong) in [
        (Some(&of_http), XmppCertificate::OfHttp, &of_http_pem, &own_pem),
        (Some(&of_http), own.clone(), &own_pem, &of_http_pem),
        (None, own, &own_pem, &of_http_pem),
    ] {
        let mut config = with_xmpp(&app, XmppConfig { certificate, ..XmppConfig::default() });
        config.http.tls = https.cloned();
        let host = TestHost::with(config).await;
        log_in(&host, right).await;
        assert!(tls(TcpStream::connect(host.xmpps.unwrap()).await.unwrap(), wrong).await.is_err());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_offers_tls_and_asks_nobody_to_use_it() {
    let app = WebApp::start().await;
    let xmpp = demo::xmpp().unwrap();
    let XmppCertificate::Given { chain, .. } = xmpp.certificate.clone() else { panic!("{:?}", xmpp.certificate) };
    let host = TestHost::with(with_xmpp(&app, xmpp)).await;
    log_in(&host, &chain).await;
    let features = ask(&mut TcpStream::connect(host.xmpp.unwrap()).await.unwrap(), OPEN, "</stream:features>").await;
    assert!(features.contains("starttls") && features.contains(">SCRAM-SHA-256<"), "{features}");
    assert!(!features.contains("<required/>") && !features.contains(">PLAIN<"), "{features}");
}
