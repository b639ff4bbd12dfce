//! The client: finds the origin's site, sends, follows redirects.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryFutureExt;
use http::{Request, Response, Uri};

use super::connections::Connector;
use super::error::{ErrorKind, SendError, shown};
use super::exchange::Exchange;
use super::exchange::deadlines::{Deadlines, Limits};
use super::exchange::memory::Memory;
use super::exchange::timer::Timer;
use super::request::Outgoing;
use super::request::redirect::{self, Redirect};
use super::request::site::{self, Site};
use super::stats::ClientStats;
use crate::config::ClientConfig;

/// One pooled HTTP client with the operator's rules. Cheap to clone; clones share connections and counters.
///
/// Dropping a future of [`send`](Self::send) ends the exchange and closes its connection. Dropping the last clone
/// closes the idle connections.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// use roster_host::config::ClientConfig;
/// use roster_host::http_client::{Deadlines, ErrorKind, HttpClient};
///
/// let config = ClientConfig { allow_origins: vec!["http://127.0.0.1:8000".parse()?], ..ClientConfig::default() };
/// let client = HttpClient::new(&config)?;
/// let request = http::Request::get("http://elsewhere.example/contacts/john").body(bytes::Bytes::new())?;
/// let error = client.send(request, Deadlines::default()).await.expect_err("not on the list");
/// assert_eq!(error.kind(), ErrorKind::Denied);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct HttpClient {
    inner: Arc<Inner>,
    memory: Option<Arc<dyn Memory>>,
}

pub(super) struct Inner {
    pub(super) sites: Vec<Site>,
    pub(super) connector: Connector,
    pub(super) stats: Arc<ClientStats>,
    /// The numbers of the configuration.
    pub(super) config: ClientConfig,
}

impl HttpClient {
    pub(super) fn from_inner(inner: Inner) -> Self {
        Self { inner: Arc::new(inner), memory: None }
    }

    /// The same client for somebody whose memory long bodies take.
    #[must_use]
    pub fn with_memory(self, memory: Arc<dyn Memory>) -> Self {
        Self { memory: Some(memory), ..self }
    }

    /// Sends `request` and collects the whole response.
    ///
    /// The URI is absolute. The host sets `Host` and `Content-Length`; what the request says of them is left out.
    /// Redirects of `GET` and `HEAD` are followed, to allowed origins, at most `max_redirects`; with
    /// `max_redirects = 0`, and for other methods, the redirect itself is the response. Bodies are not decompressed.
    ///
    /// # Errors
    ///
    /// See [`SendError`]. A response with an error status is a response.
    pub fn send(
        &self,
        request: Request<Bytes>,
        deadlines: Deadlines,
    ) -> impl Future<Output = Result<Response<Bytes>, SendError>> + Send {
        let stats = &self.inner.stats;
        stats.request();
        let sending = self.inner.send(request, deadlines, self.memory.as_deref());
        sending.inspect_err(|error| stats.error(error.kind()))
    }

    /// What this client has done so far.
    pub fn stats(&self) -> &Arc<ClientStats> {
        &self.inner.stats
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.inner.sites.iter().map(|site| site.origin.to_string())).finish()
    }
}

impl Inner {
    async fn send(
        &self,
        request: Request<Bytes>,
        deadlines: Deadlines,
        memory: Option<&dyn Memory>,
    ) -> Result<Response<Bytes>, SendError> {
        let mut outgoing = Outgoing::new(request)?;
        let denied = || {
            let detail = "its origin is not an allowed origin (client.allow_origins)";
            SendError::new(ErrorKind::Denied, shown(&outgoing.uri), detail)
        };
        let mut site = site::find(&self.sites, &outgoing.uri).ok_or_else(denied)?;
        outgoing.check_for(site)?;

        let sleep = pin!(None);
        let limits = Limits::new(deadlines, &self.config);
        let mut exchange = Exchange {
            connector: &self.connector,
            stats: &self.stats,
            max_response: self.config.max_response,
            memory,
            limits,
            timer: Timer::start(sleep, limits.total_at),
        };
        let mut redirects = 0;
        loop {
            let (connection, response) = exchange.head(site, &outgoing).await?;
            let Some(next) = self.redirect(&response, &outgoing)? else {
                return exchange.body(site, &outgoing, connection, response).await;
            };
            if redirects == self.config.max_redirects {
                let limit = self.config.max_redirects;
                let detail = format!("redirected to {} after {limit} redirects (client.max_redirects)", shown(&next));
                return Err(SendError::new(ErrorKind::TooManyRedirects, shown(&outgoing.uri), detail));
            }
            let denied = || {
                let detail = format!(
                    "redirected to {}, whose origin is not an allowed origin (client.allow_origins)",
                    shown(&next)
                );
                SendError::new(ErrorKind::RedirectDenied, shown(&outgoing.uri), detail)
            };
            let next_site = site::find(&self.sites, &next).ok_or_else(denied)?;
            exchange.skip(site, &outgoing, connection, response).await;
            redirects += 1;
            self.stats.redirect();
            outgoing.redirect(next, std::ptr::eq(site, next_site));
            site = next_site;
        }
    }

    /// Where to go instead; `None` when `response` is what the plugin gets.
    fn redirect<B>(&self, response: &Response<B>, outgoing: &Outgoing) -> Result<Option<Uri>, SendError> {
        if !response.status().is_redirection() || !outgoing.is_safe() || self.config.max_redirects == 0 {
            return Ok(None);
        }
        let failed = |kind, detail: &str| Err(SendError::new(kind, shown(&outgoing.uri), detail));
        match redirect::of(response, &outgoing.uri) {
            Redirect::None => Ok(None),
            Redirect::To(uri) => Ok(Some(uri)),
            Redirect::Elsewhere(scheme) => {
                failed(ErrorKind::RedirectDenied, &format!("redirected to a URL of the scheme {scheme}"))
            }
            Redirect::Unreadable => {
                failed(ErrorKind::Protocol, "the response is a redirect whose Location is not a URL")
            }
        }
    }
}
