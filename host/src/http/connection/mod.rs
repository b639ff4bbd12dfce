//! One connection, from its first byte to its end.
//!
//! Whatever the other end does or leaves undone, a connection does not last for ever: the TLS handshake, a request's
//! head, the pause between two requests and a write that makes no progress each have a limit here; bodies have theirs in
//! [`super::body`], answers in the routes. Nor does it take more than its share:
//!
//! - [`listener`]: accepts connections, as many as may be open
//! - [`crowd`]: what all of them may have, and each address
//! - [`activity`]: whether a connection works or waits; one that waits makes room for others
//! - [`slow_reader`], [`metered`], [`wire`]: what is between TCP and hyper, from below
//! - [`pace`]: how many requests in a second; more wait
//! - [`received`]: the body of a request, as it comes

mod activity;
mod crowd;
mod listener;
mod metered;
mod pace;
mod received;
mod slow_reader;
mod wire;

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{Request, StatusCode, Version};
use http_body::Body as HttpBody;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use roster_xmpp::peers::Permit;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tracing::debug;

use super::answers::json::ErrorBody;
use super::requests::fault::Fault;
use super::requests::request_log::Recorder;
use super::requests::well_formed;
use activity::{Activity, ResponseBody};
use crowd::Limit;
use metered::Metered;
use pace::{Pace, TooManyRequests};
use received::Received;
use slow_reader::SlowReader;
use wire::{Unreadable, Wire};

pub(super) use crowd::Crowd;
pub(super) use listener::Listener;

/// A request's head may have this many bytes and headers; a longer one is answered 431.
const MAX_HEAD: usize = 64 << 10;
const MAX_HEADERS: usize = 100;
/// HTTP/2: requests at once on one connection, and how often a silent client is asked whether it is still there.
const MAX_STREAMS: u32 = 100;
/// HTTP/2: what may come of one body, and of all on one connection, before somebody wants it; and what may wait to be written of
/// one answer, beside the answer itself.
const STREAM_WINDOW: u32 = 128 << 10;
const CONNECTION_WINDOW: u32 = 512 << 10;
const SEND_BUFFER: usize = 64 << 10;
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// When the host stops, a connection without a request may take this long to write out its last answer.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// And one that was accepted just before so long to say what it wants: a client that is cut off then has been refused, though others
/// may listen on the same socket already.
const FIRST_WORDS: Duration = Duration::from_secs(1);

