//! `http-roster-admin`: the roster plugin for applications that speak the protocol of Prosody's
//! `mod_http_roster_admin`.
//!
//! The application answers `GET http_roster_url` with a user's contacts as JSON and tells the host which users'
//! rosters have changed. This crate knows that protocol and nothing else: it keeps no state, opens no socket and is
//! the same code native and as a WebAssembly component.
//!
//! From the outside in:
//!
//! - [`component`]: the interface `xmpp:roster`, by way of the crate `xmpp_roster_plugin`. Thin.
//! - [`protocol`]: one request to the application and what its answer means; the place to start reading. [`bulk`]: one request for
//!   many users.
//! - [`settings`]: what the operator wrote, checked.
//! - [`users`]: the body of a refresh request.
//! - [`json`]: what any body must be, and reading one that may be anything.
//! - [`roster`]: JSON to contacts, what was wrong with them, and the roster as the host hands it over. [`jid`]: addresses.
//! - [`changes`]: what turns one roster into another, the fast way and the thorough way.

pub mod bulk;
pub mod changes;
pub mod component;
pub mod jid;
pub mod json;
pub mod protocol;
pub mod roster;
pub mod settings;
pub mod users;
