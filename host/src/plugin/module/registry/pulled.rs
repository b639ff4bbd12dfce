//! Modules that were had from registries, in the folder of the compile cache: a start needs no registry then.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracing::warn;

use super::super::private_file::{self, Durable};
use crate::config::Artifact;
use crate::plugin::Digest;

/// Files kept, those that were used last.
const MOST: usize = 16;
const PREFIX: &str = "pulled-";

/// See the module.
pub(super) struct PulledModules {
    folder: PathBuf,
}

impl PulledModules {
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// What was had under this name, with its digest if it has one.
    pub(super) async fn read(&self, artifact: &Artifact) -> Option<Arc<[u8]>> {
        let (folder, name) = (self.folder.clone(), name(artifact));
        let read = tokio::task::spawn_blocking(move || private_file::read(&folder, &name)).await.ok()?;
        match read {
            Ok(image) => image.map(|image| image.content().into()),
            Err(reason) => {
                warn!(folder = %self.folder.display(), plugin = %artifact, %reason, "a kept plugin is not used");
                None
            }
        }
    }

    /// Keeps it. What cannot be kept is had again.
    pub(super) async fn keep(&self, artifact: &Artifact, component: Arc<[u8]>) {
        let (folder, name) = (self.folder.clone(), name(artifact));
        let temporary = format!("{name}.{}.partial", std::process::id());
        let kept = tokio::task::spawn_blocking(move || {
            private_file::folder(&folder).map_err(io::Error::other)?;
            private_file::write(&folder, &name, &temporary, &component, Durable::Yes)?;
            evict(&folder)
        });
        if let Err(error) = kept.await.unwrap_or_else(|stopped| Err(io::Error::other(stopped))) {
            warn!(folder = %self.folder.display(), plugin = %artifact, %error, "a pulled plugin cannot be kept");
        }
    }
}

fn name(artifact: &Artifact) -> String {
    format!("{PREFIX}{}", Digest::of(artifact.to_string().as_bytes()))
}

/// Removes what was not used for longest.
fn evict(folder: &Path) -> io::Result<()> {
    let mut files = Vec::new();
    for found in fs::read_dir(folder)? {
        let found = found?;
        if found.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX)) {
            files.push((found.metadata()?.modified()?, found.path()));
        }
    }
    files.sort_by(|(a, _), (b, _)| b.cmp(a));
    files.into_iter().skip(MOST).try_for_each(|(_, path)| fs::remove_file(path))
}
