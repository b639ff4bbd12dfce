//! Which virtual host a request is for.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::Request;
use http::header::HOST;
use http::uri::Authority;
use roster_jid::domainpart;

use crate::rosters::Rosters;

/// The virtual hosts of the process, at least one.
#[derive(Clone)]
pub struct VirtualHosts {
    all: Arc<[Arc<Rosters>]>,
    default: Arc<Rosters>,
    by_name: Arc<HashMap<String, Arc<Rosters>>>,
}

impl VirtualHosts {
    /// `None` if `hosts` is empty. The first is the default: it serves the requests that name none of them.
    pub fn new(hosts: Vec<Arc<Rosters>>) -> Option<Self> {
        let default = Arc::clone(hosts.first()?);
        let by_name = hosts.iter().rev().map(|host| (key(host.domain()).into_owned(), Arc::clone(host))).collect();
        Some(Self { all: hosts.into(), default, by_name: Arc::new(by_name) })
    }

    /// All, in the operator's order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Rosters>> {
        self.all.iter()
    }

    /// The virtual host with this domain, written in any case, with or without a trailing dot, as Unicode or punycode.
    pub fn by_domain(&self, domain: &str) -> Option<&Arc<Rosters>> {
        self.by_name.get(&*key(domain))
    }

    /// The one that serves what names no other.
    pub fn default_host(&self) -> &Arc<Rosters> {
        &self.default
    }

    /// The virtual host that a request's target or `Host` header names, whatever the port, else the default: the
    /// reference's own documentation posts to `localhost`.
    pub(super) fn for_request(&self, request: &Request) -> &Arc<Rosters> {
        host_of(request).and_then(|host| self.by_domain(&host)).unwrap_or(&self.default)
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
