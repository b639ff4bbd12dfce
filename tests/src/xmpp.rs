//! What tests of the XMPP endpoint share: a host that people can log in to, a certificate, and a client's end of a stream.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use roster_host::config::{AccountsConfig, Config, Secret, TlsConfig, XmppConfig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

use crate::host::config;
use crate::web_app::WebApp;

/// Longer than anything takes on a busy machine.
pub const LONG: Duration = Duration::from_secs(30);
/// A client begins its stream, or begins it anew.
pub const OPEN: &str = "<stream:stream to='localhost' version='1.0' xmlns='jabber:client' \
                        xmlns:stream='http://etherx.jabber.org/streams'>";
/// What PLAIN says of john, `\0john\0secret`.
pub const JOHN: &str = "AGpvaG4Ac2VjcmV0";
/// `\0marie\0secret`.
pub const MARIE: &str = "AG1hcmllAHNlY3JldA==";

/// Logs in with `credentials` of PLAIN.
pub fn auth(credentials: &str) -> String {
    format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{credentials}</auth>")
}

/// A port the system picks.
pub fn any() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// One listener, and passwords may cross the network.
pub fn open_to_all() -> XmppConfig {
    XmppConfig {
        listen: Some(any()),
        tls_listen: None,
        require_encryption: false,
        allow_unencrypted_plain_auth: true,
        ..XmppConfig::default()
    }
}

/// A host that john and marie can log in to.
pub fn with_xmpp(app: &WebApp, xmpp: XmppConfig) -> Config {
    let mut config = config(app);
    config.xmpp = Some(xmpp);
    let passwords = ["john", "marie"].map(|user| (user.to_owned(), Secret::new("secret")));
    config.hosts[0].accounts = Some(AccountsConfig::Fixed(passwords.to_vec()));
    config
}

/// Sends `text` and reads until `what` has come.
pub async fn ask<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, text: &str, what: &str) -> String {
    ask_for_one(stream, text, &[what]).await
}

/// Sends `text` and reads until one of `ends` has come; until the server closes if there are none.
pub async fn ask_for_one<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, text: &str, ends: &[&str]) -> String {
    // The server may have closed already; if it must not have, that shows when reading.
    let _ = stream.write_all(text.as_bytes()).await;
    let (mut all, mut buffer) = (String::new(), [0; 4096]);
    while !ends.iter().any(|end| all.contains(end)) {
        let read = timeout(LONG, stream.read(&mut buffer)).await.unwrap_or_else(|_| panic!("no {ends:?} in {all}"));
        match read {
            Ok(read) if read > 0 => all.push_str(std::str::from_utf8(&buffer[..read]).unwrap()),
            closed => {
                assert!(ends.is_empty(), "{closed:?} before {ends:?}: {all}");
                break;
            }
        }
    }
    all
}

/// A new certificate for localhost in two files, and its text.
pub fn certificate(folder: &Path, name: &str) -> (TlsConfig, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let [certificate, key] = ["cert", "key"].map(|kind| folder.join(format!("{name}-{kind}.pem")));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (TlsConfig { listen: any(), ..TlsConfig::new(certificate, key) }, made.cert.pem())
}

/// TLS with nobody but the owner of the certificate in `pem`.
pub async fn tls(stream: TcpStream, pem: &str) -> io::Result<TlsStream<TcpStream>> {
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
