//! HTTPS with a certificate of one's own.

use std::fs;
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::support::client::exchange;
use crate::support::program::TIMEOUT;
use crate::support::setup::{Setup, one_host};

/// The files of [`write_certificate`].
pub(crate) const TLS_TABLE: &str = "[http.tls]\ncertificate = 'chain.pem'\nkey = 'key.pem'\n";

/// Makes a certificate for localhost; returns it for those who are to trust it.
pub(crate) fn write_certificate(setup: &Setup) -> rcgen::Certificate {
    write_certificate_of(setup, "localhost", 4096)
}

/// Makes one for `name` that ends with the beginning of the year `end`.
fn write_certificate_of(setup: &Setup, name: &str, end: i32) -> rcgen::Certificate {
    let mut params = rcgen::CertificateParams::new([name.to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(end, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    let made = params.self_signed(&key).unwrap();
    fs::write(setup.path("chain.pem"), made.pem()).unwrap();
    fs::write(setup.path("key.pem"), key.serialize_pem()).unwrap();
    made
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
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    let response =
        exchange(&mut StreamOwned::new(connection, stream), "POST", "/roster_admin/refresh", &[], r#"["nobody"]"#);
    assert_eq!((response.status, &response.json()["updated"]), (200, &1.into()), "{response:?}");
    assert_eq!(host.stop().code, Some(0));
}

#[test]
fn a_certificate_that_clients_refuse_is_told_when_checked_at_the_start_and_when_it_changes() {
    let tls = TLS_TABLE.replace("[http.tls]", "[http.tls]\nreload_interval = '20ms'");
    let xmpp = TLS_TABLE.replace("[http.tls]", "[xmpp]\nlisten = 'off'\ntls_listen = '127.0.0.1:0'");
    for (table, config) in [("http.tls", tls), ("xmpp", xmpp)] {
        let host =
            one_host("http://127.0.0.1:9/%s").replace("[host.settings]", "accounts = 'accounts.txt'\n[host.settings]");
        let setup = Setup::with(&format!("{config}{host}"));
        fs::write(setup.path("accounts.txt"), "").unwrap();
        write_certificate_of(&setup, "example.com", 2020);
        let file = format!("chain.pem ({table}.certificate)");
        let ended = setup.run(&["--check-config"]);
        assert!(ended.only_line().contains(&format!("{file} expired on 2020-01-01T00:00:00Z")), "{ended:?}");
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{table}");

        let https = ["--https-listen", "127.0.0.1:0"];
        let host = setup.start(if table == "xmpp" { &[] } else { &https });
        let says = |part: &str| host.stderr.wait(part, |log| log.contains(part).then_some(()));
        says(&format!("{file} expired on"));
        write_certificate_of(&setup, "other.example", 4096);
        says("a new certificate is in use");
        says(&format!("{file} is for other.example, and not for example.com"));
        fs::write(setup.path("key.pem"), "").unwrap();
        says("the new certificate is not used, the one before stays");
        write_certificate_of(&setup, "example.com", 2020);
        says("expired on 2020-01-01T00:00:00Z, and clients refuse it");
        assert_eq!(host.stop().code, Some(0));

        write_certificate_of(&setup, "other.example", 4096);
        let ended = setup.run(&["--check-config"]);
        assert!(ended.only_line().contains(&format!("{file} is for other.example")), "{ended:?}");
        assert_eq!(ended.code, Some(0), "{table}");
    }
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
