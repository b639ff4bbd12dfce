//! Addresses (RFC 7622): any spelling in, the normalised bare JID out.
//!
//! Nearly every address of a roster is plain lowercase ASCII and normal already. Those are recognised by a look at
//! each byte and returned as they are; everything else goes through the `jid` crate. The two agree (see the
//! property tests).

use std::borrow::Cow;
use std::net::Ipv6Addr;

use jid::{DomainPart, NodePart, ResourcePart};

/// Why a text is not a JID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JidError {
    /// The part before the `@` is empty, too long or has characters that are not allowed there.
    #[error("its localpart (before the @) is not valid")]
    Localpart,
    /// The domain is empty, too long or not a domain.
    #[error("its domain is not valid")]
    Domain,
    /// The part after the `/` is empty, too long or has characters that are not allowed there.
    #[error("its resource (after the /) is not valid")]
    Resource,
}

/// The normalised bare JID of a bare or full JID.
///
/// Parts are at most 1023 bytes long (RFC 7622 section 3.1); a domain is a DNS name or an IP address, the latter in
/// brackets if it is IPv6; a final dot is dropped (section 3.2). A JID may have no localpart: gateways have such.
///
/// # Errors
/// Names the part that is wrong.
#[inline]
pub fn normalize(text: &str) -> Result<Cow<'_, str>, JidError> {
    match plain(text) {
        Some(bare) => Ok(Cow::Borrowed(bare)),
        None => prepared(text),
    }
}

/// The normalised form of a domain on its own.
///
/// # Errors
/// [`JidError::Domain`]
pub fn normalize_domain(text: &str) -> Result<Cow<'_, str>, JidError> {
    // Not through `normalize`: "a@b" is a JID and no domain.
    domain(text)
}

const LONGEST_PART: usize = 1023;
const LONGEST_DNS_NAME: usize = 253;
const LONGEST_LABEL: usize = 63;

/// What a byte may be in an address that is normal already.
const LOCAL: u8 = 1;
const DOMAIN: u8 = 2;

/// ASCII that RFC 7622 leaves as it is. Localpart: what is printable, less upper case, the space and `"&'/:<>@`
/// (section 3.3.1). Domain: what a host name is made of.
static CLASS: [u8; 256] = {
    let mut class = [0; 256];
    let mut byte = 0x21;
    while byte < 0x7F {
        let b = byte as u8;
        let mut bits = 0;
        if !b.is_ascii_uppercase() && !matches!(b, b'"' | b'&' | b'\'' | b'/' | b':' | b'<' | b'>' | b'@') {
            bits |= LOCAL;
        }
        if b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' {
            bits |= DOMAIN;
        }
        #[allow(clippy::indexing_slicing, reason = "evaluated at compile time; the index is below 0x7F")]
        {
            class[byte] = bits;
        }
        byte += 1;
    }
    class
};

#[inline]
fn is(byte: u8, class: u8) -> bool {
    CLASS.get(usize::from(byte)).is_some_and(|bits| bits & class != 0)
}

/// The bare JID within `text` if all of it is normal already, else `None` (which says nothing about validity).
#[inline]
fn plain(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let local = bytes.iter().position(|byte| !is(*byte, LOCAL)).unwrap_or(bytes.len());
    let (local, domain, start) = match bytes.get(local) {
        Some(b'@') => (bytes.get(..local)?, bytes.get(local + 1..)?, local + 1),
        // No `@`, or one that comes later than a character that cannot be left of it.
        _ => (&[][..], bytes, 0),
    };
    if (start > 0 && local.is_empty()) || local.len() > LONGEST_PART {
        return None;
    }
    let end = plain_domain(domain)?;
    match domain.get(end..) {
        None | Some([]) => {}
        Some([b'/', resource @ ..]) => {
            let fine = resource.iter().all(|byte| (b' '..=b'~').contains(byte));
            if !fine || resource.is_empty() || resource.len() > LONGEST_PART {
                return None;
            }
        }
        Some(_) => return None,
    }
    text.get(..start + end)
}

/// Where the domain ends that `bytes` begins with, if it is a plain one.
#[inline]
fn plain_domain(bytes: &[u8]) -> Option<usize> {
    let mut label = 0;
    let mut previous = b'.';
    let mut end = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if is(byte, DOMAIN) {
            // No hyphen first; none third and fourth, which is punycode or not a name (RFC 5890 section 2.3.1).
            if byte == b'-' && (label == 0 || (label == 3 && previous == b'-')) {
                return None;
            }
            label += 1;
        } else if byte == b'.' {
            if label == 0 || label > LONGEST_LABEL || previous == b'-' {
                return None;
            }
            label = 0;
        } else {
            break;
        }
        previous = byte;
        end = at + 1;
    }
    let fine = label > 0 && label <= LONGEST_LABEL && previous != b'-' && end <= LONGEST_DNS_NAME;
    fine.then_some(end)
}

