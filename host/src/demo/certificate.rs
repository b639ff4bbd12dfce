//! A certificate for one run of the demo: clients see TLS at work, and nobody vouches for it.

use std::fmt::Write as _;

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sha2::{Digest, Sha256};

use super::DOMAIN;
use crate::config::{Secret, XmppCertificate};

/// Names a client on this machine may know the demo by.
const NAMES: [&str; 3] = [DOMAIN, "127.0.0.1", "::1"];

/// The demo's certificate cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("the demo's certificate cannot be made: {0}")]
pub struct CertificateError(#[from] rcgen::Error);

/// A self-signed certificate with a new key.
pub(super) fn self_signed() -> Result<XmppCertificate, CertificateError> {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(NAMES.map(str::to_owned))?;
    Ok(XmppCertificate::Inline { key: Secret::new(signing_key.serialize_pem()), chain: cert.pem() })
}

/// A token for one run of the demo.
pub(super) fn token() -> Result<Secret, CertificateError> {
    let random = Sha256::digest(KeyPair::generate()?.serialize_der());
    let token = random.iter().take(16).fold(String::new(), |mut token, byte| {
        let _ = write!(token, "{byte:02x}");
        token
    });
    Ok(Secret::new(token))
}

/// SHA-256 of its DER form, as OpenSSL and clients show it.
pub(super) fn fingerprint(certificate: &XmppCertificate) -> Option<String> {
    let XmppCertificate::Inline { chain, .. } = certificate else { return None };
    let leaf = CertificateDer::from_pem_slice(chain.as_bytes()).ok()?;
    let mut fingerprint = String::new();
    for byte in Sha256::digest(&leaf) {
        let colon = if fingerprint.is_empty() { "" } else { ":" };
        let _ = write!(fingerprint, "{colon}{byte:02X}");
    }
    Some(fingerprint)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_run_has_another_and_its_fingerprint_is_that_of_openssl() {
        let [one, other] = [self_signed().unwrap(), self_signed().unwrap()].map(|made| fingerprint(&made).unwrap());
        assert_ne!(one, other);
        assert_eq!(one.split(':').count(), 32);
        assert!(one.split(':').all(|byte| byte.len() == 2 && u8::from_str_radix(byte, 16).is_ok()), "{one}");
    }
}
