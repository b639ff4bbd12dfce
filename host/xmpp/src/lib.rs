//! An XMPP client-to-server endpoint (RFC 6120, RFC 6121) for rosters that an application owns.
//!
//! It carries presence and messages between the users of one process, or of several that serve the same domain
//! ([`domain::nodes`]), so that a chat built on it is usable. There is no
//! server-to-server, no group chat and no archive. It knows nothing of plugins or stores: whoever embeds it hands it a
//! [`RosterSource`] and tells it of every [`roster_model::RosterEvent`].
//!
//! The map, from the socket inwards:
//!
//! - [`endpoint`]: listeners, and the whole's beginning and end; [`config`] and [`counters`] for it
//! - `listen`: connections come in; `net`: what they are: TCP, TLS, WebSocket; [`peers`]: how much one at the other end may have, for other listeners too
//! - [`stream`]: bytes to elements and back
//! - `session`: one client's stream, from its first byte to its last
//! - [`sasl`]: logging in; [`accounts`]: who may
//! - [`outbound`]: what is on its way to one client, bounded; [`memory`]: what all of them hold
//! - [`domain`]: one domain: sessions, rosters, presence, messages
//! - `client_log`: lines of the log about clients
//! - [`rosters`]: what the endpoint asks its host for

pub mod accounts;
mod client_log;
pub mod config;
pub mod counters;
pub mod domain;
pub mod endpoint;
mod listen;
pub mod memory;
mod net;
pub mod outbound;
pub mod peers;
pub mod rosters;
pub mod sasl;
mod session;
pub mod stream;

pub use client_log::TARGET as CLIENT_LOG_TARGET;
pub use domain::{Domain, DomainOptions, Session};
pub use endpoint::{Endpoint, EndpointError, Listening, Served};
pub use listen::websocket::{
    HOST_META as HOST_META_PATH, HOST_META_JSON as HOST_META_JSON_PATH, PATH as WEBSOCKET_PATH,
};
pub use minidom::Element;
pub use outbound::Outbound;
pub use roster_jid;
pub use rosters::{RosterSource, RosterUnavailable};
pub use session::shared::Hosted;
