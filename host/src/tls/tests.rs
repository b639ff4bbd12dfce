//! Files with every kind of fault.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use tempfile::TempDir;

use super::certificates::{Certificates, Complaints};
use super::files::CertificateFiles;
use super::{TlsError, check};
use crate::config::{Config, HostConfig, TlsConfig, XmppCertificate, XmppConfig};
use crate::metrics::Metrics;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// 2030-06-15, the present of these tests.
fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_907_712_000)
}

/// What a certificate authority hands out.
struct Pair {
    certificate: String,
    key: KeyPair,
    der: Vec<u8>,
}

fn pair(names: &[&str], from: (i32, u8, u8), until: (i32, u8, u8)) -> Pair {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.not_before = date_time_ymd(from.0, from.1, from.2);
    params.not_after = date_time_ymd(until.0, until.1, until.2);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    Pair { certificate: certificate.pem(), der: certificate.der().to_vec(), key }
}

fn good() -> Pair {
    pair(&["example.com"], (2030, 1, 1), (2031, 1, 1))
}

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn config(&self) -> TlsConfig {
        TlsConfig::new(self.0.path().join("chain.pem"), self.0.path().join("key.pem"))
    }

    fn files(&self, names: &[&str]) -> CertificateFiles {
        CertificateFiles::of_http(&self.config(), names.iter().map(|name| (*name).to_owned()).collect())
    }

    fn write(&self, certificate: impl AsRef<[u8]>, key: impl AsRef<[u8]>) {
        fs::write(self.config().certificate, certificate).unwrap();
        fs::write(self.config().key, key).unwrap();
    }

    fn put(&self, pair: &Pair) {
        self.write(&pair.certificate, pair.key.serialize_pem());
    }

    /// Names of files without the folder, for comparing.
    fn shown(&self, text: impl ToString) -> String {
        text.to_string().replace(&format!("{}/", self.0.path().display()), "")
    }
}

#[test]
fn files_that_cannot_be_used_are_named_with_what_to_do() {
    let folder = Folder::new();
    let (one, other) = (good(), good());
    let key = one.key.serialize_pem();
    let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    let not_der = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let not_a_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let request = "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n";
    let reversed = other.certificate.clone() + &one.certificate;
    let (no_certificate, no_key) =
        ("chain.pem (http.tls.certificate) has no certificate", "key.pem (http.tls.key) has no private key");
    let bytes = |text: &str| text.as_bytes().to_vec();
    for (name, certificate, key, expected) in [
        ("an empty chain", bytes(""), bytes(&key), [no_certificate, "it is empty"]),
        ("an empty key", bytes(&one.certificate), bytes(" \n"), [no_key, "it is empty"]),
        ("text", bytes("hello"), bytes(&key), [no_certificate, "it has no CERTIFICATE section"]),
        ("DER", one.der.clone(), bytes(&key), [no_certificate, "DER form; convert it with: openssl x509 -inform der"]),
        (
            "a DER key",
            bytes(&one.certificate),
            one.key.serialize_der(),
            [no_key, "DER form; convert it with: openssl pkey -inform der"],
        ),
        ("PKCS #12", vec![0x30, 0x82, 1, 2, 3], bytes(&key), [no_certificate, "openssl pkcs12"]),
        ("a request", bytes(request), bytes(&key), [no_certificate, "it has a section CERTIFICATE REQUEST"]),
        ("changed places", bytes(&key), bytes(&one.certificate), [no_certificate, "have changed places"]),
        ("two certificates", bytes(&one.certificate), bytes(&one.certificate), [no_key, "have changed places"]),
        (
            "encrypted",
            bytes(&one.certificate),
            bytes(&encrypted),
            ["the key in key.pem (http.tls.key) is encrypted", "openssl pkey -in key.pem"],
        ),
        (
            "encrypted of old",
            bytes(&one.certificate),
            bytes(old),
            ["the key in key.pem (http.tls.key) is encrypted", "passphrase"],
        ),
        (
            "no DER inside",
            bytes(not_der),
            bytes(&key),
            ["the certificate in chain.pem (http.tls.certificate) cannot be used", ""],
        ),
        (
            "no key inside",
            bytes(&one.certificate),
            bytes(not_a_key),
            ["the key in key.pem (http.tls.key) cannot be used", "ECDSA"],
        ),
        (
            "another's key",
            bytes(&other.certificate),
            bytes(&key),
            [
                "key.pem (http.tls.key) is not the key of the certificate in chain.pem (http.tls.certificate)",
                "issued together",
            ],
        ),
        (
            "the leaf is not first",
            bytes(&reversed),
            bytes(&key),
            ["key.pem (http.tls.key) is not the key", "has to be the first"],
        ),
    ] {
        folder.write(certificate, key);
        let error = folder.files(&[]).load().err().unwrap_or_else(|| panic!("{name}: it is taken"));
        let text = folder.shown(error);
        assert!(text.starts_with(expected[0]) && text.contains(expected[1]), "{name}: {text}");
        assert_eq!(text.lines().count(), 1, "{name}: {text}");
    }
    folder.put(&one);
    fs::remove_file(folder.config().key).unwrap();
    let text = folder.shown(folder.files(&[]).load().err().unwrap());
    assert!(
        text.starts_with("cannot read key.pem (http.tls.key): ") && text.contains("readable for the user"),
        "{text}"
    );
    folder.put(&one);
    fs::set_permissions(folder.config().certificate, fs::Permissions::from_mode(0o000)).unwrap();
    // For root no file is unreadable.
    if let Some(error) = folder.files(&[]).load().err() {
        let text = folder.shown(error);
        assert!(text.starts_with("cannot read chain.pem (http.tls.certificate): "), "{text}");
    }
}

