//! XMPP addresses (RFC 7622): any spelling in, the one normalised form out.
//!
//! This is the only place of the project where an address is read. Plugin, server and endpoint compare addresses as
//! texts, so they have to agree on every one of them.
//!
//! | Part | Rules | File |
//! |---|---|---|
//! | localpart | `UsernameCaseMapped` (RFC 8265 section 3.3), without `"&'/:<>@` | `profiles.rs` |
//! | domainpart | IDNA2008 (RFC 5891 to 5893) in U-labels, or an IP address | `domain.rs` |
//! | resourcepart | `OpaqueString` (RFC 8265 section 4.2) | `profiles.rs` |
//!
//! Below them: `class.rs` has the string classes of PRECIS (RFC 8264), `context.rs` the characters that depend on their
//! neighbours, `bidi.rs` the rule for text that runs from right to left. Nearly every address is plain ASCII and normal
//! already: `plain.rs` recognises those by a look at each byte, and no table is asked.
//!
//! ```
//! use roster_jid::{Jid, bare_jid};
//!
//! assert_eq!(bare_jid("Marie@Example.com/phone").as_deref(), Ok("marie@example.com"));
//! assert_eq!(bare_jid("straße@xn--bcher-kva.example").as_deref(), Ok("straße@bücher.example"));
//! let error = bare_jid("john@").unwrap_err();
//! assert_eq!(error.to_string(), "its domain is empty");
//! assert_eq!(Jid::parse("john@example.com/😀 phone").unwrap().resourcepart.as_deref(), Some("😀 phone"));
//! ```

mod bidi;
mod class;
mod context;
mod domain;
mod error;
mod parse;
mod plain;
mod profiles;

pub use domain::{DomainName, domainpart};
pub use error::{Fault, JidError};
pub use parse::{Jid, bare_jid};
pub use profiles::{localpart, resourcepart};

/// The longest a part may be once it is normalised, bytes (RFC 7622 section 3.1).
pub const LONGEST_PART: usize = 1023;
