//! What the XMPP endpoints of the nodes tell each other goes through the cluster, which does not look at it: see `domain::nodes` of
//! `roster-xmpp`.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use roster_xmpp::Domain;
use roster_xmpp::domain::nodes::{Cluster as Part, LiveNode, Nodes};
use tokio::sync::mpsc;
use tracing::debug;

use super::Cluster;
use super::link::message::Body;
use super::member::{Member, NodeName};
use super::view::View;

/// Messages that wait to be sent, each a megabyte at most. What is too much is lost, and the endpoints find out.
pub(super) const WAITING: usize = 16_384;

/// A message of an endpoint, on its way.
pub(super) struct Outgoing {
    to: NodeName,
    domain: Arc<str>,
    message: String,
}

/// The way of one domain's endpoint to those of the other nodes.
struct Way {
    cluster: Weak<Cluster>,
    domain: Arc<str>,
}

impl Nodes for Way {
    fn send(&self, node: &str, message: Bytes) {
        let Some(cluster) = self.cluster.upgrade() else { return };
        let Ok(message) = String::from_utf8(message.into()) else { return };
        let outgoing = Outgoing { to: NodeName::new(node), domain: Arc::clone(&self.domain), message };
        if cluster.outgoing.try_send(outgoing).is_err() {
            cluster.counts.endpoint_lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// One after another, so that none overtakes another.
pub(super) async fn send(cluster: Arc<Cluster>, mut outgoing: mpsc::Receiver<Outgoing>) {
    loop {
        let next = tokio::select! {
            () = cluster.stop.cancelled() => return,
            next = outgoing.recv() => next,
        };
        let Some(Outgoing { to, domain, message }) = next else { return };
        let message = cluster.message(Body::Endpoint { domain: domain.to_string(), message });
        if let Err(error) = cluster.link.send(Some(&to), &message).await {
            debug!(%to, %error, "a message of the XMPP endpoint was not sent");
            cluster.counts.endpoint_lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The life of a process, of which each of its lives as a member is a part.
fn process(member: &Member) -> u64 {
    member.incarnation >> super::LIFE_BITS
}

impl Cluster {
    /// The part that the endpoint of `domain` has in the cluster.
    pub(crate) fn endpoint(self: &Arc<Self>, domain: &Arc<str>) -> Part {
        Part {
            node: self.config.node.clone(),
            incarnation: process(&self.me()),
            address: self.config.client_address.clone(),
            nodes: Arc::new(Way { cluster: Arc::downgrade(self), domain: Arc::clone(domain) }),
        }
    }

    /// These endpoints hear of other nodes from now on.
    pub(crate) fn serve_endpoints(&self, domains: &[(Arc<str>, Arc<Domain>)]) {
        let here = domains.iter().map(|(name, domain)| (Arc::clone(name), Arc::downgrade(domain))).collect();
        // Set once: a host makes one endpoint.
        let _ = self.endpoints.set(here);
        let view = self.state.lock().membership.view().cloned();
        if let Some(view) = view {
            self.endpoints_changed(Some(&view));
        }
    }

    fn endpoints(&self) -> impl Iterator<Item = (&str, Arc<Domain>)> {
        let all = self.endpoints.get().into_iter().flatten();
        all.filter_map(|(name, domain)| Some((&**name, domain.upgrade()?)))
    }

    /// What the endpoint of another node says to that of this one.
    pub(super) fn endpoint_message(&self, domain: &str, from: &Member, message: &str) {
        if let Some((_, endpoint)) = self.endpoints().find(|(name, _)| *name == domain) {
            endpoint.from_node(from.name.as_str(), message.as_bytes());
        }
    }

    /// The list of nodes has changed; `None`: this node is in none.
    pub(super) fn endpoints_changed(&self, view: Option<&View>) {
        let live = |member: &Member| LiveNode { name: member.name.to_string(), incarnation: process(member) };
        let live: Vec<LiveNode> = view.into_iter().flat_map(View::members).map(live).collect();
        self.endpoints().for_each(|(_, domain)| domain.nodes_changed(&live));
    }
}