/// What all connections of one listener have in common.
pub(super) struct Connections {
    router: Router,
    tls: Option<TlsAcceptor>,
    idle: Duration,
    http: Builder<TokioExecutor>,
    unreadable: Unreadable,
    /// After so long without an acknowledgement of TCP a client that is written to is gone; `None`: when the system thinks so.
    silence: Option<Duration>,
    pub(super) crowd: Arc<Crowd>,
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
    pub(super) fn new(
        service: Service,
        tls: Option<TlsAcceptor>,
        idle: Duration,
        half_close: bool,
        crowd: Arc<Crowd>,
    ) -> Self {
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
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(SEND_BUFFER)
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_INTERVAL);
        let unreadable = Unreadable { body: error, recorder, max_head: MAX_HEAD, max_headers: MAX_HEADERS };
        Self { router, tls, idle, http, unreadable, silence: None, crowd }
    }

    /// Gives up a client whose system has not acknowledged for so long what was sent. One that has lost its power or its network
    /// would be thought to be there for a quarter of an hour otherwise, if it is sent little.
    pub(super) fn give_up_after(self, silence: Duration) -> Self {
        Self { silence: Some(silence), ..self }
    }

    /// Serves one connection until it ends, or loses its permit, or, once `stop` says so, until its running requests are
    /// answered.
    pub(super) async fn serve(
        self: Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        permit: Permit,
        stop: CancellationToken,
    ) {
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%peer, %error, "TCP_NODELAY cannot be set");
        }
        if let Some(silence) = self.silence
            && let Err(error) = give_up_after(&stream, silence)
        {
            debug!(%peer, %error, "TCP_USER_TIMEOUT cannot be set");
        }
        let activity = Activity::new(permit);
        let Some(tls) = &self.tls else {
            return self.converse(SlowReader::new(stream), peer, &activity, stop).await;
        };
        tokio::select! {
            () = async { stop.cancelled().await; sleep(FIRST_WORDS).await } => {}
            () = activity.lost() => {}
            shaken = timeout(self.idle, self.shake_hands(tls, stream, peer)) => match shaken {
                Ok(Ok(Some(stream))) => self.converse(stream, peer, &activity, stop).await,
                Ok(Ok(None)) => {}
                Ok(Err(error)) => debug!(%peer, %error, "a TLS handshake failed"),
                Err(_) => debug!(%peer, "a TLS handshake took too long (http.header_timeout)"),
            },
        }
    }

    /// `None` if there is to be no TLS. Nothing is read of a client that began too many handshakes, and one that says nothing
    /// takes no permit from others.
    async fn shake_hands(
        &self,
        tls: &TlsAcceptor,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> io::Result<Option<TlsStream<SlowReader<TcpStream>>>> {
        let plain = speaks_plainly(&stream).await?;
        if !self.crowd.handshakes.take(peer.ip(), 1) {
            self.crowd.refused(peer, Limit::HandshakeRate);
            return Ok(None);
        }
        if plain {
            self.unreadable.answer_without_tls(stream, peer).await;
            return Ok(None);
        }
        let permit = self.crowd.handshaking.take(peer.ip()).await;
        tokio::select! {
            shaken = tls.accept(SlowReader::new(stream)) => shaken.map(Some),
            () = permit.lost() => Err(io::Error::other("it took long, and others waited (http.max_handshakes)")),
        }
    }

    /// Returns too when the connection has become another protocol's: whoever took it over sees to its end, and it no
    /// longer counts as a connection here.
    async fn converse<IO>(&self, stream: IO, peer: SocketAddr, activity: &Arc<Activity>, stop: CancellationToken)
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (mut watched, mut begun) = (activity.open(), activity.open());
        let pace = Pace::new(peer, Arc::clone(&self.crowd));
        let service = service_fn(|request: Request<Incoming>| {
            let delay = pace.next();
            let share = self.crowd.requests.take(peer.ip());
            let too_many = share.is_none().then_some(Fault::TooManyRequests(self.crowd.most_requests));
            // Of HTTP/1 only one is there at a time. Of HTTP/2 nothing more is read, but what has been read must not pile up.
            let delay = delay.map(|delay| delay.filter(|_| share.is_some() || request.version() < Version::HTTP_2));
            let open = activity.begin(share);
            let router = self.router.clone();
            let receiving = (!request.body().is_end_stream()).then(|| activity.receive());
            let waits = || receiving.is_none().then(|| activity.receive());
            let delay = delay.map(|delay| delay.map(|delay| (delay, waits())));
            let overhead = Arc::clone(&self.crowd.overhead);
            let mut request = request.map(|body| Body::new(Received::new(body, receiving, peer.ip(), overhead)));
            request.extensions_mut().insert(ConnectInfo(peer));
            well_formed::examine(&mut request);
            if let Some(too_many) = too_many {
                request.extensions_mut().insert(too_many);
            }
            async move {
                if let Some((delay, _waits)) = delay? {
                    delay.over().await;
                }
                let answer = router.oneshot(request).await.map(bodiless);
                match answer {
                    Ok(answer) => Ok::<_, TooManyRequests>(answer.map(|inner| ResponseBody { inner, _request: open })),
                    Err(never) => match never {},
                }
            }
        });
        let metered = Metered::new(stream, peer, Arc::clone(&self.crowd), Arc::clone(&pace));
        let wire = Wire::new(metered, peer, self.unreadable.clone(), watched.clone(), Arc::clone(&pace));
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
                () = activity.lost() => return debug!(%peer, "an idle connection made room for another"),
                () = told_to_end(&stop, &mut begun), if !ending => {
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

/// `answer`, with neither a body nor the length of one where its status allows none (RFC 9110 sections 8.6 and 15.4.5). axum adds
/// a length to every answer.
fn bodiless(mut answer: Response) -> Response {
    let status = answer.status();
    if status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        *answer.body_mut() = Body::empty();
        answer.headers_mut().remove(CONTENT_LENGTH);
        if status == StatusCode::NO_CONTENT {
            answer.headers_mut().remove(CONTENT_TYPE);
        }
    }
    answer
}

#[cfg(target_os = "linux")]
fn give_up_after(stream: &TcpStream, silence: Duration) -> io::Result<()> {
    socket2::SockRef::from(stream).set_tcp_user_timeout(Some(silence))
}

/// Only Linux has it; elsewhere the system's own patience has to do.
#[cfg(not(target_os = "linux"))]
fn give_up_after(_: &TcpStream, _: Duration) -> io::Result<()> {
    Ok(())
}

/// Whether a connection that should begin with TLS begins with text.
async fn speaks_plainly(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0];
    let read = stream.peek(&mut first).await?;
    Ok(read > 0 && first.iter().all(|byte| byte.is_ascii_graphic() || b"\r\n".contains(byte)))
}

/// Returns when the host stops. A connection that has had no request came in as a good one, so it is given a moment for its first.
async fn told_to_end(stop: &CancellationToken, begun: &mut watch::Receiver<usize>) {
    stop.cancelled().await;
    let _ = timeout(FIRST_WORDS, begun.changed()).await;
}

/// Returns when no request has been open for `limit`.
async fn unused(open: &mut watch::Receiver<usize>, limit: Duration) {
    while open.wait_for(|open| *open == 0).await.is_ok() {
        if timeout(limit, open.changed()).await.is_err() {
            return;
        }
    }
}
