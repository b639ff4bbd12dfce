//! Where a plugin's bytes come from, and what they are called.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::digest::Digest;
use super::metadata;
use super::registry::{IfUnreachable, Registry};
use crate::config::Artifact;
use crate::model::read_file;
use crate::plugin::{BUILT_IN, LoadError};

/// The longest component that is read where no configuration says otherwise (`compile.max_component`), bytes.
pub const LONGEST_PLUGIN: u64 = 64 << 20;

/// Where a plugin's bytes come from.
#[derive(Clone)]
pub enum PluginSource {
    /// The component this host was built with.
    BuiltIn,
    /// A file.
    File(PathBuf),
    /// A registry of OCI artifacts.
    Registry {
        /// Which artifact.
        artifact: Artifact,
        /// The registries that may be asked.
        registry: Arc<Registry>,
        /// What to do when they cannot be reached.
        away: IfUnreachable,
    },
    /// Bytes that somebody sent, under a name for people.
    Bytes {
        /// What to call them.
        name: String,
        /// The component.
        bytes: Arc<[u8]>,
    },
}

/// A component, read whole and not looked at yet.
#[derive(Clone)]
pub struct PluginBytes {
    /// Where they come from, for people.
    pub name: String,
    /// The component.
    pub bytes: Arc<[u8]>,
    /// The SHA-256 of the bytes.
    pub digest: Digest,
    /// The version that the component says it has.
    pub version: Option<String>,
}

impl PluginBytes {
    /// `bytes`, called `name` for people.
    pub fn new(name: String, bytes: Arc<[u8]>) -> Self {
        let digest = Digest::of(&bytes);
        let version = metadata::version(&bytes);
        Self { name, bytes, digest, version }
    }
}

impl PluginSource {
    /// A file, or nothing for the built-in plugin.
    pub fn configured(path: Option<&Path>) -> Self {
        path.map_or(Self::BuiltIn, |path| Self::File(path.to_owned()))
    }

    /// What it is called.
    pub fn name(&self) -> String {
        match self {
            Self::BuiltIn => "(built in)".to_owned(),
            Self::File(path) => path.display().to_string(),
            Self::Registry { artifact, .. } => artifact.to_string(),
            Self::Bytes { name, .. } => name.clone(),
        }
    }

    /// Reads all of it, if it is not longer than [`LONGEST_PLUGIN`].
    pub async fn read(&self) -> Result<PluginBytes, LoadError> {
        self.read_within(LONGEST_PLUGIN).await
    }

    /// Reads all of it, if it is not longer than `limit` bytes. Must be called within a Tokio runtime.
    pub async fn read_within(&self, limit: u64) -> Result<PluginBytes, LoadError> {
        if let Self::Registry { artifact, registry, away } = self {
            let had = registry.component(artifact, limit, *away).await;
            let bytes = had.map_err(|source| LoadError::Registry { plugin: self.name(), source })?;
            return Self::Bytes { name: self.name(), bytes }.read_here(limit).await;
        }
        self.read_here(limit).await
    }

    /// What needs nobody else.
    async fn read_here(&self, limit: u64) -> Result<PluginBytes, LoadError> {
        let source = self.clone();
        // Long ones take a moment, to read and for their digest.
        let read = tokio::task::spawn_blocking(move || {
            let bytes: io::Result<Arc<[u8]>> = match &source {
                Self::BuiltIn => Ok(BUILT_IN.into()),
                Self::Bytes { bytes, .. } => Ok(Arc::clone(bytes)),
                Self::File(path) => read_file(path, limit).map(Into::into),
                Self::Registry { .. } => Err(io::Error::other("it is in a registry")),
            };
            bytes.map(|bytes| PluginBytes::new(source.name(), bytes))
        });
        match (read.await.unwrap_or_else(|stopped| Err(io::Error::other(stopped))), self) {
            (Ok(plugin), _) if plugin.bytes.len() as u64 <= limit => Ok(plugin),
            (Err(error), Self::File(path)) if error.kind() != io::ErrorKind::FileTooLarge => {
                Err(LoadError::Read { path: path.clone(), source: error })
            }
            (Err(error), Self::BuiltIn | Self::Bytes { .. } | Self::Registry { .. }) => {
                Err(LoadError::Read { path: self.name().into(), source: error })
            }
            (Ok(_) | Err(_), _) => Err(LoadError::TooLarge { plugin: self.name(), limit }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The digests of FIPS 180-4 and of `sha256sum </dev/null`.
    #[test]
    fn a_digest_is_what_sha256sum_says() {
        for (bytes, digest) in [
            (&b""[..], "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
            ),
        ] {
            assert_eq!(Digest::of(bytes).to_string(), digest);
            assert_eq!(PluginBytes::new("it".to_owned(), bytes.into()).digest.to_string(), digest);
        }
    }
}
