//! What is wrong with which part.

use std::fmt;

use crate::LONGEST_PART;

/// Why a text is not a JID. Reads on after "it is not an address: ".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JidError {
    /// The part before the `@`.
    #[error("its localpart (before the @) {0}")]
    Localpart(Fault),
    /// The part between `@` and `/`.
    #[error("its domain {0}")]
    Domainpart(Fault),
    /// The part after the `/`.
    #[error("its resource (after the /) {0}")]
    Resourcepart(Fault),
}

impl JidError {
    /// What is wrong, whichever part it is.
    #[must_use]
    pub const fn fault(self) -> Fault {
        match self {
            Self::Localpart(fault) | Self::Domainpart(fault) | Self::Resourcepart(fault) => fault,
        }
    }
}

/// What is wrong with a part. Reads on after the part's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// There is nothing.
    #[error("is empty")]
    Empty,
    /// More than [`LONGEST_PART`].
    #[error("is longer than {LONGEST_PART} bytes")]
    TooLong,
    /// A character that may not be there at all.
    #[error("has the character {}, which is not allowed there", Named(*.0))]
    Character(char),
    /// A character that may be there, but not beside its neighbours.
    #[error("has the character {} in a place where it is not allowed", Named(*.0))]
    Context(char),
    /// Text from left to right and from right to left in a way that looks the same in another order (RFC 5893 section 2).
    #[error("mixes text that runs from right to left with text that must not be beside it")]
    Direction,
    /// Two dots in a row, or one at the beginning.
    #[error("has an empty label")]
    EmptyLabel,
    /// A label, or the whole name, longer than DNS has it.
    #[error("is longer than DNS allows (63 bytes a label, 253 in all)")]
    LongName,
    /// A hyphen where no label may have one.
    #[error("has a label with a hyphen at its beginning, at its end, or third and fourth")]
    Hyphen,
    /// A label that begins with `xn--` and encodes no label.
    #[error("has a label that begins with \"xn--\" and encodes no domain name")]
    Encoding,
    /// Brackets around something else than an IPv6 address.
    #[error("has brackets and no IPv6 address in them")]
    IpAddress,
}

/// `U+00AD`; with the character itself in front where it can be seen.
struct Named(char);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(c) = *self;
        // What Debug would escape cannot be seen, or changes what stands before it.
        if c != ' ' && (c.escape_debug().count() == 1 || matches!(c, '"' | '\'' | '\\')) {
            write!(f, "{c} (U+{:04X})", u32::from(c))
        } else {
            write!(f, "U+{:04X}", u32::from(c))
        }
    }
}