/// The same by the `jid` crate, part by part: its `Jid::new` keeps a final dot of the domain in some spellings.
#[cold]
fn prepared(text: &str) -> Result<Cow<'_, str>, JidError> {
    let (bare, resource) = match text.split_once('/') {
        Some((bare, resource)) => (bare, Some(resource)),
        None => (text, None),
    };
    if let Some(resource) = resource {
        ResourcePart::new(resource).map_err(|_| JidError::Resource)?;
    }
    let Some((local, rest)) = bare.split_once('@') else {
        return domain(bare);
    };
    let local = NodePart::new(local).map_err(|_| JidError::Localpart)?;
    let domain = domain(rest)?;
    Ok(Cow::Owned(format!("{}@{domain}", local.as_str())))
}

fn domain(text: &str) -> Result<Cow<'_, str>, JidError> {
    if let Some(address) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        let address: Ipv6Addr = address.parse().map_err(|_| JidError::Domain)?;
        return Ok(Cow::Owned(format!("[{address}]")));
    }
    let domain = match DomainPart::new(text).map_err(|_| JidError::Domain)? {
        Cow::Borrowed(domain) => Cow::Borrowed(domain.as_str()),
        Cow::Owned(domain) => Cow::Owned(domain.into_inner()),
    };
    // The crate lets most ASCII punctuation pass. A host name has none; the underscore is common on private networks.
    let sane = |byte: u8| !byte.is_ascii() || is(byte, DOMAIN) || matches!(byte, b'.' | b'_');
    if domain.is_empty() || domain.len() > LONGEST_PART || !domain.bytes().all(sane) {
        return Err(JidError::Domain);
    }
    Ok(domain)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn normal_jids_are_borrowed() {
        for (text, bare) in [
            ("marie@example.com", "marie@example.com"),
            ("marie@example.com/phone", "marie@example.com"),
            ("gateway.example.com", "gateway.example.com"),
            ("a!#$%()*+,-.;=?[\\]^_`{|}~1@b", "a!#$%()*+,-.;=?[\\]^_`{|}~1@b"),
            ("a@10.0.0.1/x@y/z", "a@10.0.0.1"),
        ] {
            assert!(matches!(normalize(text), Ok(Cow::Borrowed(found)) if found == bare), "{text}");
        }
    }

    #[test]
    fn other_spellings_are_normalised() {
        for (text, bare) in [
            ("Marie@Example.COM", "marie@example.com"),
            ("MARIE@example.com/Phone", "marie@example.com"),
            ("marie@example.com.", "marie@example.com"),
            ("marie@example.com./x", "marie@example.com"),
            ("Ｍarie@example.com", "marie@example.com"),
            ("straße@example.com", "strasse@example.com"),
            ("josé@münchen.example", "josé@münchen.example"),
            ("a@[2001:DB8::1]", "a@[2001:db8::1]"),
            ("a@under_score", "a@under_score"),
            ("a@xn--mnchen-3ya.example", "a@xn--mnchen-3ya.example"),
        ] {
            assert_eq!(normalize(text).as_deref(), Ok(bare), "{text}");
        }
    }

    #[test]
    fn what_is_no_jid_is_refused_by_part() {
        let long = "x".repeat(1024);
        for (text, error) in [
            ("", JidError::Domain),
            ("@@bad", JidError::Localpart),
            ("@example.com", JidError::Localpart),
            ("a@", JidError::Domain),
            ("a@b@c", JidError::Domain),
            ("a b@c", JidError::Localpart),
            ("a&b@c", JidError::Localpart),
            ("a\u{0}@c", JidError::Localpart),
            ("a@b/", JidError::Resource),
            ("a@b c", JidError::Domain),
            ("a@b:5222", JidError::Domain),
            ("a@b..c", JidError::Domain),
            ("a@-b", JidError::Domain),
            ("a@b-", JidError::Domain),
            ("a@[::g]", JidError::Domain),
            ("a@\"b\"", JidError::Domain),
            (&format!("{long}@b"), JidError::Localpart),
            (&format!("a@{}", "x".repeat(64)), JidError::Domain),
            (&format!("a@b/{long}"), JidError::Resource),
        ] {
            assert_eq!(normalize(text), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_fast_path_agrees_with_the_jid_crate(
            text in prop_oneof![
                "[\\x00-\\x7F]{0,12}",
                "[a-cA@./_:0-9-]{0,16}",
                "([a-z&]{1,3}@)?[a-z0-9]{0,3}-{0,2}[a-z.]{0,6}(/[ -~]{0,3})?",
            ]
        ) {
            if let Some(bare) = plain(&text) {
                let slow = prepared(&text);
                prop_assert_eq!(slow.as_deref(), Ok(bare));
                let whole = jid::Jid::new(&text).map(|jid| jid.to_bare().to_string());
                prop_assert_eq!(whole.as_deref(), Ok(bare));
            }
        }

        #[test]
        fn what_is_normalised_stays_so(text in prop_oneof!["\\PC{0,8}@\\PC{0,8}", "[aÄßſéﬁ１İ.]{1,6}@[aÄßéﬁ１。.]{1,6}"]) {
            if let Ok(bare) = normalize(&text) {
                let again = normalize(&bare);
                prop_assert_eq!(again.as_deref(), Ok(&*bare));
            }
        }
    }
}
