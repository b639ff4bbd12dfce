//! HTTPS with a certificate of one's own.

use std::fs;
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::client::exchange;
use super::program::PATIENCE;
use super::setup::{Setup, one_host};

/// The files of [`write_certificate`].
pub(crate) const TLS_TABLE: &str = "[http.tls]\ncertificate = 'chain.pem'\nkey = 'key.pem'\n";

/// Makes a certificate for localhost; returns it for those who are to trust it.
pub(crate) fn write_certificate(setup: &Setup) -> rcgen::Certificate {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(setup.path("chain.pem"), made.cert.pem()).unwrap();
    fs::write(setup.path("key.pem"), made.signing_key.serialize_pem()).unwrap();
    made.cert
}

#[test]
fn the_refresh_route_over_https() {
    let setup = Setup::with(&format!("{TLS_TABLE}{}", one_host("http://127.0.0.1:9/%s")));
    let certificate = write_certificate(&setup);
    let host = setup.start(&["--https-listen", "127.0.0.1:0"]);
    let https = host.listening().https.expect("it listens for HTTPS");

    let mut roots = RootCertStore::empty();
    roots.add(certificate.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let connection = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap();
    let stream = TcpStream::connect(https).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let response =
        exchange(&mut StreamOwned::new(connection, stream), "POST", "/roster_admin/refresh", &[], r#"["nobody"]"#);
    assert_eq!((response.status, &response.json()["updated"]), (200, &1.into()), "{response:?}");
    assert_eq!(host.stop().code, Some(0));
}

#[test]
fn a_certificate_that_cannot_be_used_is_named() {
    let setup = Setup::with(&format!("log.filter = 'warn'\n{TLS_TABLE}{}", one_host("http://127.0.0.1:9/%s")));
    write_certificate(&setup);
    fs::write(setup.path("chain.pem"), "no certificate").unwrap();
    let ended =
        setup.run(&["--http-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--https-listen", "127.0.0.1:0"]);
    assert!(ended.only_line().contains("chain.pem"), "{ended:?}");
    assert_eq!(ended.code, Some(2));
}
