//! What the host says over HTTP: the refresh route for the application, and the admin listener for the operator.
//!
//! The map, from the socket inwards:
//!
//! - [`server`]: binds every address or says which one it cannot have; starts and stops everything;
//! - [`connection`]: accepts connections, no more than allowed; over TLS with what [`crate::tls`] has; one connection, its
//!   timeouts, its share of everything, its graceful end, and a body for what hyper answers by itself;
//! - [`well_formed`] and [`target`]: what holds for every request, and one spelling for each path; [`fault`]: what can be
//!   wrong with one;
//! - [`request_log`]: one log line, one count and one id for every request;
//! - [`refresh_route`]: `POST /roster_admin/refresh` and `GET /roster_admin/refresh/{user}`, with [`cors`], [`auth`],
//!   [`body`] (size, time and memory) and [`refusal`] (every answer the plugin does not write);
//! - [`admin`]: health, metrics, cached rosters, sessions, events;
//! - [`virtual_hosts`]: which domain a request is for; [`settings`]: what may change while the listeners serve.
//!
//! Everything this room answers is JSON, but for the metrics and the event stream. Others may put routes beside the refresh
//! route ([`Server::serve_beside`]): the XMPP endpoint its WebSocket. Or have a listener of their own ([`apart`]).

mod admin;
mod apart;
pub(crate) mod auth;
pub(crate) mod body;
mod connection;
mod cors;
mod fault;
pub(crate) mod json;
pub(crate) mod page;
pub(crate) mod paths;
mod permits;
mod refresh_route;
mod refusal;
mod request_log;
pub(crate) mod same_origin;
mod server;
mod settings;
pub(crate) mod sse;
mod target;
pub(crate) mod virtual_hosts;
mod well_formed;

#[cfg(test)]
mod tests;

pub use admin::Readiness;
pub(crate) use apart::Apart;
pub use server::{App, EndClients, Listening, Reload, ServeError, Server, Shown};
pub use settings::Settings;
pub use virtual_hosts::VirtualHosts;

/// How long a first fetch may keep a request waiting. The plugin's limits are far below, as a rule.
pub(crate) const LONGEST_FETCH: std::time::Duration = std::time::Duration::from_secs(60);
