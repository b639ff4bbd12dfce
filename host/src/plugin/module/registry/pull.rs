//! The requests for one artifact: its manifest, and the layer that is the component.

use std::sync::Arc;

use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use super::challenge::Access;
use super::request::get;
use super::{Registry, RegistryError, manifest};
use crate::config::{Artifact, Origin};
use crate::plugin::Digest;

/// What was had.
pub(super) struct Pulled {
    /// The digest of the manifest, to be pinned.
    pub(super) manifest: String,
    pub(super) component: Arc<[u8]>,
}

/// Asks for all of it.
pub(super) async fn pull(
    registry: &Registry,
    origin: &Origin,
    artifact: &Artifact,
    limit: u64,
) -> Result<Pulled, RegistryError> {
    let name = artifact.repository();
    let mut headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(manifest::ACCEPT))]);
    let url = format!("{origin}/v2/{name}/manifests/{}", artifact.version());
    let mut access = Access::Nobody;
    let mut answer = get(access.client(registry), &url, &headers).await?;
    if answer.status() == StatusCode::UNAUTHORIZED {
        access = Access::asked_for(answer.headers(), registry, artifact).await?;
        access.put_into(&mut headers);
        answer = get(access.client(registry), &url, &headers).await?;
    }
    let manifest = body(answer, "the manifest")?;
    let digest = sha256(&manifest);
    if let Some(expected) = artifact.pinned() {
        same("the manifest", &digest, expected)?;
    }

    let layer = manifest::component(&manifest)?;
    if layer.size() > limit {
        return Err(RegistryError::TooLarge { size: layer.size(), limit });
    }
    headers.remove(ACCEPT);
    let url = format!("{origin}/v2/{name}/blobs/{}", layer.digest());
    let component = body(get(access.client(registry), &url, &headers).await?, "the component")?;
    // Long ones take a moment.
    let (component, found) = tokio::task::spawn_blocking(move || {
        let found = sha256(&component);
        (Arc::from(&component[..]), found)
    })
    .await
    .map_err(|stopped| RegistryError::NotAPlugin(stopped.to_string()))?;
    same("the component", &found, layer.digest().as_ref())?;
    Ok(Pulled { manifest: digest, component })
}

fn body(answer: Response<Bytes>, what: &'static str) -> Result<Bytes, RegistryError> {
    match answer.status() {
        StatusCode::OK => Ok(answer.into_body()),
        StatusCode::NOT_FOUND => Err(RegistryError::Missing),
        status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => Err(RegistryError::Unauthorized { status }),
        status => Err(RegistryError::Status { what, status }),
    }
}

fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", Digest::of(bytes))
}

fn same(what: &'static str, found: &str, expected: &str) -> Result<(), RegistryError> {
    match found.eq_ignore_ascii_case(expected) {
        true => Ok(()),
        false => Err(RegistryError::Digest { what, found: found.to_owned(), expected: expected.to_owned() }),
    }
}
