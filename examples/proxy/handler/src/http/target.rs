//! The path of a request in its normal form, so that one route has one spelling (RFC 3986 section 6.2.2): the rules of
//! `roster-host`.
//!
//! Slashes in a row are one, an escaped character that needs no escape is that character, and `.` is nowhere. An escaped slash
//! stays escaped: it is part of a name. `..` is refused and not followed.

use crate::refusal::Refusal;

/// `path`, which has no query, in the normal form.
pub(crate) fn normal(path: &str) -> Result<String, Refusal> {
    let path = unescaped(path)?;
    let mut normal = String::with_capacity(path.len());
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => return Err(Refusal::Parent),
            segment => {
                normal.push('/');
                normal.push_str(segment);
            }
        }
    }
    if normal.is_empty() || path.ends_with('/') || path.ends_with("/.") {
        normal.push('/');
    }
    Ok(normal)
}

/// `path` without the escapes that it does not need.
fn unescaped(path: &str) -> Result<String, Refusal> {
    let mut text = String::with_capacity(path.len());
    let mut pieces = path.split('%');
    text.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2).ok_or(Refusal::Escape)?;
        // `from_str_radix` would take a sign, too.
        let byte = digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| u8::from_str_radix(digits, 16));
        let byte = byte.and_then(Result::ok).ok_or(Refusal::Escape)?;
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push('%');
            text.push_str(digits);
        }
        text.push_str(rest);
    }
    Ok(text)
}
