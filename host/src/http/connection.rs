//! One connection, from its first byte to its end.
//!
//! Whatever the other end does or leaves undone, a connection does not last for ever: the TLS handshake, a request's
//! head, the pause between two requests and a write that makes no progress each have a limit here; bodies have theirs in
//! [`super::body`], answers in the routes.

use std::io;
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

use super::json::ErrorBody;
use super::request_log::Recorder;
use super::well_formed;
use super::wire::{Unreadable, Wire};

/// A request's head may have this many bytes and headers; a longer one is answered 431.
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
    unreadable: Unreadable,
}

/// What is served on the connections of one listener.
pub(super) struct Service {
    /// The routes.
    pub(super) router: Router,
    /// The form of an error, for what never gets to a route.
    pub(super) error: ErrorBody,
    /// Who counts and logs that.
    pub(super) recorder: Recorder,
}

impl Connections {
    /// Connections served by `service`, over TLS if there is an acceptor. `idle` is how long a handshake, a request's
    /// head, or the pause between two requests may take. `half_close`: a client may close its sending side and still be
    /// answered; the host then learns of a client that is gone only when it writes to it.
    pub(super) fn new(service: Service, tls: Option<TlsAcceptor>, idle: Duration, half_close: bool) -> Self {
        let Service { router, error, recorder } = service;
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
        let unreadable = Unreadable { body: error, recorder, max_head: MAX_HEAD, max_headers: MAX_HEADERS };
        Self { router, tls, idle, http, unreadable }
    }

    /// Serves one connection until it ends, or, once `stop` says so, until its running requests are answered.
    pub(super) async fn serve(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, stop: CancellationToken) {
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%peer, %error, "TCP_NODELAY cannot be set");
        }
        let Some(tls) = &self.tls else {
            return self.converse(patient(stream), peer, stop).await;
        };
        let shaken = async {
            if speaks_plainly(&stream).await? {
                self.unreadable.answer_without_tls(stream, peer).await;
                return Ok(None);
            }
            tls.accept(patient(stream)).await.map(Some)
        };
        tokio::select! {
            () = stop.cancelled() => {}
            shaken = timeout(self.idle, shaken) => match shaken {
                Ok(Ok(Some(stream))) => self.converse(stream, peer, stop).await,
                Ok(Ok(None)) => {}
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
            well_formed::examine(&mut request);
            async move {
                let answer = router.oneshot(request).await;
                answer.map(|answer| answer.map(|inner| Answer { inner, _exchange: exchange }))
            }
        });
        let wire = Wire::new(stream, peer, self.unreadable.clone(), watched.clone());
        let mut connection = pin!(self.http.serve_connection_with_upgrades(TokioIo::new(wire), service));
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

/// `stream`, on which a write that makes no progress fails.
fn patient(stream: TcpStream) -> Pin<Box<TimeoutStream<TcpStream>>> {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_TIMEOUT));
    Box::pin(stream)
}

/// Whether a connection that should begin with TLS begins with text.
async fn speaks_plainly(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0];
    let read = stream.peek(&mut first).await?;
    Ok(read > 0 && first.iter().all(|byte| byte.is_ascii_graphic() || b"\r\n".contains(byte)))
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
