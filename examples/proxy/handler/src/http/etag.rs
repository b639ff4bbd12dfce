//! Conditional requests (RFC 9110 section 13.1.2).

/// Whether one of the values of `If-None-Match` names `etag`, which is strong.
pub(crate) fn matches(values: &[Vec<u8>], etag: &str) -> bool {
    let tags = values.iter().flat_map(|value| value.split(|byte| *byte == b','));
    tags.map(|tag| tag.trim_ascii()).any(|tag| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == etag.as_bytes())
}
