//! The validator that the host keeps beside a roster: what the next answer is held against before it is parsed.
//!
//! A tag holds a digest of the body and the `ETag` it came with, if it had one. With an `ETag` the next request is
//! conditional and a 304 costs nothing; without one, the digest recognises the same body without parsing it.
//!
//! The digest is 128 bits of XXH3 with a random seed that is kept in the tag. XXH3 is not a cryptographic hash; the
//! seed is there so that nobody can write a body beforehand that collides with another.
//!
//! The digest also covers what else decides how a body is read: the URL, the domain, the user and [`DECODER`]. A
//! tag made under other settings or by another plugin matches nothing, so the answer is read anew.

use std::hash::{BuildHasher, Hasher, RandomState};

use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128_with_seed};

use crate::settings::Settings;

/// What a tag begins with: this plugin, and the form of its tags.
const MAGIC: [u8; 4] = *b"HRA\x01";

/// The version of everything that turns a body into a roster. Raise it with any change to that, or rosters stay as
/// the old plugin read them until the application changes them.
const DECODER: u64 = 2;

/// An `ETag` longer than this (in bytes) is not kept. The host drops tags over 4096.
const LONGEST_ETAG: usize = 1024;

/// What one request means for its answer: the part of a tag that is known before the answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Context {
    seed: u64,
    digest: u64,
}

impl Context {
    /// With a new random seed.
    pub(crate) fn new(settings: &Settings, user: &str) -> Self {
        // The standard library asks the system once and gives a different hasher each time.
        Self::seeded(RandomState::new().build_hasher().finish(), settings, user)
    }

    fn seeded(seed: u64, settings: &Settings, user: &str) -> Self {
        let parts = [settings.url.source(), &settings.domain, user];
        let digest = parts.iter().fold(seed.wrapping_add(DECODER), |seed, part| {
            // The length keeps ("a", "bc") and ("ab", "c") apart.
            xxh3_64_with_seed(part.as_bytes(), seed.wrapping_add(part.len() as u64))
        });
        Self { seed, digest }
    }

    /// The digest of an answer's body.
    pub(crate) fn digest(&self, body: &[u8]) -> u128 {
        xxh3_128_with_seed(body, self.digest)
    }

    /// The tag of an answer.
    pub(crate) fn tag<'a>(&self, body: &[u8], etag: Option<&'a [u8]>) -> Tag<'a> {
        self.tag_of_digest(self.digest(body), etag)
    }

    /// The tag of an answer whose body has this digest.
    pub(crate) fn tag_of_digest<'a>(&self, body: u128, etag: Option<&'a [u8]>) -> Tag<'a> {
        Tag { context: *self, body, etag: etag.filter(|etag| is_etag(etag)) }
    }
}

/// A decoded tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag<'a> {
    context: Context,
    body: u128,
    etag: Option<&'a [u8]>,
}

impl<'a> Tag<'a> {
    /// Reads a tag back. `None`: it is not one of ours, or was made for another request.
    pub(crate) fn decode(bytes: &'a [u8], settings: &Settings, user: &str) -> Option<Self> {
        let rest = bytes.strip_prefix(&MAGIC)?;
        let (seed, rest) = rest.split_first_chunk()?;
        let (digest, rest) = rest.split_first_chunk()?;
        let (body, etag) = rest.split_first_chunk()?;
        let context = Context::seeded(u64::from_le_bytes(*seed), settings, user);
        let etag = if etag.is_empty() { None } else { Some(etag) };
        let fine = context.digest == u64::from_le_bytes(*digest) && etag.is_none_or(is_etag);
        fine.then_some(Self { context, body: u128::from_le_bytes(*body), etag })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let etag = self.etag.unwrap_or_default();
        let mut bytes = Vec::with_capacity(MAGIC.len() + 8 + 8 + 16 + etag.len());
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&self.context.seed.to_le_bytes());
        bytes.extend_from_slice(&self.context.digest.to_le_bytes());
        bytes.extend_from_slice(&self.body.to_le_bytes());
        bytes.extend_from_slice(etag);
        bytes
    }

    pub(crate) const fn context(&self) -> Context {
        self.context
    }

    /// What to send as `If-None-Match`.
    pub(crate) const fn etag(&self) -> Option<&'a [u8]> {
        self.etag
    }

    /// Is it the tag of a body with this digest (of the same [`Context`]), whatever the `ETag` said?
    pub(crate) const fn is_of_body(&self, digest: u128) -> bool {
        self.body == digest
    }
}

