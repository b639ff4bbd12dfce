//! What listeners show to prove who they are: certificates in files, for HTTPS and for XMPP alike.
//!
//! - [`files`]: where a chain and its key are; [`loaded`]: both, read and found usable, or what is wrong with which file;
//! - [`leaf`]: until when a certificate is good, and for whom;
//! - [`certificates`]: the one that is in use, and the next one when the files change.
//!
//! A certificate that has expired is still shown: a restart is to take no service down, and some clients do not look. But it
//! is complained of, at the start and every day, and `--check-config` refuses it.

mod certificates;
mod error;
mod files;
mod leaf;
mod loaded;
#[cfg(test)]
mod tests;

use std::time::SystemTime;

use crate::config::{Config, HostConfig, TlsConfig, XmppCertificate};

pub(crate) use certificates::Certificates;
pub use error::TlsError;
pub(crate) use files::CertificateFiles;

/// Can the certificates that are configured be used, and will clients take them? What is allowed and probably not meant comes
/// back, one line each.
///
/// # Errors
///
/// As at start: a file that cannot be read or is no PEM, a key that is not the certificate's. And one that has expired, or is
/// not valid yet.
pub fn check(config: &Config) -> Result<Vec<String>, TlsError> {
    let now = SystemTime::now();
    let http = config.http.tls.as_ref().map(|tls| CertificateFiles::of_http(tls, domains(&config.hosts)));
    let mut warnings = Vec::new();
    for files in http.into_iter().chain(of_xmpp(config)).chain(of_attach(config)) {
        let found = files.load()?;
        if let Some(fault) = found.leaf.out_of_date(&files, now) {
            return Err(fault);
        }
        warnings.extend(found.leaf.complaints(&files, now));
    }
    Ok(warnings)
}

/// The files of the XMPP endpoint, if it has some of its own.
fn of_xmpp(config: &Config) -> Option<CertificateFiles> {
    let XmppCertificate::Files { certificate, key } = &config.xmpp.as_ref()?.certificate else { return None };
    let with_accounts = config.hosts.iter().filter(|host| host.accounts.is_some());
    let files = TlsConfig::new(certificate.clone(), key.clone());
    Some(CertificateFiles::of_xmpp(&files, domains(with_accounts)))
}

/// The files of the listener for attached servers, if it has some.
fn of_attach(config: &Config) -> Option<CertificateFiles> {
    let (certificate, key) = config.attach.as_ref()?.tls.clone()?;
    Some(CertificateFiles::of_attach(&TlsConfig::new(certificate, key)))
}

fn domains<'a>(hosts: impl IntoIterator<Item = &'a HostConfig>) -> Vec<String> {
    hosts.into_iter().map(|host| host.domain.clone()).collect()
}
