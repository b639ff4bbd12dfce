//! Whom to trust, and what to say when trust fails.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{CertificateError, RootCertStore};

use super::ClientBuildError;
use super::error::cause;

/// A TLS configuration that trusts `ca_file`, or the system's certificates when there is none, and offers HTTP/2.
///
/// Reading the system's certificates takes some milliseconds and some hundred kB: call it only when an `https`
/// origin is allowed.
pub(super) fn configure(ca_file: Option<&Path>) -> Result<rustls::ClientConfig, ClientBuildError> {
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
pub(super) fn from_file(path: &Path) -> Result<RootCertStore, ClientBuildError> {
    let fail = |reason: String| ClientBuildError::CaFile { path: path.to_owned(), reason };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| fail(error.to_string()))? {
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

/// What went wrong in a handshake.
pub(super) enum TlsFailure {
    /// The certificate is not to be trusted.
    Certificate(String),
    /// Anything else.
    Other(String),
}

/// Puts the reason of a failed handshake into words an operator can act on.
pub(super) fn explain(error: &io::Error) -> TlsFailure {
    use rustls::Error;
    match cause::<Error>(error) {
        Some(Error::InvalidCertificate(problem)) => TlsFailure::Certificate(certificate(problem)),
        Some(Error::InvalidMessage(_)) => TlsFailure::Other("the server does not speak TLS on this port".to_owned()),
        Some(other) => TlsFailure::Other(other.to_string()),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            TlsFailure::Other("the server closed the connection during the handshake".to_owned())
        }
        None => TlsFailure::Other(error.to_string()),
    }
}

fn certificate(problem: &CertificateError) -> String {
    let text = match problem {
        CertificateError::UnknownIssuer => {
            "the certificate's issuer is not trusted (ca_file names the certificates to trust)"
        }
        CertificateError::BadSignature => {
            "the certificate was not signed by the trusted issuer whose name it gives (was the issuer made anew?)"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the certificate is for another name"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "the certificate has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the certificate is not valid yet"
        }
        CertificateError::Revoked => "the certificate is revoked",
        other => return format!("the certificate is not usable: {other}"),
    };
    text.to_owned()
}