/// An entity tag as RFC 9110 section 8.8.3 writes it. Nothing else may be sent back: a bare `*` matches everything,
/// and a comma would make a list of it.
fn is_etag(text: &[u8]) -> bool {
    let opaque = text.strip_prefix(b"W/").unwrap_or(text);
    let opaque = opaque.strip_prefix(b"\"").and_then(|opaque| opaque.strip_suffix(b"\""));
    text.len() <= LONGEST_ETAG
        && opaque.is_some_and(|opaque| opaque.iter().all(|byte| matches!(byte, 0x21 | 0x23..=0x7E | 0x80..)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn settings(url: &str, domain: &str) -> Settings {
        Settings::new(Some(url), Some(domain)).unwrap()
    }

    #[test]
    fn a_tag_survives_encoding() {
        let settings = settings("http://app/%s", "example.com");
        let context = Context::new(&settings, "john");
        for etag in [None, Some(&b"\"v1\""[..]), Some(b"W/\"v1\""), Some(b"\"\"")] {
            let tag = context.tag(b"{}", etag);
            assert_eq!(tag.etag(), etag);
            assert_eq!(Tag::decode(&tag.encode(), &settings, "john"), Some(tag));
        }
    }

    #[test]
    fn a_tag_is_only_good_for_the_request_it_was_made_for() {
        let ours = settings("http://app/%s", "example.com");
        let tag = Context::new(&ours, "john").tag(b"{}", None).encode();
        assert!(Tag::decode(&tag, &ours, "john").is_some());
        assert!(Tag::decode(&tag, &ours, "marie").is_none());
        assert!(Tag::decode(&tag, &settings("http://app/%s", "example.org"), "john").is_none());
        assert!(Tag::decode(&tag, &settings("http://other/%s", "example.com"), "john").is_none());
        let mut other = tag.clone();
        *other.get_mut(3).unwrap() += 1;
        assert!(Tag::decode(&other, &ours, "john").is_none());
    }

    #[test]
    fn a_seed_is_used_once() {
        let settings = settings("http://app/%s", "example.com");
        assert_ne!(Context::new(&settings, "john"), Context::new(&settings, "john"));
    }

    #[test]
    fn what_is_no_etag_is_not_kept() {
        let long = [b"\"".as_slice(), &[b'x'; 1023], b"\""].concat();
        let settings = settings("http://app/%s", "example.com");
        let context = Context::new(&settings, "john");
        for etag in [&b""[..], b"*", b"abc", b"\"", b"\"a\"b\"", b"\"a\", \"b\"", b"\"a\n\"", b"w/\"a\"", &long] {
            assert_eq!(context.tag(b"{}", Some(etag)).etag(), None, "{}", etag.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_decoding_panic(bytes in any::<Vec<u8>>(), ours in any::<bool>()) {
            let bytes = if ours { [&MAGIC[..], &bytes].concat() } else { bytes };
            prop_assert_eq!(Tag::decode(&bytes, &settings("http://app/%s", "example.com"), "john"), None);
        }

        #[test]
        fn another_body_has_another_digest(a in any::<Vec<u8>>(), b in any::<Vec<u8>>()) {
            let context = Context::new(&settings("http://app/%s", "example.com"), "john");
            prop_assert_eq!(context.tag(&a, None).is_of_body(context.digest(&b)), a == b);
        }
    }
}
