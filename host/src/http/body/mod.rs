//! Request bodies: how long they may be, how long they may take, what they take together ([`memory`]), and what becomes of those
//! nobody reads.

mod memory;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::middleware::Next;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, EXPECT, HeaderMap, HeaderValue, RETRY_AFTER};
use http::{StatusCode, Version};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout, timeout_at};

use super::answers::json;
use super::shortened::shortened;

use memory::Claim;

pub(crate) use memory::BodyMemory;

/// Memory set aside for a body before any of it has arrived.
const MOST_SET_ASIDE: usize = 16 << 10;
/// So much of a body, or all of it, has to come in the time that a pause may take: drops are no progress.
const PROGRESS: usize = 4 << 10;
/// How much of a body nobody wants is read and thrown away, and for how long. A client that writes its whole request
/// before it reads would see a reset connection, and not the answer, if the host closed earlier.
const LINGER_BYTES: usize = 64 << 20;
const LINGER_TIME: Duration = Duration::from_secs(5);

/// A request body that could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the request body is longer than {limit} bytes ({setting})")]
    TooLarge { limit: usize, setting: &'static str },
    #[error("the request body did not arrive in time (http.header_timeout, http.request_timeout)")]
    TooSlow,
    #[error(
        "the bodies of all requests take as much memory as they may, and those of this address most of it (http.body_memory)"
    )]
    NoMemory,
    #[error("the request body broke off: {0}")]
    Broken(String),
    #[error("the request body has Content-Encoding: {0}; send it as it is, without compression")]
    Encoded(String),
}

impl BodyError {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::NoMemory => StatusCode::SERVICE_UNAVAILABLE,
            Self::Broken(_) => StatusCode::BAD_REQUEST,
            Self::Encoded(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        }
    }

    /// `response`, which tells of this, with the headers that go with it (RFC 9110 section 15.5.16).
    pub(crate) fn headers(&self, response: Response) -> Response {
        match self {
            Self::Encoded(_) => json::with_header(response, ACCEPT_ENCODING, "identity"),
            Self::NoMemory => json::with_header(response, RETRY_AFTER, "1"),
            _ => response,
        }
    }
}

/// What a body may cost.
#[derive(Clone)]
pub(crate) struct BodyLimits {
    /// The longest body, bytes.
    pub(crate) size: usize,
    /// The longest wait for the next piece that is worth it.
    pub(crate) pause: Duration,
    /// The key that sets the size.
    pub(crate) setting: &'static str,
    /// What all bodies take together.
    pub(crate) memory: Arc<BodyMemory>,
}

/// A body that has arrived. While it is there it counts among what all bodies take.
pub(crate) struct Whole {
    pub(crate) bytes: Bytes,
    _claim: Claim,
}

/// The address that `request` is from.
pub(crate) fn peer(request: &Request) -> IpAddr {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip())
}

/// Reads the body of `request` whole, if it comes as it is and not compressed. See [`read_whole`].
pub(crate) async fn read(request: Request, limits: &BodyLimits, deadline: Instant) -> Result<Whole, BodyError> {
    if let Some(coding) = content_coding(request.headers()) {
        return Err(BodyError::Encoded(coding));
    }
    let claim = limits.memory.claim(peer(&request));
    let read = tokio::select! {
        read = read_whole(request.into_body(), limits, &claim, deadline) => read,
        () = claim.lost() => Err(BodyError::NoMemory),
    };
    let bytes = read?;
    if claim.arrived() { Ok(Whole { bytes, _claim: claim }) } else { Err(BodyError::NoMemory) }
}

/// How the body is encoded (RFC 9110 section 8.4), if it is.
fn content_coding(headers: &HeaderMap) -> Option<String> {
    let values: Vec<_> = headers.get_all(CONTENT_ENCODING).iter().map(HeaderValue::as_bytes).collect();
    let plain = |coding: &[u8]| coding.is_empty() || coding.eq_ignore_ascii_case(b"identity");
    let plain = values.iter().flat_map(|value| value.split(|b| *b == b',')).all(|coding| plain(coding.trim_ascii()));
    (!plain).then(|| shortened(values.join(&b", "[..])))
}

/// The whole body, at most `limits.size` bytes long, and complete by `deadline`. A body that announces more is refused
/// before any of it is read.
async fn read_whole(mut body: Body, limits: &BodyLimits, claim: &Claim, deadline: Instant) -> Result<Bytes, BodyError> {
    let too_large = BodyError::TooLarge { limit: limits.size, setting: limits.setting };
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limits.size {
        return Err(too_large);
    }
    // One growing buffer: pieces of a byte each, kept as they come, would take a hundred times their length.
    let mut whole = BytesMut::new();
    let (mut since, mut progress) = (Instant::now(), 0);
    loop {
        let until = deadline.min(since + limits.pause);
        let piece = match timeout_at(until, body.frame()).await {
            Err(_) => return Err(BodyError::TooSlow),
            Ok(None) => return Ok(whole.freeze()),
            Ok(Some(Err(error))) => return Err(BodyError::Broken(error.to_string())),
            Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
        };
        progress += piece.len();
        if progress >= PROGRESS {
            (since, progress) = (Instant::now(), 0);
        }
        let length = whole.len() + piece.len();
        if length > limits.size {
            return Err(too_large);
        }
        if whole.is_empty() && body.is_end_stream() {
            return if claim.grow(length) { Ok(piece) } else { Err(BodyError::NoMemory) };
        }
        if length > whole.capacity() {
            let ahead = announced.clamp(length, length.max(2 * whole.capacity()).max(MOST_SET_ASIDE));
            if !claim.grow(ahead) {
                return Err(BodyError::NoMemory);
            }
            whole.reserve(ahead - whole.len());
        }
        whole.extend_from_slice(&piece);
    }
}