#[test]
fn what_clients_would_refuse_is_complained_of_with_the_files_name() {
    let folder = Folder::new();
    let all = (2030, 1, 1);
    for (name, pair, wanted, expected) in [
        ("good", good(), &["example.com"][..], &[][..]),
        ("any name", pair(&["*.example.com"], all, (2031, 1, 1)), &["chat.example.com"], &[]),
        ("not in ASCII", pair(&["xn--bcher-kva.example"], all, (2031, 1, 1)), &["bücher.example"], &[]),
        ("for ever", pair(&["example.com"], all, (9999, 12, 31)), &["example.com"], &[]),
        (
            "another name",
            pair(&["other.example", "*.example.com"], all, (2031, 1, 1)),
            &["example.com", "a.example.com", "b.example"],
            &["is for other.example, *.example.com, and not for example.com, b.example"],
        ),
        (
            "no name",
            pair(&[], all, (2031, 1, 1)),
            &["example.com"],
            &["is for no name at all, and not for example.com"],
        ),
        ("expired", pair(&["example.com"], all, (2030, 6, 14)), &["example.com"], &["expired on 2030-06-14T00:00:00Z"]),
        (
            "early",
            pair(&["example.com"], (2030, 6, 16), (2031, 1, 1)),
            &[],
            &["is not valid before 2030-06-16T00:00:00Z"],
        ),
        (
            "soon",
            pair(&["example.com"], all, (2030, 6, 28)),
            &["example.com"],
            &["ends on 2030-06-28T00:00:00Z; renew it"],
        ),
        ("not soon", pair(&["example.com"], all, (2030, 6, 30)), &["example.com"], &[]),
        ("made for six days, two left", pair(&["example.com"], (2030, 6, 11), (2030, 6, 17)), &[], &[]),
        ("made for six days, one left", pair(&["example.com"], (2030, 6, 10), (2030, 6, 16)), &[], &["ends on"]),
        (
            "expired and for another",
            pair(&["other.example"], all, (2030, 6, 1)),
            &["example.com"],
            &["expired on", "and not for example.com"],
        ),
    ] {
        folder.put(&pair);
        let files = folder.files(wanted);
        let complaints: Vec<_> = files.load().unwrap().leaf.complaints(&files, now());
        let shown: Vec<_> = complaints.iter().map(|text| folder.shown(text)).collect();
        assert_eq!(shown.len(), expected.len(), "{name}: {shown:?}");
        for (text, part) in shown.iter().zip(expected) {
            let begins = "the certificate in chain.pem (http.tls.certificate) ";
            assert!(text.starts_with(begins) && text.contains(part), "{name}: {text:?} should have {part:?}");
        }
    }
    let (leaf, issuer) = (good(), pair(&["issuer"], (2029, 1, 1), (2030, 6, 1)));
    folder.write(leaf.certificate.clone() + &issuer.certificate, leaf.key.serialize_pem());
    let files = folder.files(&["example.com"]);
    let text = folder.shown(&files.load().unwrap().leaf.complaints(&files, now())[0]);
    assert!(text.starts_with("certificate 2 of the chain in chain.pem (http.tls.certificate) expired on"), "{text}");
}

