//! `wasi:http` for plugins that send requests of their own: wasmtime-wasi-http's, with the host's client behind it.
//!
//! The rules are those of the requests that the host sends for a plugin, and so is the allowance. Outside an exchange nothing
//! is sent.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use tokio::sync::Semaphore;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use crate::http_client::{Deadlines, ErrorKind, SendError};
use crate::plugin::requests::LONGEST_BODY;
use crate::plugin::requests::network::{Network, Requests};

/// Requests of one call on their way at once; each holds a whole response.
const AT_ONCE: usize = 2;

type Processing = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sent = Result<(Response<WasiBody>, Processing), Error>;

/// Sends the requests of one instance.
pub(in crate::plugin) struct Outgoing {
    network: Arc<Network>,
    /// Those of the exchange that the call belongs to.
    requests: Option<Requests>,
    fetched_before: usize,
    refused: bool,
    permits: Arc<Semaphore>,
}

impl Outgoing {
    pub(in crate::plugin) fn new(network: Network) -> Self {
        let permits = Arc::new(Semaphore::new(AT_ONCE));
        Self { network: Arc::new(network), requests: None, fetched_before: 0, refused: false, permits }
    }

    /// A call begins, for the exchange with these requests or for none.
    pub(in crate::plugin) fn begin_call(&mut self, requests: Option<Requests>) {
        self.fetched_before = requests.as_ref().map_or(0, Requests::fetched);
        self.requests = requests;
        self.refused = false;
    }

    /// Bytes of the bodies that this call has received.
    pub(in crate::plugin) fn fetched(&self) -> usize {
        self.requests.as_ref().map_or(0, |requests| requests.fetched() - self.fetched_before)
    }

    /// The call wanted to send more requests than it may.
    pub(in crate::plugin) fn was_refused(&self) -> bool {
        self.refused
    }
}

impl WasiHttpHooks for Outgoing {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: Processing,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let Some(requests) = self.requests.clone().filter(Requests::take) else {
            self.refused = true;
            return Box::new(async { Err(Error::HttpRequestDenied) });
        };
        let (network, permits) = (Arc::clone(&self.network), Arc::clone(&self.permits));
        let RequestOptions { connect_timeout, first_byte_timeout, between_bytes_timeout } = options.unwrap_or_default();
        let deadlines = Deadlines {
            connect: connect_timeout,
            first_byte: first_byte_timeout,
            between_bytes: between_bytes_timeout,
            until: None,
        };
        Box::new(async move {
            // The semaphore is never closed.
            let _permit = permits.acquire().await;
            let (head, body) = request.into_parts();
            let request = Request::from_parts(head, collect(body).await?);
            let response = requests.send(&network, request, deadlines).await.map_err(|error| code(&error))?;
            let response = response.map(|body| Full::new(body).map_err(Error::from).boxed_unsync());
            Ok((response, Box::new(async { Ok(()) }) as Processing))
        })
    }
}

/// What the plugin has written, when it has written all of it.
async fn collect(body: WasiBody) -> Result<Bytes, Error> {
    let body = Limited::new(body, LONGEST_BODY).collect().await;
    let body = body.map_err(|_| Error::HttpRequestBodySize(Some(LONGEST_BODY as u64)))?;
    Ok(body.to_bytes())
}

/// The nearest code of `wasi:http`; where it has room for words, ours.
fn code(error: &SendError) -> Error {
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
        ErrorKind::NoMemory => Error::ConnectionLimitReached,
        ErrorKind::HeadTooLarge => Error::HttpResponseHeaderSectionSize(None),
        ErrorKind::Protocol => Error::HttpProtocolError,
        ErrorKind::Encoded => Error::HttpResponseContentCoding(Some(error.detail().to_owned())),
        ErrorKind::TooManyRedirects => Error::LoopDetected,
        ErrorKind::BadRequest => Error::InternalError(Some(error.to_string())),
    }
}
