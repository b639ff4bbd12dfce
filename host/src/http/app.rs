//! What the listeners serve, as whoever puts the host together gives it.

use std::sync::Arc;

use futures::future::BoxFuture;
use prometheus_client::collector::Collector;
use serde_json::Value;

use super::access::virtual_hosts::VirtualHosts;
use super::readiness::Readiness;
use crate::metrics::Metrics;
use crate::model::Username;
use crate::rosters::SessionId;
use crate::sinks::EventStream;
use crate::swap::Swappers;

/// What is served.
pub struct App {
    /// The rosters.
    pub hosts: VirtualHosts,
    /// What `/plugin` shows and changes, in the order of the hosts; may be empty.
    pub swappers: Swappers,
    /// What `/events` reads.
    pub events: Arc<EventStream>,
    /// What `/metrics` shows and every request is counted in.
    pub metrics: Arc<Metrics>,
    /// What `/readyz` says.
    pub readiness: Readiness,
    /// More for `/metrics`; their names are prefixed with `roster_host_`.
    pub collectors: Vec<Box<dyn Collector>>,
    /// What `/attach` shows; `None` if no server is attached.
    pub attached: Option<Shown>,
    /// What `/cluster` shows; `None` if there are no other nodes.
    pub cluster: Option<Shown>,
    /// Ends the streams of XMPP clients; `None` if there is no endpoint for them.
    pub clients: Option<EndClients>,
    /// What `/reload` does; `None` if there is no file to read again.
    pub reload: Option<Reload>,
}

/// Reads the configuration again, and says what has come of it: `Err` is the same for one that is refused, `None` that there is
/// no file to read.
pub type Reload = Arc<dyn Fn() -> BoxFuture<'static, Option<Result<Value, Value>>> + Send + Sync>;

/// Says what there is to say of the attached servers, as JSON.
pub type Shown = Arc<dyn Fn() -> Value + Send + Sync>;

/// Ends the streams of a user of a domain, all or the one with this session, and says how many those are.
pub type EndClients = Arc<dyn Fn(&str, &Username, Option<&SessionId>) -> usize + Send + Sync>;
