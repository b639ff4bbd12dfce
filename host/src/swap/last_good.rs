//! The module that served well last, kept on disk over a restart.
//!
//! What the operator configured is what a start loads. Only when that cannot be (half a file, a module of another world,
//! none at all) does the host start with this one, and it says so until the configured module is good again. An uploaded
//! module is no exception: a restart loads the configured file.
//!
//! A module has served well when it is no canary any more, calls have come out well, and few have not. A module is written once,
//! whole or not at all, and takes the place of the one before: one file for each virtual host. It is read only if it is as
//! it was written, by this user.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tracing::{info, warn};

use super::receipt::Module;
use crate::metrics::Figures;
use crate::plugin::{Digest, LoadError, PluginBytes, private_file};

/// How often the module that serves is looked at.
pub(super) const LOOK: Duration = Duration::from_secs(1);
/// Calls that have to come out well, the check of the settings among them.
const WELL: u64 = 3;
/// Of so many calls one may fail by the module's own fault.
const PER_FAULT: u64 = 10;
/// Modules whose bytes are remembered until it is known whether they serve well.
const UNPROVEN: usize = 4;

/// One virtual host's file.
pub(super) struct LastGood {
    folder: PathBuf,
    name: String,
    /// What has begun to serve lately, the latest first.
    unproven: Mutex<Vec<PluginBytes>>,
    /// What is in the file, if that is known.
    kept: Mutex<Option<Digest>>,
}

impl LastGood {
    /// Nothing is touched yet.
    pub(super) fn new(folder: &Path, domain: &str) -> Self {
        // The digest keeps domains apart that look alike as file names.
        let digest: String = Digest::of_parts([domain.as_bytes()]).to_string().chars().take(8).collect();
        let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c } else { '_' };
        let domain: String = domain.chars().map(plain).take(100).collect();
        let name = format!("{domain}-{digest}.module");
        Self { folder: folder.to_owned(), name, unproven: Mutex::default(), kept: Mutex::default() }
    }

    /// The module that was kept, if there is one that can be believed. Called `name` for people.
    pub(super) async fn read(&self, name: String) -> Option<PluginBytes> {
        let (folder, file) = (self.folder.clone(), self.name.clone());
        let read = tokio::task::spawn_blocking(move || {
            private_file::folder(&folder)?;
            private_file::read(&folder, &file)
        });
        match read.await.ok()? {
            Ok(image) => {
                let bytes = PluginBytes::new(name, image?.content().into());
                *self.kept.lock() = Some(bytes.digest);
                Some(bytes)
            }
            Err(error) => {
                warn!(file = %self.shown(), %error, "the last good plugin cannot be used");
                None
            }
        }
    }

    /// `bytes` begins to serve.
    pub(super) fn serves(&self, bytes: PluginBytes) {
        let mut unproven = self.unproven.lock();
        unproven.retain(|known| known.digest != bytes.digest);
        unproven.insert(0, bytes);
        unproven.truncate(UNPROVEN);
    }

    /// The module with this digest has served well: it is kept from now on. Without its bytes, which are remembered of the
    /// latest only, nothing changes.
    pub(super) async fn keep(&self, digest: Digest) {
        if *self.kept.lock() == Some(digest) {
            return;
        }
        let Some(bytes) = self.unproven.lock().iter().find(|known| known.digest == digest).cloned() else { return };
        let (folder, file) = (self.folder.clone(), self.name.clone());
        let written = tokio::task::spawn_blocking(move || {
            private_file::folder(&folder)?;
            let temporary = format!("{file}.{}.part", std::process::id());
            private_file::write(&folder, &file, &temporary, &bytes.bytes, private_file::Durable::Yes)?;
            Ok::<_, private_file::Distrust>(())
        });
        match written.await {
            Ok(Ok(())) => info!(file = %self.shown(), %digest, "this plugin serves well and is kept for a start"),
            Ok(Err(error)) => warn!(file = %self.shown(), %error, "the plugin cannot be kept for a start"),
            // Only at shutdown.
            Err(_) => return,
        }
        // If it could not be written, the next module is tried again, and not the same every second.
        *self.kept.lock() = Some(digest);
    }

    fn shown(&self) -> String {
        self.folder.join(&self.name).display().to_string()
    }
}

/// What it has done is what a host can go on with.
pub(super) fn serves_well(figures: &Figures) -> bool {
    let faults = figures.traps + figures.timeouts + figures.broken_rules + figures.malformed;
    let well = figures.calls.saturating_sub(faults + figures.application_errors);
    well >= WELL && well >= figures.application_errors && faults * PER_FAULT <= figures.calls
}

/// Why the configured module does not serve, although the host does.
#[derive(Clone, Debug)]
pub(super) struct Instead {
    pub(super) reason: Arc<LoadError>,
    /// What was refused, if it could be read.
    pub(super) refused: Option<Module>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(calls: u64, traps: u64, application_errors: u64) -> Figures {
        Figures {
            calls,
            traps,
            timeouts: 0,
            broken_rules: 0,
            malformed: 0,
            application_errors,
            cpu_seconds: 0.0,
            peak_memory: 0,
            bytes_fetched: 0,
            p50_seconds: None,
            p99_seconds: None,
        }
    }

    #[test]
    fn a_module_serves_well_when_calls_come_out_well_and_few_do_not() {
        for (calls, traps, application_errors, expected) in [
            (1, 0, 0, false),
            (3, 0, 0, true),
            (3, 1, 0, false),
            (100, 10, 0, true),
            (100, 11, 0, false),
            (100, 0, 50, true),
            (100, 0, 51, false),
        ] {
            let figures = figures(calls, traps, application_errors);
            assert_eq!(serves_well(&figures), expected, "{figures:?}");
        }
    }

    #[test]
    fn every_domain_has_a_file_of_its_own_in_the_folder() {
        let name = |domain: &str| LastGood::new(Path::new("/f"), domain).name;
        assert!(name("example.com").starts_with("example.com-"), "{}", name("example.com"));
        assert_ne!(name("[::1]"), name("_::1_"));
        assert!(!name("../a/b").contains('/'));
    }
}
