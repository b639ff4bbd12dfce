//! What the requests of a plugin may cost, and how they are sent: on the host's HTTP client.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderName, Request, Response, Uri};
use http_body_util::{BodyExt, Limited};
use tokio::sync::Semaphore;
use wasmtime_wasi_http::p2::bindings::http::types::{DnsErrorPayload, ErrorCode};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use super::cpu::CpuMeter;
use super::last_exchange::LastExchange;
use super::request_parts::LastRequest;
use super::requests::Answered;
use super::tape::{Replay, Tape};
use crate::http_client::{Deadlines, ErrorKind, HttpClient, SendError, shown};

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
    /// No network: requests get the answers that a recorded call got.
    Replay(Arc<Replay>),
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
    /// Shared with its requests only: who counts what all instances share makes all threads write to one place.
    network: Arc<Network>,
    left: u32,
    refused: bool,
    /// One call's requests run so many at once; each holds a whole response.
    turns: Arc<Semaphore>,
    /// Bytes of responses that this call may still receive.
    bytes_left: Arc<AtomicUsize>,
    max_bytes: usize,
    /// The call's computing, to which the network's work does not belong.
    pub(super) cpu: CpuMeter,
    /// The request of this call that goes on only while the plugin waits for it; see [`super::requests`].
    pub(super) lone: Option<u32>,
    pub(super) last: LastRequest,
    /// Where this call's exchanges are recorded, if they are.
    tape: Option<Arc<Tape>>,
    /// Where the outcome of the last one is kept.
    last_exchange: Arc<LastExchange>,
}

impl Outgoing {
    /// `max_bytes`: what the responses of one call may have together.
    pub(super) fn new(network: Network, max_bytes: usize, cpu: CpuMeter) -> Self {
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        Self {
            network: Arc::new(network),
            left: 0,
            refused: false,
            turns,
            bytes_left: Arc::new(AtomicUsize::new(max_bytes)),
            max_bytes,
            cpu,
            lone: None,
            last: LastRequest::default(),
            tape: None,
            last_exchange: Arc::default(),
        }
    }

    pub(super) fn begin_call(&mut self, requests: u32) {
        self.left = requests;
        self.refused = false;
        // A counter of its own for every call, unless nobody has the last one: a request that outlives its call must not
        // take from the next.
        match Arc::get_mut(&mut self.bytes_left) {
            Some(left) => *left.get_mut() = self.max_bytes,
            None => self.bytes_left = Arc::new(AtomicUsize::new(self.max_bytes)),
        }
        self.lone = None;
        self.tape = None;
    }

    /// Records the exchanges of the call that has begun, and the outcome of the last one.
    pub(super) fn record(&mut self, tape: Option<Arc<Tape>>, last_exchange: Arc<LastExchange>) {
        self.tape = tape;
        self.last_exchange = last_exchange;
    }

    /// Bytes of the bodies this call has received.
    pub(super) fn fetched(&self) -> usize {
        self.max_bytes.saturating_sub(self.bytes_left.load(Ordering::Relaxed))
    }

    /// The call wanted to send more requests than it may.
    pub(super) fn was_refused(&self) -> bool {
        self.refused
    }

    /// A request on its way, unless the call has sent too many. It starts with the first poll.
    pub(super) fn send(
        &mut self,
        request: Request<()>,
        body: Option<WasiBody>,
        options: RequestOptions,
    ) -> Result<BoxFuture<'static, Answered>, ErrorCode> {
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None => {
                self.refused = true;
                return Err(ErrorCode::HttpRequestDenied);
            }
        }
        let (network, turns) = (Arc::clone(&self.network), Arc::clone(&self.turns));
        let (bytes_left, max_bytes) = (Arc::clone(&self.bytes_left), self.max_bytes);
        let (tape, last_exchange) = (self.tape.clone(), Arc::clone(&self.last_exchange));
        Ok(Box::pin(async move {
            // The semaphore is never closed.
            let _turn = turns.acquire().await;
            let body = collect(body).await?;
            let uri = request.uri().clone();
            let request = request.map(|()| body);
            let response = recorded(&network, request, options, tape.as_deref(), &last_exchange).await?;
            let size = response.body().len();
            let within = |left: usize| left.checked_sub(size);
            if bytes_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, within).is_err() {
                last_exchange.failed(too_many_bytes(&uri, max_bytes));
                return Err(ErrorCode::HttpResponseBodySize(None));
            }
            Ok(response)
        }))
    }
}

impl WasiHttpHooks for Outgoing {
    /// Requests do not come this way: [`super::requests`].
    fn send_request(
        &mut self,
        _request: Request<WasiBody>,
        _options: Option<RequestOptions>,
        _processed: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        Box::new(async { Err(Error::HttpRequestDenied) })
    }

