//! ASCII that is normal already, recognised by a look at each byte.
//!
//! Everything here says either "this is normal" or nothing at all: whether the rest is valid is for the tables. That the two
//! agree is tested below.

use crate::LONGEST_PART;

/// DNS (RFC 1035 section 2.3.4), without the dot at the end.
pub(crate) const LONGEST_DNS_NAME: usize = 253;
pub(crate) const LONGEST_LABEL: usize = 63;

/// What a byte may be in an address that is normal already.
const LOCAL: u8 = 1;
const DOMAIN: u8 = 2;

/// Localpart: what is printable, less upper case, the space and the characters that RFC 7622 section 3.3.1 excludes.
/// Domain: what a host name is made of.
static CLASS: [u8; 256] = {
    let mut class = [0; 256];
    let mut byte = 0x21;
    while byte < 0x7F {
        let b = byte as u8;
        let mut bits = 0;
        if !b.is_ascii_uppercase() && !is_excluded(b) {
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

/// RFC 7622 section 3.3.1: in no localpart.
pub(crate) const fn is_excluded(byte: u8) -> bool {
    matches!(byte, b'"' | b'&' | b'\'' | b'/' | b':' | b'<' | b'>' | b'@')
}

#[inline]
fn is(byte: u8, class: u8) -> bool {
    CLASS.get(usize::from(byte)).is_some_and(|bits| bits & class != 0)
}

/// The bare JID within `text` if all of it is normal.
#[inline]
pub(crate) fn bare_jid(text: &str) -> Option<&str> {
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
    let end = domain_end(domain)?;
    match domain.get(end..) {
        None | Some([]) => {}
        Some([b'/', resource @ ..]) => {
            if !is_resourcepart(resource) {
                return None;
            }
        }
        Some(_) => return None,
    }
    text.get(..start + end)
}

#[inline]
pub(crate) fn is_localpart(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.len() <= LONGEST_PART && bytes.iter().all(|byte| is(*byte, LOCAL))
}

#[inline]
pub(crate) fn is_resourcepart(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.len() <= LONGEST_PART && bytes.iter().all(|byte| (b' '..=b'~').contains(byte))
}

#[inline]
pub(crate) fn is_domainpart(bytes: &[u8]) -> bool {
    domain_end(bytes) == Some(bytes.len())
}

/// Where the domain ends that `bytes` begins with, if it is a plain one.
#[inline]
fn domain_end(bytes: &[u8]) -> Option<usize> {
    let mut label = 0;
    let mut previous = b'.';
    let mut end = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if is(byte, DOMAIN) {
            // No hyphen first; none third and fourth, which is an encoded label or no name (RFC 5890 section 2.3.1).
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::domainpart_by_tables;
    use crate::profiles::{localpart_by_tables, resourcepart_by_tables};

    fn near_normal() -> impl Strategy<Value = String> {
        prop_oneof![
            "[\\x00-\\x7F]{0,12}",
            "[a-cA@./_:0-9-]{0,16}",
            "([a-z&]{1,3}@)?[a-z0-9]{0,3}-{0,2}[a-z.]{0,6}(/[ -~]{0,3})?",
            "[a-z]{62,65}(\\.[a-z]{60,63}){0,4}",
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn what_is_recognised_is_normal_by_the_tables(text in near_normal()) {
            if is_localpart(text.as_bytes()) {
                prop_assert!(localpart_by_tables(&text).as_deref() == Ok(&*text));
            }
            if is_domainpart(text.as_bytes()) {
                prop_assert!(domainpart_by_tables(&text).as_deref() == Ok(&*text));
            }
            if is_resourcepart(text.as_bytes()) {
                prop_assert!(resourcepart_by_tables(&text).as_deref() == Ok(&*text));
            }
            if let Some(bare) = bare_jid(&text) {
                let resource = text.strip_prefix(bare).and_then(|rest| rest.strip_prefix('/'));
                let fine = resource.is_none_or(|resource| resourcepart_by_tables(resource).as_deref() == Ok(resource));
                prop_assert!(fine && (resource.is_some() || text == bare));
                let (local, domain) = bare.split_once('@').unwrap_or(("none", bare));
                prop_assert!(localpart_by_tables(local).as_deref() == Ok(local));
                prop_assert!(domainpart_by_tables(domain).as_deref() == Ok(domain));
            }
        }
    }

    #[test]
    fn all_ascii_that_is_normal_by_the_tables_is_recognised() {
        for c in '\0'..='\u{7F}' {
            let text = c.to_string();
            assert_eq!(is_localpart(text.as_bytes()), localpart_by_tables(&text).as_deref() == Ok(&text), "{c:?}");
            assert_eq!(
                is_resourcepart(text.as_bytes()),
                resourcepart_by_tables(&text).as_deref() == Ok(&text),
                "{c:?}"
            );
        }
    }
}
