//! The folder of the compile cache.
//!
//! A file is called after what went into it: the digest of the component, and that of wasmtime's version, the target and
//! the settings of the engine. Whatever is wrong with a file or with the folder costs a compilation and a line in the log,
//! never the start.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use tracing::{debug, warn};
use wasmtime::Engine;
use wasmtime::component::Component;

use super::{file_name, trusted};
use crate::plugin::Digest;
use crate::plugin::module::private_file::{self, Durable};

/// The ends of our files' names, whole ones and those being written.
pub(super) const WHOLE: &str = ".code";
const PARTIAL: &str = ".part";
/// A file that has been written for so long was left behind by a process that was killed.
const ABANDONED: Duration = Duration::from_secs(60);

/// Compiled plugins of one engine.
pub(super) struct Cache {
    folder: PathBuf,
    /// The fingerprint of what the code was compiled for.
    engine: String,
    most_bytes: u64,
    written: AtomicU64,
}

impl Cache {
    /// Nothing is touched yet.
    pub(super) fn new(folder: &Path, engine: &str, most_bytes: u64) -> Self {
        Self { folder: folder.to_owned(), engine: engine.to_owned(), most_bytes, written: AtomicU64::new(0) }
    }

    /// The code of the component with this digest. Blocks for as long as reading takes.
    pub(super) fn get(&self, engine: &Engine, digest: Digest) -> Option<Component> {
        if let Err(reason) = private_file::folder(&self.folder) {
            warn!(folder = %self.folder.display(), %reason, "the compile cache is not used");
            return None;
        }
        let name = file_name(digest, &self.engine);
        let not_used = |reason: &dyn std::fmt::Display| {
            let file = self.folder.join(&name);
            warn!(file = %file.display(), %reason, "a compiled plugin is not used; it is compiled again");
        };
        let image = private_file::read(&self.folder, &name).inspect_err(|reason| not_used(reason)).ok()??;
        trusted::component(engine, &image).inspect_err(|reason| not_used(reason)).ok()
    }

    /// Keeps the code of the component with this digest, and removes what was not used for longest if it is too much.
    pub(super) fn put(&self, digest: Digest, code: Result<&[u8], &wasmtime::Error>) {
        // The folder was looked at when the component was looked for, and what is wrong with it said.
        if private_file::folder(&self.folder).is_err() {
            return;
        }
        let name = file_name(digest, &self.engine);
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        let temporary = format!("{name}.{}-{number}{PARTIAL}", std::process::id());
        let code = code.map_err(|error| io::Error::other(error.to_string()));
        match code.and_then(|code| private_file::write(&self.folder, &name, &temporary, code, Durable::No)) {
            Ok(()) => debug!(folder = %self.folder.display(), file = name, "plugin kept in the compile cache"),
            Err(error) => warn!(folder = %self.folder.display(), %error, "a compiled plugin cannot be kept"),
        }
        if let Err(error) = self.evict() {
            warn!(folder = %self.folder.display(), %error, "the compile cache cannot be cleaned up");
        }
    }

    /// Removes the oldest files beyond what the folder may hold, and what killed processes left.
    fn evict(&self) -> io::Result<()> {
        let now = SystemTime::now();
        let mut files = Vec::new();
        for found in fs::read_dir(&self.folder)? {
            let found = found?;
            let name = found.file_name();
            let Some(name) = name.to_str() else { continue };
            // Another process may have removed it meanwhile.
            let Ok(about) = found.metadata() else { continue };
            let used = about.modified()?;
            if name.ends_with(WHOLE) {
                files.push((used, about.len(), found.path()));
            } else if name.ends_with(PARTIAL) && now.duration_since(used).is_ok_and(|age| age > ABANDONED) {
                remove(&found.path())?;
            }
        }
        files.sort_by(|(a, ..), (b, ..)| b.cmp(a));
        let mut total: u64 = 0;
        for (_, size, path) in files {
            total = total.saturating_add(size);
            if total > self.most_bytes {
                remove(&path)?;
            }
        }
        Ok(())
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