/// Middleware: a body that the rest of the service does not read to its end is read and thrown away after the answer
/// has gone out, so that the client gets to see it.
pub(crate) async fn linger(request: Request, next: Next) -> Response {
    let version = request.version();
    let waits = request.headers().get(EXPECT).is_some();
    let request = request.map(|inner| Body::new(Lingering { inner, waits }));
    let mut response = next.run(request).await;
    let refused = matches!(response.status(), StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT);
    if refused && version <= Version::HTTP_11 {
        // Asks a client that does look at the answer while it writes to stop writing.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

struct Lingering {
    inner: Body,
    /// The client waits for `100 Continue` before it sends any of the body.
    waits: bool,
}

impl HttpBody for Lingering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        // hyper now tells the client to go on.
        self.waits = false;
        Pin::new(&mut self.inner).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        if self.waits || self.inner.is_end_stream() {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(timeout(LINGER_TIME, throw_away(std::mem::take(&mut self.inner))));
        }
    }
}

async fn throw_away(mut body: Body) {
    let mut read = 0;
    while let Some(Ok(frame)) = body.frame().await {
        read += frame.data_ref().map_or(0, Bytes::len);
        if read > LINGER_BYTES {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use futures::{StreamExt, stream};

    fn pieces(pieces: &'static [&'static str]) -> Body {
        Body::from_stream(stream::iter(pieces.iter().map(|piece| Ok::<_, std::io::Error>(*piece))))
    }

    fn limits(size: usize, pause: Duration) -> BodyLimits {
        BodyLimits { size, pause, setting: "a", memory: BodyMemory::new(10 << 20, size) }
    }

    async fn read_body(body: Body, limits: &BodyLimits, deadline: Instant) -> Result<Bytes, BodyError> {
        read(Request::new(body), limits, deadline).await.map(|whole| whole.bytes)
    }

    #[tokio::test]
    async fn a_body_is_read_whole_or_refused_by_its_length() {
        let limits = limits(6, Duration::from_secs(1));
        let deadline = Instant::now() + Duration::from_secs(5);
        for (body, expected) in [
            (Body::empty(), Some("")),
            (Body::from("123456"), Some("123456")),
            (Body::from("1234567"), None),
            (pieces(&["123", "456"]), Some("123456")),
            (pieces(&["123", "4567"]), None),
        ] {
            let read = read_body(body, &limits, deadline).await;
            match expected {
                Some(text) => assert_eq!(read.unwrap(), text),
                None => assert!(matches!(read, Err(BodyError::TooLarge { limit: 6, setting: "a" })), "{read:?}"),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_pauses_or_drips_or_takes_too_long_is_given_up() {
        let limits = limits(1 << 20, Duration::from_millis(200));
        for (what, size, pause, taken) in [
            ("a pause", 1, 9000, 200),
            ("drops", 1, 20, 200),
            ("drops that are not worth it", 200, 20, 200),
            ("pieces that are, without end", 1000, 20, 600),
        ] {
            let drip = stream::repeat(()).then(move |()| async move {
                tokio::time::sleep(Duration::from_millis(pause)).await;
                Ok::<_, std::io::Error>("x".repeat(size))
            });
            let began = Instant::now();
            let deadline = began + Duration::from_millis(600);
            let read = read_body(Body::from_stream(Box::pin(drip)), &limits, deadline).await;
            assert!(matches!(read, Err(BodyError::TooSlow)), "{what}: {read:?}");
            let elapsed = began.elapsed().as_millis();
            assert!((taken..taken + 50).contains(&elapsed), "{what}: {elapsed} ms");
        }
    }

    #[tokio::test]
    async fn a_body_counts_from_its_first_piece_until_it_is_done_with() {
        let limits = BodyLimits {
            size: 100_000,
            pause: Duration::from_secs(5),
            setting: "a",
            memory: BodyMemory::new(150_000, 100_000),
        };
        let deadline = Instant::now() + Duration::from_secs(5);
        let request = |length: usize| {
            let pieces = stream::iter((0..length / 1000).map(|_| Ok::<_, std::io::Error>("x".repeat(1000))));
            Request::new(Body::from_stream(pieces))
        };
        let first = read(request(90_000), &limits, deadline).await.unwrap();
        let second = read(request(90_000), &limits, deadline).await;
        assert!(matches!(second, Err(BodyError::NoMemory)));
        drop(first);
        assert_eq!(read(request(90_000), &limits, deadline).await.unwrap().bytes.len(), 90_000);
    }
}
