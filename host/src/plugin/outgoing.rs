//! `wasi:http/outgoing-handler` on the host's HTTP client.

use bytes::Bytes;
use http::{HeaderName, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use crate::http_client::{Deadlines, ErrorKind, HttpClient, SendError};

/// The longest request body a plugin may send, bytes. A roster fetch has none.
const LONGEST_REQUEST_BODY: usize = 1 << 20;

type Sent = Result<(Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>), Error>;

/// Sends the requests of one instance, as many as the call may make.
pub(super) struct Outgoing {
    client: HttpClient,
    left: u32,
    refused: bool,
}

impl Outgoing {
    pub(super) fn new(client: HttpClient) -> Self {
        Self { client, left: 0, refused: false }
    }

    pub(super) fn begin_call(&mut self, requests: u32) {
        self.left = requests;
        self.refused = false;
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
        Box::new(send(self.client.clone(), request, options.unwrap_or_default()))
    }

    fn is_forbidden_header(&mut self, name: &HeaderName) -> bool {
        wasmtime_wasi_http::DEFAULT_FORBIDDEN_HEADERS.contains(name)
    }
}

async fn send(client: HttpClient, request: Request<WasiBody>, options: RequestOptions) -> Sent {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, LONGEST_REQUEST_BODY).collect().await;
    let body = body.map_err(|_| Error::HttpRequestBodySize(Some(LONGEST_REQUEST_BODY as u64)))?.to_bytes();
    let deadlines = Deadlines {
        connect: options.connect_timeout,
        first_byte: options.first_byte_timeout,
        between_bytes: options.between_bytes_timeout,
    };
    match client.send(Request::from_parts(parts, body), deadlines).await {
        Ok(response) => Ok((response.map(whole), Box::new(async { Ok(()) }))),
        Err(error) => {
            tracing::debug!(%error, "a request of the plugin failed");
            Err(as_wasi(&error))
        }
    }
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
