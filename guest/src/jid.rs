//! Addresses (RFC 7622): any spelling in, the normalised bare JID out.
//!
//! The rules are the crate `roster_jid`'s, which the host reads addresses with too: a contact that the two spelled
//! differently would be nobody's.

pub use roster_jid::{JidError, bare_jid as normalize, domainpart as normalize_domain};
