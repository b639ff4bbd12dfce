//! Whom to trust, and what to say when trust fails.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::{AlertDescription, CertificateError, RootCertStore};

use crate::http_client::build_error::ClientBuildError;
use crate::http_client::error::{ErrorKind, Failure, cause};
use crate::model::read_file;

/// Names of a certificate for others that an error shows.
const MOST_NAMES: usize = 5;
/// A longer `ca_file` is something else, bytes. All the system's certificates together are a tenth of it.
const LONGEST_FILE: u64 = 4 << 20;

/// A TLS configuration that trusts `ca_file`, or the system's certificates when there is none, and offers HTTP/2.
///
/// Reading the system's certificates takes some milliseconds and some hundred kB: call it only when an `https`
/// origin is allowed.
pub(in crate::http_client) fn configure(ca_file: Option<&Path>) -> Result<rustls::ClientConfig, ClientBuildError> {
    let roots = match ca_file {
        Some(path) => from_file(path)?,
        None => from_system()?,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(ClientBuildError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// The certificates in a PEM file. Every one has to be usable: the operator chose them.
fn from_file(path: &Path) -> Result<RootCertStore, ClientBuildError> {
    let fail = |reason: String| ClientBuildError::CaFile { path: path.to_owned(), reason };
    let mut roots = RootCertStore::empty();
    let content = read_file(path, LONGEST_FILE).map_err(|error| fail(error.to_string()))?;
    for certificate in CertificateDer::pem_slice_iter(&content) {
        let certificate = certificate.map_err(|error| fail(error.to_string()))?;
        roots.add(certificate).map_err(|error| fail(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(fail("it holds no PEM certificate".to_owned()));
    }
    Ok(roots)
}

/// The system's certificates. Odd ones among them are usual and skipped.
fn from_system() -> Result<RootCertStore, ClientBuildError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let reason = found.errors.first().map_or_else(|| "none found".to_owned(), ToString::to_string);
        return Err(ClientBuildError::SystemCertificates { reason });
    }
    Ok(roots)
}

/// Puts the reason of a failed handshake into words an operator can act on.
pub(in crate::http_client) fn explain(error: &io::Error) -> Failure {
    use rustls::Error;
    let other = |what: &str| Failure::new(ErrorKind::Tls, format!("TLS failed: {what}"));
    match cause::<Error>(error) {
        Some(Error::InvalidCertificate(problem)) => Failure::new(ErrorKind::Certificate, certificate(problem)),
        Some(Error::InvalidMessage(_)) => other("the server does not speak TLS on this port"),
        Some(Error::AlertReceived(alert)) => other(&told(*alert)),
        Some(Error::PeerIncompatible(problem)) => {
            other(&format!("the server and the host have no version or cipher in common ({problem:?})"))
        }
        Some(failed) => other(&failed.to_string()),
        None => match error.kind() {
            io::ErrorKind::UnexpectedEof => other("the server closed the connection during the handshake"),
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                other("the server reset the connection during the handshake")
            }
            _ => other(&error.to_string()),
        },
    }
}

/// What the server said when it ended the handshake.
fn told(alert: AlertDescription) -> String {
    let what = match alert {
        AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity => {
            "has no cipher or certificate for this host"
        }
        AlertDescription::ProtocolVersion => "speaks no version of TLS that the host does (1.2 and 1.3)",
        AlertDescription::UnrecognisedName => "has no certificate for this name",
        AlertDescription::CertificateRequired => "asks for a client certificate, and the host has none",
        AlertDescription::NoApplicationProtocol => "speaks neither HTTP/1.1 nor HTTP/2 there",
        _ => "ended the handshake",
    };
    format!("the server {what} (alert {alert:?})")
}

fn certificate(problem: &CertificateError) -> String {
    let text = match problem {
        CertificateError::UnknownIssuer => {
            "the certificate's issuer is not trusted (client.ca_file names the certificates to trust)"
        }
        CertificateError::BadSignature => {
            "the certificate was not signed by the trusted issuer whose name it gives (was the issuer made anew?)"
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            // They come as `DnsName("...")`.
            let bare = |name: &'_ String| name.split('"').nth(1).unwrap_or(name).to_owned();
            let names: Vec<_> = presented.iter().take(MOST_NAMES).map(bare).collect();
            let names = if names.is_empty() { "no name".to_owned() } else { names.join(", ") };
            return format!("the certificate is for another name: for {names}, not for {}", expected.to_str());
        }
        CertificateError::NotValidForName => "the certificate is for another name",
        CertificateError::ExpiredContext { not_after, .. } => {
            return format!("the certificate has expired, on {}", day(*not_after));
        }
        CertificateError::Expired => "the certificate has expired",
        CertificateError::NotValidYetContext { not_before, .. } => {
            return format!("the certificate is not valid yet, but from {} on", day(*not_before));
        }
        CertificateError::NotValidYet => "the certificate is not valid yet",
        CertificateError::Revoked => "the certificate is revoked",
        other => return format!("the certificate is not usable: {other}"),
    };
    text.to_owned()
}

fn day(time: UnixTime) -> String {
    let time = UNIX_EPOCH.checked_add(Duration::from_secs(time.as_secs())).unwrap_or(UNIX_EPOCH);
    humantime::format_rfc3339_seconds(time).to_string()
}
