//! What the host says over HTTP: the refresh route for the application, and the admin listener for the operator.
//!
//! The map, from the socket inwards:
//!
//! - [`app`]: what is served; [`listening`]: what all listeners have in common; [`readiness`]: is the work done?
//! - [`server`]: binds every address or says which one it cannot have; starts and stops everything;
//! - [`connection`]: accepts connections, no more than allowed; over TLS with what [`crate::tls`] has; one connection, its
//!   timeouts, its share of everything, its graceful end, and a body for what hyper answers by itself;
//! - [`requests`]: what holds for every request: its form, its path, its line in the log;
//! - [`access`]: who may ask, and how much at once; which domain it is for;
//! - [`body`]: size, time and memory of a request's body;
//! - [`refresh_route`]: `POST /roster_admin/refresh` and `GET /roster_admin/refresh/{user}`;
//! - [`admin`]: health, metrics, cached rosters, sessions, events;
//! - [`answers`]: what answers are made with; [`refusal`]: those of the refresh route that the plugin does not write;
//! - [`settings`]: what may change while the listeners serve.
//!
//! Everything this room answers is JSON, but for the metrics and the event stream. Others may put routes beside the refresh
//! route ([`Server::serve_beside`]): the XMPP endpoint its WebSocket. Or have a listener of their own ([`apart`]).

pub(crate) mod access;
mod admin;
pub(crate) mod answers;
mod apart;
mod app;
pub(crate) mod body;
mod connection;
mod listening;
mod readiness;
mod refresh_route;
mod refusal;
pub(crate) mod requests;
mod server;
mod settings;
mod shortened;

#[cfg(test)]
mod tests;

pub use access::virtual_hosts::VirtualHosts;
pub(crate) use apart::Apart;
pub use app::{App, EndClients, Reload, Shown};
pub use listening::{Listening, ServeError};
pub use readiness::Readiness;
pub use server::Server;
pub use settings::Settings;

/// How long a first fetch may keep a request waiting. The plugin's limits are far below, as a rule.
pub(crate) const LONGEST_FETCH: std::time::Duration = std::time::Duration::from_secs(60);
