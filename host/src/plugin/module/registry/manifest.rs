//! What an artifact consists of.

use oci_spec::image::{Descriptor, ImageManifest};

use super::RegistryError;

/// What registries are told is understood.
pub(super) const ACCEPT: &str =
    "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";
/// What a component's layer calls itself: by the guidance of the CNCF for Wasm, and as tools before it had it.
const COMPONENT: [&str; 2] = ["application/wasm", "application/vnd.wasm.content.layer.v1+wasm"];

/// The one layer that is a component.
pub(super) fn component(manifest: &[u8]) -> Result<Descriptor, RegistryError> {
    let not = |why: &str| RegistryError::NotAPlugin(why.to_owned());
    let manifest: ImageManifest = serde_json::from_slice(manifest).map_err(|_| {
        not("the registry's answer is no manifest of an artifact (an index names several: name one of them)")
    })?;
    let mut layers = manifest.layers().iter().filter(|layer| COMPONENT.contains(&layer.media_type().as_ref()));
    match (layers.next(), layers.next()) {
        (Some(layer), None) => Ok(layer.clone()),
        (None, _) => Err(not("the artifact has no layer that is a component (application/wasm)")),
        (Some(_), Some(_)) => Err(not("the artifact has more than one component")),
    }
}
