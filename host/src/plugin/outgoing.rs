//! `wasi:http/outgoing-handler` on the host's HTTP client.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderName, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use tokio::sync::Semaphore;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use crate::http_client::{Deadlines, ErrorKind, HttpClient, SendError};

/// The longest request body a plugin may send, bytes. A roster fetch has none.
const LONGEST_REQUEST_BODY: usize = 1 << 20;

/// Requests of one call on their way at once.
const AT_ONCE: usize = 2;

type Sent = Result<(Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>), Error>;

/// What stands behind a plugin's `wasi:http`.
#[derive(Clone)]
pub enum Network {
    /// The applications that the operator allows.
    Live(HttpClient),
    /// No network: every request gets this answer. For rehearsals.
    Canned(Arc<CannedAnswer>),
    /// Whatever else answers requests.
    Own(Arc<dyn Outbound>),
}

/// Sends what a plugin wants to send, in the place of the host's own client.
///
/// Where requests may go, for how long, and how long an answer may be is then its affair; how many requests a call may make
/// and how many bytes it may receive in all stays the host's.
#[async_trait]
pub trait Outbound: Send + Sync {
    /// Sends one request. The error becomes the code of `wasi:http` that is nearest to it.
    async fn send(&self, request: Request<Bytes>, deadlines: Deadlines) -> Result<Response<Bytes>, SendError>;
}

/// What an application would answer.
#[derive(Debug)]
pub struct CannedAnswer {
    /// The body, with status 200.
    pub body: Bytes,
}

impl CannedAnswer {
    fn response(&self) -> Response<Bytes> {
        let mut response = Response::new(self.body.clone());
        response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
        response
    }
}

/// Sends the requests of one instance, as many as the call may make.
pub(super) struct Outgoing {
    network: Network,
    left: u32,
    refused: bool,
    /// One call's requests run so many at once; each holds a whole response.
    turns: Arc<Semaphore>,
    /// Bytes of responses that this call may still receive.
    bytes_left: Arc<AtomicUsize>,
    max_bytes: usize,
}

impl Outgoing {
    /// `max_bytes`: what the responses of one call may have together.
    pub(super) fn new(network: Network, max_bytes: usize) -> Self {
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        Self { network, left: 0, refused: false, turns, bytes_left: Arc::new(AtomicUsize::new(max_bytes)), max_bytes }
    }

    pub(super) fn begin_call(&mut self, requests: u32) {
        self.left = requests;
        self.refused = false;
        // A counter of its own for every call: a request that outlives its call must not take from the next.
        self.bytes_left = Arc::new(AtomicUsize::new(self.max_bytes));
    }

    /// Bytes of the bodies this call has received.
    pub(super) fn fetched(&self) -> usize {
        self.max_bytes.saturating_sub(self.bytes_left.load(Ordering::Relaxed))
    }

    /// The call wanted to send more requests than it may.
    pub(super) fn was_refused(&self) -> bool {
        self.refused
    }
}

impl WasiHttpHooks for Outgoing {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None => {
                self.refused = true;
                return Box::new(async { Err(Error::HttpRequestDenied) });
            }
        }
        let (network, turns) = (self.network.clone(), Arc::clone(&self.turns));
        let bytes_left = Arc::clone(&self.bytes_left);
        Box::new(async move {
            // The semaphore is never closed.
            let _turn = turns.acquire_owned().await;
            let response = send(network, request, options.unwrap_or_default()).await?;
            let size = response.body().len();
            let within = |left: usize| left.checked_sub(size);
            if bytes_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, within).is_err() {
                return Err(Error::HttpResponseBodySize(None));
            }
            let processed: Box<dyn Future<Output = Result<(), Error>> + Send> = Box::new(async { Ok(()) });
            Ok((response.map(whole), processed))
        })
    }

    fn is_forbidden_header(&mut self, name: &HeaderName) -> bool {
        wasmtime_wasi_http::DEFAULT_FORBIDDEN_HEADERS.contains(name)
    }
}

async fn send(network: Network, request: Request<WasiBody>, options: RequestOptions) -> Result<Response<Bytes>, Error> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, LONGEST_REQUEST_BODY).collect().await;
    let body = body.map_err(|_| Error::HttpRequestBodySize(Some(LONGEST_REQUEST_BODY as u64)))?.to_bytes();
    let deadlines = Deadlines {
        connect: options.connect_timeout,
        first_byte: options.first_byte_timeout,
        between_bytes: options.between_bytes_timeout,
    };
    let request = Request::from_parts(parts, body);
    let sent = match network {
        Network::Live(client) => client.send(request, deadlines).await,
        Network::Own(own) => own.send(request, deadlines).await,
        Network::Canned(answer) => return Ok(answer.response()),
    };
    sent.map_err(|error| {
        tracing::debug!(%error, "a request of the plugin failed");
        as_wasi(&error)
    })
}

/// The client has read the whole body already, so the plugin gets it in one piece.
fn whole(body: Bytes) -> WasiBody {
    Full::new(body).map_err(|never| match never {}).boxed_unsync()
}

/// The nearest code of `wasi:http`; where it has room for words, ours.
fn as_wasi(error: &SendError) -> Error {
    match error.kind() {
        ErrorKind::Denied | ErrorKind::RedirectDenied => Error::HttpRequestDenied,
        ErrorKind::AddressRefused => Error::DestinationIpProhibited,
        ErrorKind::Dns => Error::DnsError { rcode: Some(error.to_string()), info_code: None },
        ErrorKind::ConnectRefused => Error::ConnectionRefused,
        ErrorKind::Connect => Error::DestinationUnavailable,
        ErrorKind::ConnectTimeout => Error::ConnectionTimeout,
        ErrorKind::Certificate => Error::TlsCertificateError,
        ErrorKind::Tls => Error::TlsProtocolError,
        ErrorKind::FirstByteTimeout | ErrorKind::BodyTimeout | ErrorKind::TotalTimeout => Error::HttpResponseTimeout,
        ErrorKind::Reset => Error::ConnectionTerminated,
        ErrorKind::Incomplete => Error::HttpResponseIncomplete,
        ErrorKind::TooLarge => Error::HttpResponseBodySize(None),
        ErrorKind::HeadTooLarge => Error::HttpResponseHeaderSectionSize(None),
        ErrorKind::Protocol => Error::HttpProtocolError,
        ErrorKind::TooManyRedirects => Error::LoopDetected,
        ErrorKind::BadRequest => Error::InternalError(Some(error.to_string())),
    }
}
