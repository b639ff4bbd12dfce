//! Entity tags (RFC 9110 section 8.8.3): which of them may be sent back.

/// The header that has one, in lower case.
pub const ETAG: &str = "etag";

/// One that is longer than this (in bytes) is not kept.
pub const LONGEST: usize = 1024;

/// Is this an entity tag? Nothing else may be sent back: a bare `*` matches everything, and a comma would make a list of it.
#[must_use]
pub fn is_etag(text: &str) -> bool {
    let opaque = text.strip_prefix("W/").unwrap_or(text);
    let opaque = opaque.strip_prefix('"').and_then(|opaque| opaque.strip_suffix('"'));
    text.len() <= LONGEST
        && opaque.is_some_and(|opaque| opaque.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x7E | 0x80..)))
}

/// What to send as `If-None-Match`: the tag of the roster that the host holds, if it is an entity tag.
#[must_use]
pub fn condition(tag: Option<&[u8]>) -> Option<&str> {
    tag.and_then(|tag| std::str::from_utf8(tag).ok()).filter(|etag| is_etag(etag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_entity_tag_is_sent_back() {
        let long = format!("\"{}\"", "x".repeat(1023));
        for etag in ["", "*", "abc", "\"", "\"a\"b\"", "\"a\", \"b\"", "\"a\n\"", "w/\"a\"", &long] {
            assert!(!is_etag(etag), "{etag}");
            assert_eq!(condition(Some(etag.as_bytes())), None);
        }
        for etag in ["\"v1\"", "W/\"v1\"", "\"\"", "\"é\""] {
            assert!(is_etag(etag), "{etag}");
            assert_eq!(condition(Some(etag.as_bytes())), Some(etag));
        }
        assert_eq!((condition(None), condition(Some(b"\"\xff\""))), (None, None));
    }
}
