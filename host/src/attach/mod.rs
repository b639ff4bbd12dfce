//! Servers of other make (Prosody, ejabberd) that get their rosters here and serve the clients themselves: `docs/attach.md` is
//! the contract.
//!
//! A *node* is one virtual host of one server process. For each of its users it has one session in [`crate::rosters`], however
//! many resources there are. The map:
//!
//! - [`state`]: a node as a state machine, with [`ring`], its events; no clock and no sockets
//! - [`node`]: that with a clock, its rosters, and who waits for it
//! - [`routes`]: what is served to nodes, behind their tokens; [`users`], [`sync`], [`events`] do it; [`refusal`] says what not
//! - [`mod@write`]: how things look on the wire; [`status`]: what the operator sees
//!
//! As a sink it tells each node of its own users. What one refresh finds is one event, and the refresh is answered when every
//! node that has a stream has acknowledged it, or when `attach.ack_timeout` is over.

mod events;
mod node;
mod refusal;
mod ring;
mod routes;
mod serving;
mod state;
mod status;
mod sync;
#[cfg(test)]
mod tests;
mod users;
mod write;

use std::sync::Arc;

use async_trait::async_trait;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::config::{AttachConfig, HttpConfig, TlsConfig};
use crate::http::answers::json;
use crate::http::{Apart, ServeError, Shown};
use crate::metrics::Metrics;
use crate::rosters::Rosters;
use crate::sinks::{RosterEvent, RosterSink, Undelivered, epoch};
use crate::tls::CertificateFiles;

use node::Node;

pub(crate) use status::AttachCollector;

/// The version of the contract that is spoken, the only one.
const API: u32 = 1;

/// All nodes.
///
/// Made before the rosters, which own their sinks.
pub(crate) struct Attach {
    nodes: Vec<Arc<Node>>,
}

impl Attach {
    pub(crate) fn new(config: &AttachConfig) -> Arc<Self> {
        let epoch = epoch::new();
        let sync_turns = Arc::new(Semaphore::new(config.max_sync_fetches));
        let nodes = config.nodes.iter().map(|node| Node::new(config, node, &epoch, &sync_turns)).collect();
        Arc::new(Self { nodes })
    }

    /// Lets the nodes have their rosters, and answers them on `socket`.
    pub(crate) fn listen(
        self: &Arc<Self>,
        socket: Option<TcpListener>,
        config: &AttachConfig,
        http: &HttpConfig,
        rosters: &[Arc<Rosters>],
        metrics: &Arc<Metrics>,
    ) -> Result<Option<Apart>, ServeError> {
        for node in &self.nodes {
            if let Some(own) = rosters.iter().find(|rosters| *rosters.domain() == node.domain) {
                node.serve(own);
            }
        }
        let Some(socket) = socket else { return Ok(None) };
        let files = config.tls.as_ref().map(|(certificate, key)| {
            // Servers know their host by the name that the operator gives it, which is not written here.
            CertificateFiles::of_attach(&TlsConfig::new(certificate.clone(), key.clone()))
        });
        let apart = Apart::new(socket, files, (config.max_connections, config.lease), metrics)?;
        let this = Arc::clone(self);
        Ok(Some(apart.with(|stop| routes::router(config, http, this, stop), json::refused)))
    }

    /// What `/attach` of the admin listener shows.
    pub(crate) fn shown(self: &Arc<Self>) -> Shown {
        let this = Arc::clone(self);
        Arc::new(move || status::show(&this.nodes))
    }

    pub(crate) fn collector(self: &Arc<Self>) -> AttachCollector {
        AttachCollector(Arc::clone(self))
    }

    fn of<'a>(&'a self, domain: &'a str) -> impl Iterator<Item = &'a Arc<Node>> {
        self.nodes.iter().filter(move |node| &*node.domain == domain)
    }
}

#[async_trait]
impl RosterSink for Attach {
    fn name(&self) -> &'static str {
        "attach"
    }

    async fn deliver(&self, event: Arc<RosterEvent>) -> Result<(), Undelivered> {
        self.of(&event.domain).for_each(|node| node.deliver(&event));
        Ok(())
    }

    fn refresh_begins(&self, domain: &Arc<str>) {
        self.of(domain).for_each(|node| node.refresh_begins());
    }

    fn refresh_ends(&self, domain: &Arc<str>) {
        self.of(domain).for_each(|node| node.refresh_ends());
    }

    async fn confirmed(&self, domain: &Arc<str>, deadline: Instant) -> Vec<Arc<str>> {
        let waits = self.of(domain).map(async |node| (node, node.confirmed(deadline).await));
        let done = futures::future::join_all(waits).await;
        done.into_iter().filter(|(_, confirmed)| !confirmed).map(|(node, _)| Arc::clone(&node.name)).collect()
    }
}