#[test]
fn a_check_refuses_what_has_expired_and_warns_of_other_names() {
    let folder = Folder::new();
    let host = |domain: &str| HostConfig {
        accounts: Some(crate::config::AccountsConfig::Fixed(Vec::new())),
        domain: domain.to_owned(),
        ..HostConfig::default()
    };
    let TlsConfig { certificate, key, .. } = folder.config();
    let xmpp = XmppConfig { certificate: XmppCertificate::Files { certificate, key }, ..XmppConfig::default() };
    let of_xmpp = Config { hosts: vec![host("example.com")], xmpp: Some(xmpp), ..Config::default() };
    let mut of_http = Config { hosts: vec![host("example.com")], ..Config::default() };
    of_http.http.tls = Some(folder.config());
    for (table, config) in [("http.tls", of_http), ("xmpp", of_xmpp)] {
        folder.put(&pair(&["example.com"], (2020, 1, 1), (2021, 1, 1)));
        let error = check(&config).unwrap_err();
        assert!(matches!(error, TlsError::Expired { .. }), "{error:?}");
        assert!(
            folder.shown(error).starts_with(&format!("the certificate in chain.pem ({table}.certificate) expired"))
        );
        folder.put(&pair(&["example.com"], (2900, 1, 1), (2901, 1, 1)));
        assert!(matches!(check(&config), Err(TlsError::NotYetValid { .. })));
        folder.put(&pair(&["other.example"], (2020, 1, 1), (2900, 1, 1)));
        let warnings = check(&config).unwrap();
        assert!(warnings.len() == 1 && warnings[0].contains("not for example.com"), "{warnings:?}");
        folder.put(&pair(&["example.com"], (2020, 1, 1), (2900, 1, 1)));
        assert_eq!(check(&config).unwrap(), Vec::<String>::new());
    }
}

#[test]
fn a_reload_takes_nothing_that_is_worse_than_what_is_there() {
    let folder = Folder::new();
    let metrics = Metrics::new();
    let load = || Certificates::load(folder.files(&["example.com"]), &metrics).unwrap();
    let expired = || pair(&["example.com"], (2029, 1, 1), (2030, 1, 1));

    folder.put(&good());
    let current = load();
    assert!(!current.look(now()).unwrap(), "nothing has changed");
    for (name, worse, part) in [
        ("expired", expired(), "expired on"),
        ("not yet valid", pair(&["example.com"], (2030, 7, 1), (2031, 1, 1)), "is not valid before"),
    ] {
        folder.put(&worse);
        for _ in 0..2 {
            let error = current.look(now()).unwrap_err().to_string();
            assert!(error.contains(part) && error.contains("chain.pem"), "{name}: {error}");
        }
    }
    assert!(current.look(now() + 30 * DAY).unwrap(), "its time has come");
    folder.write("", "");
    current.look(now()).unwrap_err();
    folder.put(&good());
    assert!(current.look(now()).unwrap());

    folder.put(&expired());
    let current = load();
    folder.put(&expired());
    assert!(current.look(now()).unwrap(), "it is no worse");
    folder.put(&good());
    assert!(current.look(now()).unwrap());
}

#[test]
fn the_same_complaint_is_made_once_a_day() {
    let mut said = Complaints::default();
    let one = |text: &str| vec![text.to_owned()];
    for (after, complaints, due) in [
        (Duration::ZERO, one("a"), 1),
        (DAY / 2, one("a"), 0),
        (DAY, one("a"), 1),
        (DAY + DAY / 2, vec!["a".to_owned(), "b".to_owned()], 1),
        (2 * DAY, vec!["a".to_owned(), "b".to_owned()], 1),
        (2 * DAY, Vec::new(), 0),
        (2 * DAY, one("a"), 1),
    ] {
        assert_eq!(said.due(complaints.clone(), now() + after).len(), due, "{after:?} {complaints:?}");
    }
}
