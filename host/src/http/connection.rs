//! One connection, from its first byte to its end.
//!
//! Whatever the other end does or leaves undone, a connection does not last for ever: the TLS handshake, a request's
//! head, the pause between two requests and a write that makes no progress each have a limit here; bodies have theirs in
//! [`super::body`], answers in the routes.

use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use bytes::Bytes;
use http::Request;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tracing::debug;

/// A request's head may have this many bytes and headers; hyper answers 431 to a longer one.
const MAX_HEAD: usize = 64 << 10;
const MAX_HEADERS: usize = 100;
/// A write that makes no progress for this long ends the connection: the client does not read.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// HTTP/2: requests at once on one connection, and how often a silent client is asked whether it is still there.
const MAX_STREAMS: u32 = 100;
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// When the host stops, a connection without a request may take this long to write out its last answer.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What all connections of one listener have in common.
pub(super) struct Connections {
    router: Router,
    tls: Option<TlsAcceptor>,
    idle: Duration,
    http: Builder<TokioExecutor>,
}

impl Connections {
    /// Connections served by `router`, over TLS if there is an acceptor. `idle` is how long a handshake, a request's
    /// head, or the pause between two requests may take. `half_close`: a client may close its sending side and still be
    /// answered; the host then learns of a client that is gone only when it writes to it.
    pub(super) fn new(router: Router, tls: Option<TlsAcceptor>, idle: Duration, half_close: bool) -> Self {
        let mut http = Builder::new(TokioExecutor::new());
        http.http1()
            .timer(TokioTimer::new())
            .header_read_timeout(idle)
            .max_buf_size(MAX_HEAD)
            .max_headers(MAX_HEADERS)
            .half_close(half_close);
        http.http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .max_header_list_size(MAX_HEAD as u32)
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_INTERVAL);
        Self { router, tls, idle, http }
    }

    /// Serves one connection until it ends, or, once `stop` says so, until its running requests are answered.
    pub(super) async fn serve(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, stop: CancellationToken) {
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%peer, %error, "TCP_NODELAY cannot be set");
        }
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(WRITE_TIMEOUT));
        let stream = Box::pin(stream);
        let Some(tls) = &self.tls else {
            return self.converse(stream, peer, stop).await;
        };
        tokio::select! {
            () = stop.cancelled() => {}
            shaken = timeout(self.idle, tls.accept(stream)) => match shaken {
                Ok(Ok(stream)) => self.converse(stream, peer, stop).await,
                Ok(Err(error)) => debug!(%peer, %error, "a TLS handshake failed"),
                Err(_) => debug!(%peer, "a TLS handshake took too long (http.header_timeout)"),
            },
        }
    }

    /// Returns too when the connection has become another protocol's: whoever took it over sees to its end, and it no
    /// longer counts as a connection here.
    async fn converse<IO>(&self, stream: IO, peer: SocketAddr, stop: CancellationToken)
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (open, mut watched) = watch::channel(0_usize);
        let open = Arc::new(open);
        let service = service_fn(|request: Request<Incoming>| {
            let exchange = Exchange::begin(&open);
            let router = self.router.clone();
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(peer));
            async move {
                let answer = router.oneshot(request).await;
                answer.map(|answer| answer.map(|inner| Answer { inner, _exchange: exchange }))
            }
        });
        let mut connection = pin!(self.http.serve_connection_with_upgrades(TokioIo::new(stream), service));
        let (mut idle, mut ending) = (self.idle, false);
        loop {
            tokio::select! {
                result = connection.as_mut() => {
                    if let Err(error) = result {
                        debug!(%peer, %error, "a connection broke");
                    }
                    return;
                }
                () = stop.cancelled(), if !ending => {
                    connection.as_mut().graceful_shutdown();
                    (idle, ending) = (LAST_WORDS, true);
                }
                // hyper's own timer covers a head of HTTP/1 that has begun. This covers the rest: a connection that says
                // nothing at all, that stops within the preface of HTTP/2, or that opens no streams.
                () = unused(&mut watched, idle) => {
                    if ending {
                        return;
                    }
                    connection.as_mut().graceful_shutdown();
                    (idle, ending) = (LAST_WORDS, true);
                }
            }
        }
    }
}

/// Returns when no request has been open for `limit`.
async fn unused(open: &mut watch::Receiver<usize>, limit: Duration) {
    while open.wait_for(|open| *open == 0).await.is_ok() {
        if timeout(limit, open.changed()).await.is_err() {
            return;
        }
    }
}

/// One request, until its answer is written out.
struct Exchange(Arc<watch::Sender<usize>>);

impl Exchange {
    fn begin(open: &Arc<watch::Sender<usize>>) -> Self {
        open.send_modify(|open| *open += 1);
        Self(Arc::clone(open))
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
    }
}

/// A response body that keeps its exchange open.
struct Answer {
    inner: Body,
    _exchange: Exchange,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.inner).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
