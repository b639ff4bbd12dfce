//! The words every room shares: users, contacts, rosters and their versions.
//!
//! Nothing here knows where a roster comes from or who is told of it. The terms are those of RFC 6121 section 2. A crate of
//! its own, so that the XMPP endpoint shares the words and not the host.

mod contact;
mod content;
mod event;
mod file;
mod packed;
mod snapshot;
mod username;

pub use contact::{Change, Contact, ContactRef, Subscription};
pub use event::{EventKind, RosterEvent};
pub use file::{read_file, read_text_file};
pub use packed::{Contacts, Cursor, InvalidRoster, is_xml_char};
pub use snapshot::{ResponseDigest, Snapshot, Tag};
pub use username::{InvalidUsername, Username};
