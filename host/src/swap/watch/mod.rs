//! The plugin's file changes: swap.
//!
//! News come from the system where it has them ([`events`]), and the file is looked at every second besides, for file
//! systems that tell nothing. A file that was renamed into place or closed after writing is read at once, or rather when a
//! burst of such news is over; one that is still written to when it has been still for a moment. If that was only a pause,
//! what is there is refused like any broken module, and tried again when more has come.
//!
//! A module is tried once: one that was refused, or rolled back, is left alone until the file has other content.

mod events;
mod links;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{Instant, timeout};
use tracing::{debug, warn};

use self::events::{Events, News};
use super::Swapper;
use crate::plugin::{Digest, PluginSource};

/// How often the file is looked at without news.
const LOOK: Duration = Duration::from_secs(1);
/// News of a complete file that come closer together than this are one.
const BURST: Duration = Duration::from_millis(5);
/// A file that somebody writes to, or of which there are no news, is read when it has not changed for so long.
const STILL: Duration = Duration::from_millis(250);
/// A file that is never still is read after so long all the same.
const PATIENCE: Duration = Duration::from_secs(60);

/// Swaps when `path` changes, until the swapper is dropped; not to what was `tried` already. Must be called within a Tokio runtime.
pub(super) fn start(swapper: &Arc<Swapper>, path: PathBuf, tried: Digest) {
    tokio::spawn(watch(Arc::downgrade(swapper), path, tried));
}

async fn watch(swapper: Weak<Swapper>, path: PathBuf, mut tried: Digest) {
    let mut events = Events::new();
    // What the file looked like when it was read last. It may have changed since the host read it at its start.
    let mut seen = None;
    let mut news = Some(News::Complete);
    loop {
        events.follow(&path);
        let now = Look::at(&path);
        if now != seen {
            seen = still(&mut events, &path, news.unwrap_or(News::Writing)).await;
            let Some(swapper) = swapper.upgrade() else { return };
            if seen.is_some() {
                tried = swap(&swapper, &path, tried).await;
            } else {
                warn!(file = %path.display(), "the plugin's file is gone; the plugin serves on");
            }
        }
        if swapper.strong_count() == 0 {
            return;
        }
        news = timeout(LOOK, events.next()).await.ok();
    }
}

/// Waits until the file is still, and says what it looks like then.
async fn still(events: &mut Events, path: &Path, mut news: News) -> Option<Look> {
    let began = Instant::now();
    loop {
        let look = Look::at(path);
        let pause = if news == News::Complete { BURST } else { STILL };
        match timeout(pause, events.next()).await {
            Ok(more) if began.elapsed() < PATIENCE => news = more,
            Ok(_) => return look,
            Err(_) => {
                events.follow(path);
                if Look::at(path) == look || began.elapsed() > PATIENCE {
                    return look;
                }
            }
        }
    }
}

/// Tries what is in the file, unless it is what was tried last; says what that is now.
async fn swap(swapper: &Swapper, path: &Path, tried: Digest) -> Digest {
    match PluginSource::File(path.to_owned()).read().await {
        Ok(bytes) if bytes.digest == tried => tried,
        Ok(bytes) => {
            let digest = bytes.digest;
            swapper.swap_to("watch", bytes).await;
            digest
        }
        Err(error) => {
            // It may be gone again by now, and come back.
            debug!(%error, "the plugin's file has changed and cannot be read");
            tried
        }
    }
}

/// What tells one state of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    file: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Look {
    /// `None`: there is no file.
    fn at(path: &Path) -> Option<Self> {
        // Blocks for a lookup of a name, as opening a file does.
        let found = fs::metadata(path).ok()?;
        Some(Self {
            file: (found.dev(), found.ino()),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        })
    }
}
