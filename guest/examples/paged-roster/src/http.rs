//! A `GET` through `wasi:http`. Every handle is given back before it returns: a host counts what is left over as a leak.

use crate::component::bindings::wasi::http::outgoing_handler;
use crate::component::bindings::wasi::http::types::{
    ErrorCode, Fields, IncomingBody, IncomingResponse, OutgoingRequest, Scheme, http_error_code,
};
use crate::component::bindings::wasi::io::streams::StreamError;
use crate::list::{FetchError, Get, Response};
use crate::settings::{Settings, URL_KEY};

/// The longest page that is read, bytes.
const LONGEST_PAGE: usize = 4 << 20;

/// The application's API.
pub(crate) struct Http<'s> {
    pub(crate) settings: &'s Settings,
}

impl Get for Http<'_> {
    fn get(&mut self, path: &str, etag: Option<&[u8]>) -> Result<Response, FetchError> {
        let response = self.send(path, etag)?;
        let status = response.status();
        if status != 200 {
            return Ok(Response { status, ..Response::default() });
        }
        let mut etags = response.headers().get("etag");
        let etag = if etags.len() == 1 { etags.pop() } else { None };
        let body = response.consume().map_err(|()| FetchError::Unreachable("the answer has no body".into()))?;
        Ok(Response { status, etag, body: read(&body)? })
    }
}

impl Http<'_> {
    fn send(&self, path: &str, etag: Option<&[u8]>) -> Result<IncomingResponse, FetchError> {
        let agent = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));
        let mut headers = vec![
            ("accept".to_owned(), b"application/json".to_vec()),
            ("user-agent".to_owned(), agent.as_bytes().to_vec()),
        ];
        headers.extend(etag.map(|etag| ("if-none-match".to_owned(), etag.to_vec())));
        let headers = Fields::from_list(&headers).map_err(|_| refused())?;
        let request = OutgoingRequest::new(headers);
        let scheme = if self.settings.secure { Scheme::Https } else { Scheme::Http };
        request.set_scheme(Some(&scheme)).map_err(|()| refused())?;
        request.set_authority(Some(&self.settings.authority)).map_err(|()| refused())?;
        request.set_path_with_query(Some(path)).map_err(|()| refused())?;
        let future = outgoing_handler::handle(request, None).map_err(|code| explain(&code))?;
        future.subscribe().block();
        match future.get() {
            Some(Ok(response)) => response.map_err(|code| explain(&code)),
            Some(Err(())) | None => Err(FetchError::Unreachable("the host has no answer".into())),
        }
    }
}

fn read(body: &IncomingBody) -> Result<Vec<u8>, FetchError> {
    let stream = body.stream().map_err(|()| FetchError::Unreachable("the answer has no body".into()))?;
    let mut whole = Vec::new();
    while whole.len() <= LONGEST_PAGE {
        let room = LONGEST_PAGE + 1 - whole.len();
        match stream.blocking_read(room as u64) {
            Ok(piece) => whole.extend_from_slice(&piece),
            Err(StreamError::Closed) => return Ok(whole),
            Err(StreamError::LastOperationFailed(error)) => {
                let broken = || FetchError::Unreachable("the answer broke off".into());
                return Err(http_error_code(&error).map_or_else(broken, |code| explain(&code)));
            }
        }
    }
    Err(FetchError::TooLarge)
}

fn refused() -> FetchError {
    FetchError::Misconfigured(format!("{URL_KEY} is not a URL that the host accepts"))
}

fn explain(code: &ErrorCode) -> FetchError {
    match code {
        ErrorCode::DnsTimeout
        | ErrorCode::ConnectionTimeout
        | ErrorCode::ConnectionReadTimeout
        | ErrorCode::ConnectionWriteTimeout
        | ErrorCode::HttpResponseTimeout => FetchError::TimedOut,
        ErrorCode::HttpResponseBodySize(_) => FetchError::TooLarge,
        ErrorCode::HttpRequestDenied => FetchError::Unreachable("the host does not allow the request".into()),
        other => FetchError::Unreachable(format!("{other:?}")),
    }
}
