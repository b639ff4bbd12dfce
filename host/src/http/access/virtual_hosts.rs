//! Which virtual host a request is for.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::extract::Request;
use http::header::HOST;
use http::uri::Authority;
use roster_jid::domainpart;

use crate::rosters::Rosters;

/// The virtual hosts of the process, at least one. A clone is the same.
#[derive(Clone)]
pub struct VirtualHosts(Arc<ArcSwap<Hosts>>);

struct Hosts {
    all: Vec<Arc<Rosters>>,
    default: Arc<Rosters>,
    by_name: HashMap<String, Arc<Rosters>>,
}

impl Hosts {
    fn new(all: Vec<Arc<Rosters>>) -> Option<Self> {
        let default = Arc::clone(all.first()?);
        let by_name = all.iter().rev().map(|host| (key(host.domain()).into_owned(), Arc::clone(host))).collect();
        Some(Self { all, default, by_name })
    }

    fn by_domain(&self, domain: &str) -> Option<&Arc<Rosters>> {
        self.by_name.get(&*key(domain))
    }
}

impl VirtualHosts {
    /// `None` if `hosts` is empty. The first is the default: it serves the requests that name none of them.
    pub fn new(hosts: Vec<Arc<Rosters>>) -> Option<Self> {
        Some(Self(Arc::new(ArcSwap::from_pointee(Hosts::new(hosts)?))))
    }

    /// Others from now on, for all clones; none is no change.
    pub fn replace(&self, hosts: Vec<Arc<Rosters>>) {
        if let Some(hosts) = Hosts::new(hosts) {
            self.0.store(Arc::new(hosts));
        }
    }

    /// All, in the operator's order.
    pub fn iter(&self) -> impl Iterator<Item = Arc<Rosters>> + use<> {
        self.0.load().all.clone().into_iter()
    }

    /// The virtual host with this domain, written in any case, with or without a trailing dot, as Unicode or punycode.
    pub fn by_domain(&self, domain: &str) -> Option<Arc<Rosters>> {
        self.0.load().by_domain(domain).cloned()
    }

    /// The one that serves what names no other.
    pub fn default_host(&self) -> Arc<Rosters> {
        Arc::clone(&self.0.load().default)
    }

    /// The virtual host that a request's target or `Host` header names, whatever the port, else the default: the
    /// reference's own documentation posts to `localhost`.
    pub(in crate::http) fn for_request(&self, request: &Request) -> Arc<Rosters> {
        let hosts = self.0.load();
        Arc::clone(host_of(request).and_then(|host| hosts.by_domain(&host)).unwrap_or(&hosts.default))
    }
}

/// The host that a request names, without its port.
pub(crate) fn host_of(request: &Request) -> Option<String> {
    if let Some(host) = request.uri().host() {
        return Some(host.to_owned());
    }
    let authority: Authority = request.headers().get(HOST)?.to_str().ok()?.parse().ok()?;
    Some(authority.host().to_owned())
}

/// The normalised domain; what is none is the name of no virtual host.
fn key(domain: &str) -> Cow<'_, str> {
    domainpart(domain).unwrap_or(Cow::Borrowed(domain))
}
