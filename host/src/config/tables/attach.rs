//! `[attach]`: the servers of others, and what they may take.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::HostConfig;
use super::http::{Taken, free, is_loopback};
use crate::config::Secret;
use crate::config::files::SecretUse;
use crate::config::mistakes::place::At;
use crate::config::table::{otherwise, several, table};
use crate::config::values::kind::{GIB, KIB, MANY, count, domain, listen, node_name, secs, size, wait};
use crate::config::values::kind_secret::{Pair, secret};

/// More servers than anybody has. Each may take a ring.
const MOST_NODES: usize = 256;

table! {
    /// Servers of other make (Prosody, ejabberd) that get their rosters here: `docs/attach.md`. It is a listener of its own. Off
    /// without this table.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct AttachConfig (check = attach) {
        /// Where to serve them.
        listen: Option<SocketAddr> = Some(SocketAddr::from(([127, 0, 0, 1], 5284))), listen();
        /// For HTTPS, a PEM file: the chain with the server's own certificate first. It and its key are looked at every 5 s for a
        /// change.
        tls: Option<(PathBuf, PathBuf)> = None, Pair;
        /// A node without an event stream for so long loses its users.
        lease: Duration = secs(30), wait();
        /// How long a refresh waits for a node to say that it has told its clients. Then the answer names the node
        /// (`unconfirmed`).
        ack_timeout: Duration = secs(1), wait();
        /// How often a silent event stream shows that it lives.
        keepalive: Duration = secs(10), wait();
        /// Users of one node.
        max_users: usize = 100_000, count(1..=10 * MANY, "users");
        /// Connections at once, of all nodes together.
        max_connections: usize = 1024, count(1..=MANY, "connections");
        /// The longest list of users of a sync.
        max_body: usize = 16 << 20, size(KIB..=GIB);
        /// Users that all syncs together ask the application for at once: a sync of many is not to hold up those who log in.
        max_sync_fetches: usize = 16, count(1..=MANY, "users");
        /// Events kept for a node that lags or comes back.
        ring_events: usize = 1024, count(1..=MANY, "events");
        /// What those of one node may take; the newest is always kept.
        ring_memory: usize = 16 << 20, size(64 * KIB..=GIB);
        /// `[[attach.node]]`, names unique.
        nodes as "node": Vec<NodeConfig> = Vec::new(), several("[[attach.node]]");
    }
}

table! {
    /// One for each virtual host of each server process, at most 256.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct NodeConfig {
        /// What the server calls itself here.
        name: String = String::new(), node_name().required();
        /// Which `[[host]]` it is about.
        domain: String = String::new(), otherwise(domain(), "the only one");
        /// The bearer token it has to send.
        token: Secret = Secret::new(""), otherwise(secret(SecretUse::BearerToken).required(), "has to be set, one of the two");
    }
}

fn attach(attach: &mut AttachConfig, at: &At<'_>) {
    if attach.tls.is_none()
        && let Some(address) = attach.listen.filter(|address| !is_loopback(address))
    {
        at.key("listen").warn(format!(
            "{address} is not a loopback address and there is no certificate: rosters and tokens cross the network for \
             everybody to read"
        ));
    }
    let at = at.key("node");
    if attach.nodes.len() > MOST_NODES {
        at.problem(format!("{} nodes: expected at most {MOST_NODES}", attach.nodes.len()));
    }
    let mut names = BTreeMap::new();
    for (index, node) in attach.nodes.iter().enumerate().filter(|(_, node)| !node.name.is_empty()) {
        match names.get(&node.name) {
            Some(first) => {
                at.index(index).key("name").problem(format!("{}: attach.node[{first}] has it already", node.name))
            }
            None => {
                names.insert(&node.name, index);
            }
        }
    }
}

/// Nodes belong to one of `hosts`, and `taken` are the addresses of others.
pub(super) fn beside_others(attach: &mut AttachConfig, hosts: &[HostConfig], taken: &[Taken], at: &At<'_>) {
    if let Some(address) = attach.listen {
        free(address, taken, &at.key("listen"));
    }
    for (index, node) in attach.nodes.iter_mut().enumerate() {
        let table = at.key("node").index(index);
        let at = table.key("domain");
        match (&*node.domain, hosts) {
            _ if table.table().is_none() => {}
            ("", [only]) if !at.is_given() => node.domain.clone_from(&only.domain),
            ("", [_, _, ..]) if !at.is_given() => {
                at.problem("is missing; with several [[host]] it has to say which of them this is");
            }
            ("", _) => {}
            (domain, hosts) if hosts.iter().any(|host| host.domain == domain) => {}
            (domain, _) => at.problem(format!("{domain}: no [[host]] has this domain")),
        }
    }
}
