//! `[attach]`: the servers of others, and what they may take.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::check_listeners::is_loopback;
use super::files::Kind;
use super::given::Given;
use super::raw::{Nodes, RawAttach, RawNode};
use super::report::{At, twice};
use super::{AttachConfig, HostConfig, NodeConfig};

const MANY: u64 = 1_000_000;
const GIB: u64 = 1 << 30;
/// More servers than anybody has. Each may take a ring.
const MOST_NODES: usize = 256;

/// Checks the table; nodes belong to one of `hosts`, and `taken` are the addresses of others.
pub(super) fn attach(
    raw: RawAttach,
    hosts: &[HostConfig],
    taken: &[(&'static str, Option<SocketAddr>)],
    at: &At<'_>,
) -> AttachConfig {
    let defaults = AttachConfig::default();
    let attach = AttachConfig {
        listen: at.get("listen", raw.listen).map_or(defaults.listen, |listen| listen.0),
        tls: {
            if raw.certificate.is_absent() != raw.key.is_absent() {
                let missing = if raw.key.is_absent() { "key" } else { "certificate" };
                at.key(missing).problem("is missing; certificate and key go together");
            }
            // Both looked at before either ends this: each fault is to be told.
            let certificate = at.existing_file("certificate", raw.certificate);
            certificate.zip(at.existing_file("key", raw.key))
        },
        lease: at.wait("lease", raw.lease, defaults.lease),
        ack_timeout: at.wait("ack_timeout", raw.ack_timeout, defaults.ack_timeout),
        keepalive: at.wait("keepalive", raw.keepalive, defaults.keepalive),
        max_users: at.count("max_users", raw.max_users, defaults.max_users, 1..=10 * MANY),
        max_connections: at.count("max_connections", raw.max_connections, defaults.max_connections, 1..=MANY),
        max_body: at.size("max_body", raw.max_body, defaults.max_body, 1024..=GIB),
        max_sync_fetches: at.count("max_sync_fetches", raw.max_sync_fetches, defaults.max_sync_fetches, 1..=MANY),
        ring_events: at.count("ring_events", raw.ring_events, defaults.ring_events, 1..=MANY),
        ring_memory: at.size("ring_memory", raw.ring_memory, defaults.ring_memory, 64 << 10..=GIB),
        nodes: nodes(raw.node, hosts, &at.key("node")),
    };
    let same = |(_, other): &&(&str, Option<SocketAddr>)| attach.listen.is_some() && *other == attach.listen;
    if let (Some(address), Some((first, _))) = (attach.listen.filter(|at| at.port() != 0), taken.iter().find(same)) {
        at.key("listen").problem(twice(&address, first));
    }
    if attach.tls.is_none()
        && let Some(address) = attach.listen.filter(|address| !is_loopback(address))
    {
        at.key("listen").warn(format!(
            "{address} is not a loopback address and there is no certificate: rosters and tokens cross the network for \
             everybody to read"
        ));
    }
    attach
}

fn nodes(raw: Given<Nodes>, hosts: &[HostConfig], at: &At<'_>) -> Vec<NodeConfig> {
    if raw.is_absent() {
        at.problem("is missing; there has to be at least one [[attach.node]]");
    }
    let raw = at.take(raw).map_or_else(Vec::new, |Nodes(raw)| raw);
    if raw.len() > MOST_NODES {
        at.problem(format!("{} nodes: expected at most {MOST_NODES}", raw.len()));
    }
    let (mut nodes, mut names) = (Vec::new(), BTreeMap::new());
    for (index, raw) in raw.into_iter().enumerate().take(MOST_NODES) {
        let at = at.index(index);
        let Some(node) = at.section(raw).and_then(|raw| node(raw, hosts, &at)) else { continue };
        match names.get(&node.name) {
            Some(first) => at.key("name").problem(twice(&node.name, &format!("attach.node[{first}]"))),
            None => {
                names.insert(node.name.clone(), index);
                nodes.push(node);
            }
        }
    }
    nodes
}

fn node(raw: RawNode, hosts: &[HostConfig], at: &At<'_>) -> Option<NodeConfig> {
    let no_token = raw.token.is_absent() && raw.token_file.is_absent();
    if no_token {
        at.key("token").problem("is missing; give token or token_file");
    }
    let no_domain = raw.domain.is_absent();
    let given = at.get("domain", raw.domain).map(|domain| domain.0);
    let domain = match (given, hosts) {
        (Some(domain), _) if hosts.iter().any(|host| host.domain == domain) => Some(domain),
        (Some(domain), _) => {
            at.key("domain").problem(format!("{domain}: no [[host]] has this domain"));
            None
        }
        (None, [only]) if no_domain => Some(only.domain.clone()),
        (None, [_, _, ..]) if no_domain => {
            at.key("domain").problem("is missing; with several [[host]] it has to say which of them this is");
            None
        }
        (None, _) => None,
    };
    let name = at.required("name", raw.name).map(|name| name.0);
    let token = at.secret("token", raw.token, raw.token_file, Kind::BearerToken);
    Some(NodeConfig { name: name?, domain: domain?, token: token? })
}
