//! Whose roster.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use roster_jid::{Fault, localpart};

/// The localpart of an account (`john` of `john@example.com`), normalised: `John` and `john` are one user.
///
/// Cheap to clone; ordered and hashed as its text.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Username(Arc<str>);

/// The text is no localpart (RFC 7622 section 3.3): empty, longer than 1023 bytes, or with characters such as `@`,
/// `/` or a space.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{text:?} is not a username (the part of an address before the @): it {fault}")]
pub struct InvalidUsername {
    text: String,
    fault: Fault,
}

impl Username {
    /// Normalises `text`.
    pub fn new(text: &str) -> Result<Self, InvalidUsername> {
        match localpart(text) {
            Ok(local) => Ok(Self(local.into())),
            Err(error) => Err(InvalidUsername { text: text.chars().take(64).collect(), fault: error.fault() }),
        }
    }

    /// The normalised text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Username> for Arc<str> {
    fn from(user: Username) -> Self {
        user.0
    }
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
            ("straße", Some("straße")),
            ("ⴰⵎⴰⵣⵉⵖ", Some("ⴰⵎⴰⵣⵉⵖ")),
            ("Ｊohn", Some("john")),
            ("a\u{AD}b", None),
            ("a\u{200D}b", None),
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
    fn what_is_no_username_says_why() {
        for (text, why) in [
            ("", "it is empty"),
            ("john@example.com", "it has the character @ (U+0040), which is not allowed there"),
            ("a\u{AD}b", "it has the character U+00AD, which is not allowed there"),
        ] {
            let message = format!("{text:?} is not a username (the part of an address before the @): {why}");
            assert_eq!(Username::new(text).unwrap_err().to_string(), message);
        }
    }
}
