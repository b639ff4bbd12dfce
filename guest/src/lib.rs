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
//! - [`roster`] (with `fields`, `group_names` and `lenient`): JSON to contacts. [`jid`]: addresses. `faults`: what was wrong.
//! - [`document`]: what any body must be. `tolerate`: JSON that serde_json refuses.
//! - [`packed`]: the roster as the host hands it over. `in_step` (with `cursor`, `shape`): what has
//!   changed, the fast way; [`diff`]: the thorough way. [`contact`], [`groups`]: what both speak of.

pub mod bulk;
pub mod component;
pub mod contact;
mod cursor;
pub mod diff;
pub mod document;
mod faults;
mod fields;
mod group_names;
pub mod groups;
mod in_step;
pub mod jid;
mod lenient;
pub mod packed;
pub mod protocol;
pub mod roster;
pub mod settings;
mod shape;
mod text;
mod tolerate;
pub mod users;
