//! An HTTP client of one's own. Where requests may go is its affair: this one goes wherever the plugin says.

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use roster_host::http_client::{Deadlines, ErrorKind, SendError};
use roster_host::plugin::Outbound;

pub(crate) struct MyClient(Client<HttpConnector, Full<Bytes>>);

impl MyClient {
    pub(crate) fn new() -> Self {
        Self(Client::builder(TokioExecutor::new()).build_http())
    }

    /// For the example: the application's users are friends no longer.
    pub(crate) async fn delete(&self, url: &str) -> Result<String, Box<dyn std::error::Error>> {
        let request = Request::delete(url).body(Bytes::new())?;
        Ok(String::from_utf8(self.send(request, Deadlines::default()).await?.into_body().to_vec())?)
    }
}

#[async_trait]
impl Outbound for MyClient {
    async fn send(&self, request: Request<Bytes>, _: Deadlines) -> Result<Response<Bytes>, SendError> {
        let url = request.uri().to_string();
        let failed = |reason: String| SendError::new(ErrorKind::Protocol, url.clone(), reason);
        let response = self.0.request(request.map(Full::new)).await.map_err(|error| failed(error.to_string()))?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(|error| failed(error.to_string()))?;
        Ok(Response::from_parts(head, body.to_bytes()))
    }
}
