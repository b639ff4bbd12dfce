//! A chain and its key, as they are on disk.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::InconsistentKeys;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;

use super::TlsError;
use super::files::CertificateFiles;
use super::leaf::Leaf;
use crate::model::read_file;

/// A file that is longer holds something else than a certificate chain or a key, bytes.
const LONGEST_FILE: u64 = 1 << 20;

/// A certificate that can be used.
pub(super) struct Loaded {
    pub(super) certified: Arc<CertifiedKey>,
    pub(super) leaf: Leaf,
}

impl CertificateFiles {
    /// Reads them and looks whether they can be used, whatever their time.
    pub(super) fn load(&self) -> Result<Loaded, TlsError> {
        self.read()?.parse(self)
    }

    pub(super) fn read(&self) -> Result<Content, TlsError> {
        let read = |key, file: &Path| {
            content(file).map_err(|source| TlsError::Read { file: file.to_owned(), table: self.table, key, source })
        };
        Ok(Content { certificate: read("certificate", &self.certificate)?, key: read("key", &self.key)? })
    }
}

/// What the two files contain.
#[derive(Hash)]
pub(super) struct Content {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Content {
    pub(super) fn parse(&self, files: &CertificateFiles) -> Result<Loaded, TlsError> {
        let chain = self.chain(files)?;
        let key = self.private_key(files)?;
        let table = files.table;
        let provider = ring::default_provider();
        let signing = provider.key_provider.load_private_key(key).map_err(|source| TlsError::Key {
            table,
            file: files.key.clone(),
            source,
        })?;
        let certified = CertifiedKey::new(chain, signing);
        match certified.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => {
                let leaf = Leaf::of(&certified.cert, &files.names);
                Ok(Loaded { certified: Arc::new(certified), leaf })
            }
            Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => Err(TlsError::Mismatch {
                table,
                certificate: files.certificate.clone(),
                key: files.key.clone(),
                hint: mismatch(certified),
            }),
            Err(source) => Err(TlsError::Unusable { table, certificate: files.certificate.clone(), source }),
        }
    }

    fn chain(&self, files: &CertificateFiles) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.certificate).collect();
        let error = match chain {
            Ok(chain) if !chain.is_empty() => return Ok(chain),
            Ok(_) => None,
            Err(error) => Some(error.to_string()),
        };
        let reason = if ParsedCertificate::try_from(&CertificateDer::from_slice(&self.certificate)).is_ok() {
            let file = files.certificate.display();
            format!(
                "it is in DER form; convert it with: openssl x509 -inform der -in {file} -out NEW, and name the new file"
            )
        } else {
            why(&self.certificate, "CERTIFICATE", error)
        };
        Err(files.no_certificate(reason))
    }

    fn private_key(&self, files: &CertificateFiles) -> Result<PrivateKeyDer<'static>, TlsError> {
        let text = String::from_utf8_lossy(&self.key);
        // The second is how OpenSSL before 1.0 wrote it.
        if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") || text.contains("Proc-Type: 4,ENCRYPTED") {
            return Err(TlsError::Encrypted { file: files.key.clone(), table: files.table });
        }
        PrivateKeyDer::from_pem_slice(&self.key).map_err(|error| {
            files.no_key(if PrivateKeyDer::try_from(self.key.as_slice()).is_ok() {
                let file = files.key.display();
                format!("it is in DER form; convert it with: openssl pkey -inform der -in {file} -out NEW, and name the new file")
            } else {
                why(&self.key, "PRIVATE KEY", Some(error.to_string()))
            })
        })
    }
}

/// What a file is that is not what it should be.
fn why(content: &[u8], expected: &str, error: Option<String>) -> String {
    let text = String::from_utf8_lossy(content);
    let sections: Vec<&str> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("-----BEGIN ")?.strip_suffix("-----"))
        .map(|name| if name.ends_with("PRIVATE KEY") { "PRIVATE KEY" } else { name })
        .collect();
    if text.trim().is_empty() {
        return "it is empty".to_owned();
    }
    if sections.contains(&expected) {
        return error.unwrap_or_else(|| "its sections do not end".to_owned());
    }
    match sections.first() {
        Some(&"PRIVATE KEY" | &"CERTIFICATE") => {
            let other = if expected == "CERTIFICATE" { "a private key" } else { "a certificate" };
            format!("it has {other}; certificate and key seem to have changed places")
        }
        Some(other) => format!("it has a section {}; expected {expected}", other.escape_default()),
        // The first byte of everything in DER.
        None if content.first() == Some(&0x30) => {
            "it is binary, perhaps PKCS #12; convert it with: openssl pkcs12 -nodes -in FILE -out NEW".to_owned()
        }
        None => format!("it has no {expected} section"),
    }
}

fn mismatch(certified: CertifiedKey) -> &'static str {
    let CertifiedKey { mut cert, key, .. } = certified;
    let is_of =
        |one: &CertificateDer<'static>| CertifiedKey::new(vec![one.clone()], Arc::clone(&key)).keys_match().is_ok();
    let is_there = cert.drain(1..).any(|one| is_of(&one));
    if is_there {
        "the key's is further down in the file, and has to be the first"
    } else {
        "name the two files that were issued together"
    }
}

fn content(file: &Path) -> io::Result<Vec<u8>> {
    read_file(file, LONGEST_FILE)
}
