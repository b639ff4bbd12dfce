//! A file of one key: a line that says what follows, the key, the value.

use std::num::NonZeroU64;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use roster_proxy_state::{Entry, Revision};
use sha2::{Digest, Sha256};

const FORMAT: &str = "roster-state-1";
/// What a name of a file has as it is. No `~`, so that no key has the name of the folder of claims.
const PLAIN: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_');
/// The longest name that is the key; file systems take 255 bytes, and a claim's name is longer.
const LONGEST: usize = 180;

/// The name of the file for `key`. A long key gives its beginning and a digest.
pub(crate) fn name(key: &str) -> String {
    let encoded = utf8_percent_encode(key, &PLAIN).to_string();
    match encoded.get(..LONGEST / 2) {
        Some(start) if encoded.len() > LONGEST => {
            let digest: String = Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{start}={digest}")
        }
        _ => encoded,
    }
}

pub(crate) fn encode(revision: Revision, key: &str, value: &[u8]) -> Vec<u8> {
    let checksum = checksum(key, value);
    let line = format!("{FORMAT} {:016x} {checksum:08x} {} {}\n", revision.0, key.len(), value.len());
    [line.as_bytes(), key.as_bytes(), value].concat()
}

/// The key and what is kept for it, if the file is whole.
pub(crate) fn decode(bytes: &[u8]) -> Option<(&str, Entry)> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (line, rest) = (std::str::from_utf8(bytes.get(..end)?).ok()?, bytes.get(end + 1..)?);
    let mut fields = line.strip_prefix(FORMAT)?.strip_prefix(' ')?.split(' ');
    let revision = NonZeroU64::new(u64::from_str_radix(fields.next()?, 16).ok()?)?;
    let expected = u32::from_str_radix(fields.next()?, 16).ok()?;
    let (key, length): (usize, usize) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    let (key, value) = rest.split_at_checked(key)?;
    let key = std::str::from_utf8(key).ok()?;
    let whole = value.len() == length && checksum(key, value) == expected && fields.next().is_none();
    whole.then(|| (key, Entry { revision: Revision(revision), value: value.to_vec() }))
}

fn checksum(key: &str, value: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key.as_bytes());
    hasher.update(value);
    hasher.finalize()
}
