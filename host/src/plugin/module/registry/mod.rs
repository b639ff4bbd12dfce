//! Plugins from a registry of OCI artifacts (`oci://...`), by the distribution specification.
//!
//! Spoken with the host's own HTTP client, so that what holds for the requests of plugins holds here: nobody is asked who is not on
//! the list (`registry.allow_origins`), redirects and the places that give out tokens included; deadlines; a cap on what comes. (The
//! crate `oci-client` reads answers of any length, follows redirects to anywhere, and sends the password where the registry says.)
//!
//! [`pull`] asks, [`challenge`] says who is asking, [`manifest`] finds the component, [`pulled`] has it for a start without the registry.

mod challenge;
mod error;
mod manifest;
mod pull;
mod pulled;
mod request;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use crate::config::{Artifact, ClientAuth, ClientConfig, Config, Origin, RegistryConfig};
use crate::http_client::{ClientBuildError, HttpClient};

pub use error::RegistryError;
use pulled::PulledModules;

/// Redirects followed: registries keep what they have elsewhere.
const MOST_REDIRECTS: usize = 5;

/// The registries that may be asked.
pub struct Registry {
    /// Says nothing of who asks.
    anonymous: HttpClient,
    /// Tells those who get to know it; `None` if there is nothing to tell.
    known: Option<HttpClient>,
    origins: Vec<Origin>,
    timeout: Duration,
    kept: Option<PulledModules>,
}

/// What to do when the registry cannot be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfUnreachable {
    /// The module that was had last serves: it is a start.
    UseLast,
    /// Somebody wants to know what is there now.
    Fail,
}

impl Registry {
    /// With the rules of `config`. What is had is kept beside what is compiled of it.
    pub fn new(config: &Config) -> Result<Self, ClientBuildError> {
        let RegistryConfig { allow_origins, allow_addresses, username, password, auth_origins, ca_file, timeout } =
            config.registry.clone();
        let anonymous = ClientConfig {
            allow_origins: allow_origins.clone(),
            allow_addresses,
            ca_file,
            first_byte_timeout: timeout,
            total_timeout: timeout,
            max_response: usize::try_from(config.compile.max_component).unwrap_or(usize::MAX),
            max_redirects: MOST_REDIRECTS,
            max_idle_connections: 0,
            ..ClientConfig::default()
        };
        let auth = username.zip(password).map(|(username, password)| ClientAuth::Basic { username, password });
        let known =
            auth.map(|auth| HttpClient::new(&ClientConfig { auth: Some(auth), auth_origins, ..anonymous.clone() }));
        let kept = config.plugin_cache.as_ref().map(|cache| PulledModules::new(Path::new(&cache.folder)));
        Ok(Self {
            anonymous: HttpClient::new(&anonymous)?,
            known: known.transpose()?,
            origins: allow_origins,
            timeout,
            kept,
        })
    }

    /// The component that `artifact` is, if it is not longer than `limit` bytes.
    pub async fn component(
        &self,
        artifact: &Artifact,
        limit: u64,
        away: IfUnreachable,
    ) -> Result<Arc<[u8]>, RegistryError> {
        // What has a digest is what it was.
        if artifact.pinned().is_some()
            && let Some(bytes) = self.kept(artifact, limit).await
        {
            info!(plugin = %artifact, "the plugin is in the cache; the registry is not asked");
            return Ok(bytes);
        }
        let origin = artifact.origin(&self.origins).ok_or(RegistryError::NotAllowed)?;
        let pulled = tokio::time::timeout(self.timeout, pull::pull(self, origin, artifact, limit)).await;
        match pulled.unwrap_or(Err(RegistryError::Timeout { timeout: self.timeout })) {
            Ok(pulled) => {
                info!(plugin = %artifact, manifest = pulled.manifest, bytes = pulled.component.len(), "plugin pulled");
                if let Some(kept) = &self.kept {
                    kept.keep(artifact, Arc::clone(&pulled.component)).await;
                }
                Ok(pulled.component)
            }
            Err(error) if away == IfUnreachable::UseLast && error.is_outage() => match self.kept(artifact, limit).await
            {
                Some(bytes) => {
                    warn!(plugin = %artifact, %error, "the registry cannot be asked; the plugin that was had last is used");
                    Ok(bytes)
                }
                None => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    async fn kept(&self, artifact: &Artifact, limit: u64) -> Option<Arc<[u8]>> {
        let bytes = self.kept.as_ref()?.read(artifact).await?;
        (bytes.len() as u64 <= limit).then_some(bytes)
    }
}
