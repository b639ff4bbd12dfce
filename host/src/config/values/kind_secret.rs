//! Kinds of values that are in files of their own: secrets and certificates.

use std::path::PathBuf;

use toml::de::DeValue;

use super::kind::{existing_file, path};
use crate::config::Secret;
use crate::config::files::{SecretUse, read_secret};
use crate::config::mistakes::place::At;
use crate::config::table::{Entry, Key, Kind};

/// A password or token, here or in a file of its own; its errors never repeat the value.
pub(in crate::config) struct SecretKeys(SecretUse);

/// A key, and with it `key_file`.
pub(in crate::config) fn secret(used: SecretUse) -> SecretKeys {
    SecretKeys(used)
}

/// A text that may be a secret; the error does not repeat it.
pub(in crate::config) fn secret_text(value: &DeValue<'_>) -> Result<String, String> {
    match value {
        DeValue::String(text) if !text.is_empty() => Ok(text.clone().into_owned()),
        DeValue::String(_) => Err("is empty".into()),
        _ => Err("expected a string".into()),
    }
}

impl SecretKeys {
    /// Whether either of the keys is in the file.
    pub(in crate::config) fn is_given(at: &At<'_>, key: &str) -> bool {
        at.has(key) || at.has(&format!("{key}_file"))
    }
}

impl Kind for SecretKeys {
    type Value = Option<Secret>;

    fn read(&self, at: &At<'_>, key: &'static str, _: Option<Secret>) -> Option<Secret> {
        let file_key = format!("{key}_file");
        let (at_text, at_file) = (at.key(key), at.key(&file_key));
        if at_text.is_given() && at_file.is_given() {
            at_file.problem(format!("{key} is given too; give one of the two"));
            return None;
        }
        let check = |text: String| self.0.check(&text).map(|()| Secret::new(text)).map_err(str::to_owned);
        match at_file.is_given() {
            true => {
                let path = path().read_at(&at_file)?;
                at_file.read(|_| read_secret(&path).and_then(check))
            }
            false => at_text.read(|value| secret_text(value).and_then(check)),
        }
    }

    fn entries(&self, key: &'static str, about: &'static str, value: &Option<Secret>) -> Vec<Entry> {
        let shown = value.as_ref().map_or("none", Secret::reveal).to_owned();
        vec![
            Entry::Key(Key { secret: true, ..Key::new(key, "text", shown, about) }),
            Entry::Key(Key::new(
                format!("{key}_file"),
                "file",
                "none",
                "The same in a file of its own. A line break at its end is no part of it.",
            )),
        ]
    }
}

/// The same where there has to be one of the two.
pub(in crate::config) struct Required(SecretKeys);

impl SecretKeys {
    pub(in crate::config) fn required(self) -> Required {
        Required(self)
    }
}

impl Kind for Required {
    type Value = Secret;

    fn read(&self, at: &At<'_>, key: &'static str, default: Secret) -> Secret {
        if !SecretKeys::is_given(at, key) {
            at.key(key).problem(format!("is missing; give {key} or {key}_file"));
        }
        self.0.read(at, key, None).unwrap_or(default)
    }

    fn entries(&self, key: &'static str, about: &'static str, value: &Secret) -> Vec<Entry> {
        self.0.entries(key, about, &Some(value.clone()))
    }
}

/// `certificate` and `key`, which go together.
pub(in crate::config) struct Pair;

impl Kind for Pair {
    type Value = Option<(PathBuf, PathBuf)>;

    fn read(&self, at: &At<'_>, _: &'static str, _: Self::Value) -> Self::Value {
        if at.has("certificate") != at.has("key") {
            let missing = if at.has("key") { "certificate" } else { "key" };
            at.key(missing).problem("is missing; certificate and key go together");
        }
        // Both looked at before either ends this: each fault is to be told.
        let file = || existing_file().or_none();
        let certificate = file().read(at, "certificate", None);
        certificate.zip(file().read(at, "key", None))
    }

    fn entries(&self, _: &'static str, about: &'static str, value: &Self::Value) -> Vec<Entry> {
        let (certificate, key) = value.clone().unzip();
        let file = || existing_file().or_none();
        let mut entries = file().entries("certificate", about, &certificate);
        entries.extend(file().entries("key", "The key of the certificate, a PEM file.", &key));
        entries
    }
}
