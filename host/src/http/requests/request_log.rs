//! One log line, one count and one id for every request. Neither headers nor bodies are logged.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use http::Method;
use tracing::{Instrument, debug, error, info, info_span};

use super::fault::Fault;
use super::paths;
use crate::http::refusal::Refusal;
use crate::http::shortened::shortened;
use crate::metrics::Metrics;

/// What the middleware needs.
#[derive(Clone)]
pub(in crate::http) struct Recorder {
    /// Who counts.
    pub(in crate::http) metrics: Arc<Metrics>,
    /// Which requests are logged at the level debug.
    pub(in crate::http) quiet: Quiet,
}

/// Requests that are too many, or change too little, for the log.
#[derive(Clone, Copy)]
pub(in crate::http) enum Quiet {
    /// None.
    None,
    /// Those that only look.
    Looks,
    /// All.
    All,
}

impl Recorder {
    /// What came was no request, and was answered all the same.
    pub(in crate::http) fn unreadable(&self, peer: SocketAddr, fault: &Fault) {
        let status = fault.status().as_u16();
        self.metrics.request(paths::label(None), status);
        info!(status, %peer, reason = %fault, "what came is not a request");
    }
}

/// The middleware. A handler that panics is answered for here, too.
pub(in crate::http) async fn record(State(recorder): State<Recorder>, request: Request, next: Next) -> Response {
    static IDS: AtomicU64 = AtomicU64::new(1);
    let span = info_span!("request", id = IDS.fetch_add(1, Ordering::Relaxed));
    async move {
        let began = Instant::now();
        let route = paths::label(request.extensions().get::<MatchedPath>());
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0);
        let quiet = match recorder.quiet {
            Quiet::None => false,
            Quiet::Looks => matches!(*request.method(), Method::GET | Method::HEAD),
            Quiet::All => true,
        };
        let (method, path) = (shortened(request.method().as_str()), shortened(request.uri().path()));
        let response = AssertUnwindSafe(next.run(request)).catch_unwind().await.unwrap_or_else(|_| {
            error!("answering a request panicked; this is a defect of the host");
            Refusal::Internal.into_response()
        });
        let status = response.status().as_u16();
        recorder.metrics.request(route, status);
        let elapsed = began.elapsed();
        if quiet {
            debug!(method, path, status, ?elapsed, peer = peer.map(tracing::field::display), "request");
        } else {
            info!(method, path, status, ?elapsed, peer = peer.map(tracing::field::display), "request");
        }
        response
    }
    .instrument(span)
    .await
}