    fn is_forbidden_header(&mut self, name: &HeaderName) -> bool {
        wasmtime_wasi_http::DEFAULT_FORBIDDEN_HEADERS.contains(name)
    }
}

/// Sends the one request of a call that has no other.
pub(super) async fn send_one(
    network: &Network,
    request: Request<Bytes>,
    max_bytes: usize,
    tape: Option<&Tape>,
    last_exchange: &LastExchange,
) -> Answered {
    let uri = request.uri().clone();
    let response = recorded(network, request, RequestOptions::default(), tape, last_exchange).await?;
    if response.body().len() > max_bytes {
        last_exchange.failed(too_many_bytes(&uri, max_bytes));
        return Err(ErrorCode::HttpResponseBodySize(None));
    }
    Ok(response)
}

fn too_many_bytes(uri: &Uri, limit: usize) -> SendError {
    let detail = format!("the responses of one call are longer than {limit} bytes together (client.max_response)");
    SendError::new(ErrorKind::TooLarge, shown(uri), detail)
}

async fn recorded(
    network: &Network,
    request: Request<Bytes>,
    options: RequestOptions,
    tape: Option<&Tape>,
    last_exchange: &LastExchange,
) -> Answered {
    let recording = tape.map(|tape| (tape.asked(&request), tape));
    let answered = exchange(network, request, options, last_exchange).await;
    if let Some((asked, tape)) = recording {
        tape.answered(asked, &answered);
    }
    answered
}

/// What the plugin has written, when it has written all of it.
async fn collect(body: Option<WasiBody>) -> Result<Bytes, ErrorCode> {
    let Some(body) = body else { return Ok(Bytes::new()) };
    let body = Limited::new(body, LONGEST_REQUEST_BODY).collect().await;
    let body = body.map_err(|_| ErrorCode::HttpRequestBodySize(Some(LONGEST_REQUEST_BODY as u64)))?;
    Ok(body.to_bytes())
}

async fn exchange(
    network: &Network,
    request: Request<Bytes>,
    options: RequestOptions,
    last_exchange: &LastExchange,
) -> Answered {
    let uri = request.uri().clone();
    let deadlines = Deadlines {
        connect: options.connect_timeout,
        first_byte: options.first_byte_timeout,
        between_bytes: options.between_bytes_timeout,
    };
    let sent = match network {
        Network::Live(client) => client.send(request, deadlines).await,
        Network::Own(own) => own.send(request, deadlines).await,
        Network::Canned(answer) => return Ok(answer.response()),
        Network::Replay(replay) => return replay.answer(&request),
    };
    match sent {
        Ok(response) => {
            last_exchange.answered(uri, &response);
            Ok(response)
        }
        Err(error) => {
            let code = as_wasi(&error);
            last_exchange.failed(error);
            Err(code)
        }
    }
}

/// The nearest code of `wasi:http`; where it has room for words, ours.
fn as_wasi(error: &SendError) -> ErrorCode {
    match error.kind() {
        ErrorKind::Denied | ErrorKind::RedirectDenied => ErrorCode::HttpRequestDenied,
        ErrorKind::AddressRefused => ErrorCode::DestinationIpProhibited,
        ErrorKind::Dns => ErrorCode::DnsError(DnsErrorPayload { rcode: Some(error.to_string()), info_code: None }),
        ErrorKind::ConnectRefused => ErrorCode::ConnectionRefused,
        ErrorKind::Connect => ErrorCode::DestinationUnavailable,
        ErrorKind::ConnectTimeout => ErrorCode::ConnectionTimeout,
        ErrorKind::Certificate => ErrorCode::TlsCertificateError,
        ErrorKind::Tls => ErrorCode::TlsProtocolError,
        ErrorKind::FirstByteTimeout | ErrorKind::BodyTimeout | ErrorKind::TotalTimeout => {
            ErrorCode::HttpResponseTimeout
        }
        ErrorKind::Reset => ErrorCode::ConnectionTerminated,
        ErrorKind::Incomplete => ErrorCode::HttpResponseIncomplete,
        ErrorKind::TooLarge => ErrorCode::HttpResponseBodySize(None),
        ErrorKind::NoMemory => ErrorCode::ConnectionLimitReached,
        ErrorKind::HeadTooLarge => ErrorCode::HttpResponseHeaderSectionSize(None),
        ErrorKind::Protocol => ErrorCode::HttpProtocolError,
        ErrorKind::Encoded => ErrorCode::HttpResponseContentCoding(Some(error.detail().to_owned())),
        ErrorKind::TooManyRedirects => ErrorCode::LoopDetected,
        ErrorKind::BadRequest => ErrorCode::InternalError(Some(error.to_string())),
    }
}
