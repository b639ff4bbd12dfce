//! A file of one key: a line that says what follows, the key, the value.

use std::num::NonZeroU64;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use roster_proxy_state::{Entry, Revision};
use sha2::{Digest, Sha256};

const FORMAT: &str = "roster-state-1";
/// The longest first line, bytes.
const LONGEST_HEADER: usize = 100;
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
    let header = Header::read(bytes)?;
    let (key, value) = bytes.get(header.length..)?.split_at_checked(header.key)?;
    let key = std::str::from_utf8(key).ok()?;
    let whole = value.len() == header.value && checksum(key, value) == header.checksum;
    whole.then(|| (key, Entry { revision: header.revision, value: value.to_vec() }))
}

/// Whether nothing is to come any more.
pub(crate) fn is_whole(bytes: &[u8]) -> bool {
    Header::read(bytes).is_some_and(|header| {
        bytes.len().checked_sub(header.length + header.key).is_some_and(|value| value >= header.value)
    })
}

/// The first line.
struct Header {
    revision: Revision,
    checksum: u32,
    key: usize,
    value: usize,
    /// Its own, with the line break.
    length: usize,
}

impl Header {
    fn read(bytes: &[u8]) -> Option<Self> {
        let end = bytes.iter().take(LONGEST_HEADER).position(|byte| *byte == b'\n')?;
        let line = std::str::from_utf8(bytes.get(..end)?).ok()?;
        let mut fields = line.strip_prefix(FORMAT)?.strip_prefix(' ')?.split(' ');
        let revision = Revision(NonZeroU64::new(u64::from_str_radix(fields.next()?, 16).ok()?)?);
        let checksum = u32::from_str_radix(fields.next()?, 16).ok()?;
        // No more than a component can have.
        let mut number = || fields.next()?.parse::<u32>().ok()?.try_into().ok();
        let (key, value) = (number()?, number()?);
        Some(Self { revision, checksum, key, value, length: end + 1 }).filter(|_| fields.next().is_none())
    }
}

fn checksum(key: &str, value: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key.as_bytes());
    hasher.update(value);
    hasher.finalize()
}
