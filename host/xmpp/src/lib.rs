//! An XMPP client-to-server endpoint (RFC 6120, RFC 6121) for rosters that an application owns.
//!
//! It carries presence and messages between the users of one process, so that a chat built on it is usable. There is no
//! server-to-server, no group chat and no archive. It knows nothing of plugins or stores: whoever embeds it hands it a
//! [`RosterSource`] and tells it of every [`roster_model::RosterEvent`].
//!
//! The map, from the socket inwards:
//!
//! - [`domain`]: one domain: sessions, rosters, presence, messages
//! - [`outbound`]: what is on its way to one client, bounded
//! - [`rosters`]: what the endpoint asks its host for

pub mod domain;
pub mod outbound;
pub mod rosters;

pub use domain::{Domain, DomainOptions, Session};
pub use jid;
pub use minidom::Element;
pub use outbound::Outbound;
pub use rosters::{RosterSource, RosterUnavailable};
