//! What clients look at: until when a certificate is good, and for whom.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error, RootCertStore};

use super::error::{TlsError, date};
use super::files::CertificateFiles;

/// How long before its end a certificate is complained of; of one that is made for a short time, its last third.
const AHEAD: Duration = Duration::from_secs(14 * 24 * 3600);
/// Seconds since 1970; after everything that a certificate can say.
const FAR: u64 = 1 << 40;
/// The names of a certificate that are shown.
const MOST_NAMES: usize = 10;

/// The first certificate of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Leaf {
    /// When it begins and ends; `None` if that cannot be read.
    pub(super) period: Option<(SystemTime, SystemTime)>,
    /// The others of the chain that end before it does: which one, from 2, and when.
    sooner: Option<(usize, SystemTime)>,
    /// Names that clients will ask for, and that it is not for.
    uncovered: Vec<String>,
    /// The names that it is for.
    names: Vec<String>,
}

impl Leaf {
    /// Of `chain`, when clients will ask for `wanted`.
    pub(super) fn of(chain: &[CertificateDer<'_>], wanted: &[String]) -> Self {
        let periods: Vec<_> = chain.iter().map(period).collect();
        let period = periods.first().copied().flatten();
        let ends = periods.iter().enumerate().skip(1).filter_map(|(at, period)| Some((at + 1, period.as_ref()?.1)));
        let soonest = ends.min_by_key(|(_, end)| *end);
        let sooner = soonest.filter(|(_, end)| period.is_some_and(|(_, own)| *end < own));
        let (uncovered, names) = chain.first().map(|leaf| uncovered(leaf, wanted)).unwrap_or_default();
        Self { period, sooner, uncovered, names }
    }

    /// Why clients refuse it at this time, if they do.
    pub(super) fn out_of_date(&self, files: &CertificateFiles, now: SystemTime) -> Option<TlsError> {
        let (table, file) = (files.table, files.certificate.clone());
        let (begins, ended) = self.period?;
        if now >= ended {
            return Some(TlsError::Expired { table, file, ended });
        }
        (now < begins).then_some(TlsError::NotYetValid { table, file, begins })
    }

    /// What the operator should do something about, in a line each.
    pub(super) fn complaints(&self, files: &CertificateFiles, now: SystemTime) -> Vec<String> {
        let mut all = Vec::new();
        let it = format!("the certificate in {} ({}.certificate)", files.certificate.display(), files.table);
        if let Some(fault) = self.out_of_date(files, now) {
            all.push(fault.to_string());
        } else if let Some((begins, ends)) = self.period {
            let life = ends.duration_since(begins).unwrap_or_default();
            if ends.duration_since(now).unwrap_or_default() < AHEAD.min(life / 3) {
                all.push(format!(
                    "{it} ends on {}; renew it before, and put the new one there: the host takes it by itself",
                    date(ends)
                ));
            }
        } else {
            all.push(format!("{it} does not say until when it is valid; have it issued anew"));
        }
        if let Some((number, end)) = self.sooner.filter(|(_, end)| now >= *end) {
            all.push(format!(
                "certificate {number} of the chain in {} ({}.certificate) expired on {}; put the issuer's present one there",
                files.certificate.display(),
                files.table,
                date(end)
            ));
        }
        if !self.uncovered.is_empty() {
            let names = if self.names.is_empty() { "no name at all".to_owned() } else { shown(&self.names) };
            all.push(format!(
                "{it} is for {names}, and not for {}: clients that connect to that refuse it; have it issued for every name \
                 that they use",
                shown(&self.uncovered)
            ));
        }
        all
    }
}

fn shown(names: &[String]) -> String {
    let more = names.len().saturating_sub(MOST_NAMES);
    let some =
        names.iter().take(MOST_NAMES).map(|name| name.escape_default().to_string()).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{some} and {more} more") } else { some }
}

/// What rustls says of it long before and long after its time.
fn period(certificate: &CertificateDer<'_>) -> Option<(SystemTime, SystemTime)> {
    let parsed = ParsedCertificate::try_from(certificate).ok()?;
    let algorithms = ring::default_provider().signature_verification_algorithms;
    let fault_at = |seconds| {
        let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        verify_server_cert_signed_by_trust_anchor(&parsed, &RootCertStore::empty(), &[], now, algorithms.all).err()
    };
    let (Some(Error::InvalidCertificate(early)), Some(Error::InvalidCertificate(late))) = (fault_at(0), fault_at(FAR))
    else {
        return None;
    };
    let CertificateError::ExpiredContext { not_after, .. } = late else { return None };
    let begins = match early {
        CertificateError::NotValidYetContext { not_before, .. } => not_before.as_secs(),
        _ => 0,
    };
    let time = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
    Some((time(begins), time(not_after.as_secs())))
}

/// Those of `wanted` that a client would not take it for, and what it is for.
fn uncovered(certificate: &CertificateDer<'_>, wanted: &[String]) -> (Vec<String>, Vec<String>) {
    let Ok(parsed) = ParsedCertificate::try_from(certificate) else { return Default::default() };
    let (mut uncovered, mut names) = (Vec::new(), Vec::new());
    for name in wanted {
        // As clients ask for it: in ASCII.
        let ascii = url::Host::parse(name).map_or_else(|_| name.clone(), |host| host.to_string());
        let asked = ServerName::try_from(ascii.trim_matches(['[', ']']));
        match asked.map(|asked| verify_server_name(&parsed, &asked)) {
            Ok(Ok(())) => continue,
            Ok(Err(Error::InvalidCertificate(CertificateError::NotValidForNameContext { presented, .. }))) => {
                names = presented.iter().map(|name| bare(name).to_owned()).collect();
            }
            _ => {}
        }
        uncovered.push(name.clone());
    }
    (uncovered, names)
}

/// `DnsName("example.com")` without what is around the name.
fn bare(name: &str) -> &str {
    name.split_once("(\"").and_then(|(_, rest)| rest.strip_suffix("\")")).unwrap_or(name)
}
