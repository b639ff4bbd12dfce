//! A listener for routes of another room, with the bounds that hold for all.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::{Router, middleware};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::answers::json::{self, ErrorBody};
use super::connection::{Connections, Crowd, Listener};
use super::listening::{ServeError, address, service};
use super::requests::request_log::{Quiet, Recorder};
use crate::config::HttpConfig;
use crate::descriptors::For;
use crate::metrics::Metrics;
use crate::tls::{CertificateFiles, Certificates};

/// See the module. Connections that the system has queued are answered once it is served.
pub(crate) struct Apart {
    socket: TcpListener,
    tls: Option<(Arc<Certificates>, TlsAcceptor)>,
    router: Router,
    error: ErrorBody,
    max_connections: usize,
    silence: Duration,
    stop: CancellationToken,
}

impl Apart {
    /// Of what comes in on `socket`. `files`: for HTTPS. `silence`: a client whose system does not acknowledge what is sent is gone
    /// after that.
    pub(crate) fn new(
        socket: TcpListener,
        files: Option<CertificateFiles>,
        (max_connections, silence): (usize, Duration),
        metrics: &Arc<Metrics>,
    ) -> Result<Self, ServeError> {
        let tls = match files {
            None => None,
            Some(files) => {
                let certificates = Certificates::load(files, metrics)?;
                let acceptor = certificates.http_acceptor()?;
                Some((certificates, acceptor))
            }
        };
        let stop = CancellationToken::new();
        Ok(Self { socket, tls, router: Router::new(), error: |_| Vec::new(), max_connections, silence, stop })
    }

    /// Serves `router` there. Its errors look like `error`, whoever writes them. Answers without an end have to end with `stop`.
    pub(crate) fn with(self, router: impl FnOnce(CancellationToken) -> Router, error: ErrorBody) -> Self {
        let router = router(self.stop.clone());
        Self { router, error, ..self }
    }

    /// Where it listens, with the port that the system chose.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        address(&self.socket)
    }

    /// Begins to serve. What ends it.
    pub(super) fn serve(
        self,
        http: &HttpConfig,
        metrics: &Arc<Metrics>,
        listeners: &mut JoinSet<()>,
        background: &mut JoinSet<()>,
    ) -> CancellationToken {
        let Self { socket, tls, router, error, max_connections, silence, stop } = self;
        let router = router.layer(middleware::from_fn_with_state(error, json::only));
        let recorder = Recorder { metrics: Arc::clone(metrics), quiet: Quiet::All };
        let acceptor = tls.map(|(certificates, acceptor)| {
            background.spawn(certificates.watch());
            acceptor
        });
        // Whoever may ask has a token, and few addresses ask for many.
        let crowd = Crowd::of_few(http, max_connections, metrics);
        let service = service(router, error, recorder);
        let connections = Connections::new(service, acceptor, http.header_timeout, false, crowd);
        let connections = Arc::new(connections.give_up_after(silence));
        listeners.spawn(Listener { socket, connections, wants: Some(For::Refresh) }.run(stop.clone()));
        stop
    }
}
