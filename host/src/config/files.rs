//! Files that the configuration names: are they there, and what secret is in them?

use std::fs;
use std::io::{self, Read};
use std::path::Path;

/// The longest file of a secret, bytes.
const MAX_SECRET: u64 = 64 << 10;

/// What a secret is used as, which says what it may consist of.
#[derive(Clone, Copy)]
pub(super) enum SecretUse {
    /// RFC 6750 section 2.1, the characters that fit into a header as they are.
    BearerToken,
    /// RFC 7617 section 2.
    Password,
}

impl SecretUse {
    pub(super) fn check(self, secret: &str) -> Result<(), &'static str> {
        match self {
            Self::BearerToken if !secret.chars().all(|c| c.is_ascii_graphic()) => {
                Err("a token is made of visible ASCII characters, without spaces and line breaks")
            }
            Self::Password if secret.contains(char::is_control) => {
                Err("a password has no control characters or line breaks")
            }
            _ => Ok(()),
        }
    }
}

/// The text of a file, without the line break at its end.
pub(super) fn read_secret(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let file = open(path)?;
    file.take(MAX_SECRET + 1).read_to_end(&mut bytes).map_err(|error| why_not(path, &error))?;
    if bytes.len() as u64 > MAX_SECRET {
        return Err(format!("longer than {MAX_SECRET} bytes: {}", path.display()));
    }
    let mut text = String::from_utf8(bytes).map_err(|_| format!("not UTF-8 text: {}", path.display()))?;
    // Editors and `echo` end a file with a line break, which is no part of the secret.
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    if text.is_empty() { Err(format!("the file is empty: {}", path.display())) } else { Ok(text) }
}

/// Opens a file that has to be there. A pipe or a device is refused: opening one may wait for ever.
pub(super) fn open(path: &Path) -> Result<fs::File, String> {
    let metadata = fs::metadata(path).map_err(|error| why_not(path, &error))?;
    if !metadata.is_file() {
        return Err(format!("not a file: {}", path.display()));
    }
    fs::File::open(path).map_err(|error| why_not(path, &error))
}

/// Why a file cannot be read, in the words of an operator.
fn why_not(path: &Path, error: &io::Error) -> String {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::NotFound => format!("no such file: {path}"),
        io::ErrorKind::PermissionDenied => format!("no permission to read {path}"),
        _ => format!("cannot read {path}: {error}"),
    }
}

/// The same where the file has been named.
pub(super) fn unreadable(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "no permission to read it".to_owned(),
        _ => format!("cannot be read: {error}"),
    }
}
