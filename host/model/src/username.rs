//! Whose roster.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use jid::NodePart;

/// The localpart of an account (`john` of `john@example.com`), normalised: `John` and `john` are one user.
///
/// Cheap to clone; ordered and hashed as its text.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Username(Arc<str>);

/// The text is no localpart (RFC 7622 section 3.3): empty, longer than 1023 bytes, or with characters such as `@`,
/// `/` or a space.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{text:?} is not a username (the part of an address before the @)")]
pub struct InvalidUsername {
    text: String,
}

impl Username {
    /// Normalises `text`.
    pub fn new(text: &str) -> Result<Self, InvalidUsername> {
        if is_plain(text) {
            return Ok(Self(text.into()));
        }
        match NodePart::new(text) {
            Ok(node) => Ok(Self(node.as_str().into())),
            Err(_) => Err(InvalidUsername { text: text.chars().take(64).collect() }),
        }
    }

    /// The normalised text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Nearly every username: nothing to normalise, so no tables are asked. A refresh may name 100,000 of them.
fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 1023
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_' | b'+'))
}

impl Borrow<str> for Username {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_username_is_normalised_or_refused() {
        for (text, expected) in [
            ("john", Some("john")),
            ("John", Some("john")),
            ("a.b-c_d+e", Some("a.b-c_d+e")),
            ("a#b", Some("a#b")),
            ("É", Some("é")),
            ("", None),
            ("john@example.com", None),
            ("john/phone", None),
            ("a b", None),
            ("a\u{0}b", None),
        ] {
            assert_eq!(Username::new(text).ok().as_ref().map(Username::as_str), expected, "{text:?}");
        }
        assert!(Username::new(&"x".repeat(1023)).is_ok());
        assert!(Username::new(&"x".repeat(1024)).is_err());
    }

    #[test]
    fn the_short_way_agrees_with_the_tables() {
        for text in ["john", "a.b-c_d+e", "0123456789", "z"] {
            assert!(is_plain(text));
            assert_eq!(NodePart::new(text).unwrap().as_str(), text);
        }
    }
}
