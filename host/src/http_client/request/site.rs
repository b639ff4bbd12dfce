//! One allowed origin with everything that belongs to it.
//!
//! The allow-list is the list of sites: a request that finds no site goes nowhere, and one that does finds its
//! credentials and its connections there, without a map or a lock.

use std::sync::Arc;

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Uri};

use crate::config::Origin;
use crate::http_client::connections::Pool;

/// See the module's documentation.
pub(in crate::http_client) struct Site {
    pub(in crate::http_client) origin: Origin,
    /// The authority in its normal form.
    authority: Authority,
    /// The `Host` header, HTTP/1.1.
    pub(in crate::http_client) host: HeaderValue,
    /// The host's credentials, when this origin gets them. Marked sensitive.
    pub(in crate::http_client) authorization: Option<HeaderValue>,
    pub(in crate::http_client) pool: Arc<Pool>,
}

impl Site {
    pub(in crate::http_client) fn new(
        origin: Origin,
        authorization: Option<HeaderValue>,
        pool: Pool,
    ) -> Result<Self, http::Error> {
        let text = origin.to_string();
        let authority = text.split_once("://").map_or(text.as_str(), |(_, authority)| authority);
        let host = HeaderValue::from_str(authority)?;
        let authority = authority.parse::<Authority>()?;
        Ok(Self { origin, authority, host, authorization, pool: Arc::new(pool) })
    }

    /// Is `uri` of this origin, written just so? `false` says nothing: there are other ways to write it.
    fn spells(&self, uri: &Uri) -> bool {
        let scheme = if self.origin.is_https() { &Scheme::HTTPS } else { &Scheme::HTTP };
        // `Authority` compares without regard to case.
        uri.scheme() == Some(scheme) && uri.authority() == Some(&self.authority)
    }

    /// The absolute URI of `path` here, in the normal form: what HTTP/2 wants.
    pub(in crate::http_client) fn absolute(&self, path: PathAndQuery) -> Uri {
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(if self.origin.is_https() { Scheme::HTTPS } else { Scheme::HTTP });
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(path);
        // Cannot fail with all three present; a path alone is refused by the connection.
        Uri::from_parts(parts).unwrap_or_default()
    }
}

/// The site that serves `uri`.
pub(in crate::http_client) fn find<'a>(sites: &'a [Site], uri: &Uri) -> Option<&'a Site> {
    // The usual spelling first: it needs no parsing.
    sites.iter().find(|site| site.spells(uri)).or_else(|| {
        let origin = Origin::of_uri(uri)?;
        sites.iter().find(|site| site.origin == origin)
    })
}
