//! XMPP clients on TLS: with STARTTLS and from the start, with the certificate of HTTPS or the endpoint's own.

use roster_host::config::{Config, XmppCertificate, XmppConfig};
use roster_host::demo;
use roster_tests::host::TestHost;
use roster_tests::web_app::WebApp;
use roster_tests::xmpp::{self, JOHN, OPEN, any, ask, auth, certificate, tls};
use tokio::net::TcpStream;

const STARTTLS: &str = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";

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
        ask(&mut stream, &auth(JOHN), "<success").await;
    }
}

/// With both listeners.
fn with_xmpp(app: &WebApp, xmpp: XmppConfig) -> Config {
    xmpp::with_xmpp(app, XmppConfig { listen: Some(any()), tls_listen: Some(any()), ..xmpp })
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
    let XmppCertificate::Inline { chain, .. } = xmpp.certificate.clone() else { panic!("{:?}", xmpp.certificate) };
    let host = TestHost::with(with_xmpp(&app, xmpp)).await;
    log_in(&host, &chain).await;
    let features = ask(&mut TcpStream::connect(host.xmpp.unwrap()).await.unwrap(), OPEN, "</stream:features>").await;
    assert!(features.contains("starttls") && features.contains(">SCRAM-SHA-256<"), "{features}");
    assert!(!features.contains("<required/>") && !features.contains(">PLAIN<"), "{features}");
}
