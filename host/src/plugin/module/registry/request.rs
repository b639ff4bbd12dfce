//! One request to a registry.

use bytes::Bytes;
use http::{HeaderMap, Request, Response};

use super::RegistryError;
use crate::http_client::{Deadlines, HttpClient};

pub(super) async fn get(client: &HttpClient, url: &str, headers: &HeaderMap) -> Result<Response<Bytes>, RegistryError> {
    let mut request = Request::new(Bytes::new());
    let bad = |_| RegistryError::NotAPlugin("the registry names a URL that cannot be asked for".into());
    *request.uri_mut() = url.parse().map_err(bad)?;
    *request.headers_mut() = headers.clone();
    Ok(client.send(request, Deadlines::default()).await?)
}
