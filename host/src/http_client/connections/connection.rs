//! One open connection, HTTP/1.1 or HTTP/2.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::rt::{Read, Write};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use super::metered::{Metered, Sent};
use crate::http_client::stats::OpenGuard;

/// How long the head of a response may be.
#[derive(Clone, Copy, Debug)]
pub(in crate::http_client) struct HeadLimits {
    /// `max_response_head`.
    pub(in crate::http_client) bytes: usize,
    /// `max_response_headers`.
    pub(in crate::http_client) fields: usize,
}

/// What one HTTP/1.1 connection may hold in its buffers. Also the largest piece of a body it reads at once.
const BUFFER: usize = 128 << 10;

/// How long a silent HTTP/2 connection with requests on it is believed, and how long its answer to a ping may take.
const PING: Duration = Duration::from_secs(10);

pub(in crate::http_client) type RequestBody = Full<Bytes>;

/// A connection that a request has to itself (HTTP/1.1) or shares (HTTP/2).
///
/// Dropped instead of given back to the pool, an HTTP/1.1 connection closes, whatever state it is in.
#[derive(Debug)]
pub(in crate::http_client) struct Connection {
    pub(super) sender: Sender,
    /// It has served a request before, so the server may just have closed it.
    pub(in crate::http_client) reused: bool,
}

#[derive(Debug)]
pub(super) enum Sender {
    Http1(http1::SendRequest<RequestBody>),
    Http2(SharedSender),
}

/// A handle on an HTTP/2 connection. The second field counts who holds one, the third what was sent.
#[derive(Clone, Debug)]
pub(super) struct SharedSender(pub(super) http2::SendRequest<RequestBody>, pub(super) Arc<()>, pub(super) Sent);

/// A request that got no response.
#[derive(Debug)]
pub(in crate::http_client) struct SendFailure {
    /// Not one byte of it was written.
    pub(in crate::http_client) unsent: bool,
    pub(in crate::http_client) error: hyper::Error,
}

impl Connection {
    /// Starts HTTP/1.1 on `io`; a task of its own drives it until it is closed.
    pub(super) async fn http1<I>(io: I, limits: HeadLimits, open: OpenGuard) -> hyper::Result<Self>
    where
        I: Read + Write + Unpin + Send + 'static,
    {
        let (sender, driver) = http1::Builder::new()
            // Applications still send them (RFC 9112 section 5.2); the line breaks become spaces.
            .allow_obsolete_multiline_headers_in_responses(true)
            .max_header_size(limits.bytes)
            .max_headers(limits.fields)
            .max_buf_size(BUFFER.max(limits.bytes))
            .handshake(io)
            .await?;
        tokio::spawn(drive(driver, open));
        Ok(Self { sender: Sender::Http1(sender), reused: false })
    }

    /// The same for HTTP/2.
    pub(super) async fn http2<I>(io: I, limits: HeadLimits, open: OpenGuard) -> hyper::Result<Self>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let sent = Sent::default();
        let io = TokioIo::new(Metered::new(io, Arc::clone(&sent)));
        let (sender, driver) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_header_list_size(u32::try_from(limits.bytes).unwrap_or(u32::MAX))
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING)
            .handshake(io)
            .await?;
        tokio::spawn(drive(driver, open));
        Ok(Self { sender: Sender::Http2(SharedSender(sender, Arc::new(()), sent)), reused: false })
    }

    /// Is this HTTP/2?
    pub(in crate::http_client) fn is_shared(&self) -> bool {
        matches!(self.sender, Sender::Http2(_))
    }

    /// Waits until a request can be sent; `false` when the connection is closed.
    ///
    /// Short: an HTTP/1.1 connection is in the pool only after its last exchange ended, and at most its driver task
    /// has not noticed yet.
    pub(super) async fn ready(&mut self) -> bool {
        match &mut self.sender {
            Sender::Http1(sender) => sender.ready().await.is_ok(),
            Sender::Http2(SharedSender(sender, ..)) => sender.ready().await.is_ok(),
        }
    }

    /// Could a request be sent at once?
    pub(in crate::http_client) fn is_ready(&self) -> bool {
        match &self.sender {
            Sender::Http1(sender) => sender.is_ready(),
            Sender::Http2(SharedSender(sender, ..)) => sender.is_ready(),
        }
    }

    /// Sends a request and waits for the head of the response.
    pub(in crate::http_client) async fn send(
        &mut self,
        request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, SendFailure> {
        let result = match &mut self.sender {
            Sender::Http1(sender) => sender.try_send_request(request).await,
            Sender::Http2(SharedSender(sender, _, sent)) => {
                sent.fetch_add(1, Relaxed);
                sender.try_send_request(request).await
            }
        };
        result.map_err(|mut failure| SendFailure {
            unsent: failure.take_message().is_some(),
            error: failure.into_error(),
        })
    }
}

/// Requests report their own errors; what is left concerns nobody.
async fn drive(driver: impl Future<Output = hyper::Result<()>>, open: OpenGuard) {
    if let Err(error) = driver.await {
        tracing::trace!(%error, "an outbound connection ended");
    }
    drop(open);
}
