//! The plugin's file changes: swap.
//!
//! News come from the system where it has them ([`events`]), and the file is looked at every second besides, for file
//! systems that tell nothing. A file that was renamed into place is read at once, or rather when a burst of such news is over;
//! one that is written in place when whoever writes is done ([`mod@settle`]), for which it helps to know whether it is [`whole`].
//! A copy that takes long, with pauses or piece by piece, is one swap in the end. Half a file is refused when nothing more comes,
//! like any broken module, and tried again when more has come.
//!
//! A module is tried once: one that was refused, or rolled back, is left alone until the file has other content.

mod events;
mod links;
mod settle;
mod whole;

use std::collections::VecDeque;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use self::events::{Events, News};
use self::settle::{Settled, settle};
use super::receipt::Outcome;
use super::swapper::Swapper;
use crate::config::{HostConfig, PluginPlace};
use crate::plugin::{Digest, PluginSource};

/// How often the file is looked at without news.
const LOOK: Duration = Duration::from_secs(1);
/// Modules that were refused and are remembered.
const MOST_REFUSED: usize = 16;
/// How often a module is tried again when others are at work for so long that it is turned away.
const MOST_WAITS: usize = 10;

impl Swapper {
    /// Swaps by itself from now on when the plugin's file changes, if there is one and the operator wants it. Must be
    /// called within a Tokio runtime.
    pub fn watch(self: &Arc<Self>) {
        let HostConfig { plugin, swap, .. } = &self.configured().host;
        let Some(PluginPlace::File(path)) = plugin.clone().filter(|_| swap.watch) else {
            *self.watching.lock() = None;
            return;
        };
        let instead = self.instead.lock().clone();
        let refused = instead.and_then(|instead| instead.refused);
        let tried = refused.map_or_else(|| self.serving.plugin().digest(), |refused| refused.digest);
        let ended = CancellationToken::new();
        // The one before ends.
        *self.watching.lock() = Some(ended.clone().drop_guard());
        let tried = Tried { last: tried, refused: VecDeque::new() };
        tokio::spawn(watch(Arc::downgrade(self), path, tried, ended));
    }
}

/// Swaps when `path` changes, until the swapper is dropped or `ended`; not to what was `tried` already.
async fn watch(swapper: Weak<Swapper>, path: PathBuf, mut tried: Tried, ended: CancellationToken) {
    let mut events = Events::new();
    // What the file looked like when it was read last. It may have changed since the host read it at its start.
    let mut seen = None;
    let mut news = Some(News::Moved);
    let mut after_half = false;
    loop {
        events.follow(&path);
        let now = Look::at(&path);
        if now != seen {
            let settled = settle(&mut events, &path, news.unwrap_or(News::Unheard), after_half);
            let Some(settled) = ended.run_until_cancelled(settled).await else { return };
            let Some(swapper) = swapper.upgrade() else { return };
            let Settled { look, half } = settled;
            (seen, after_half) = (look, half);
            if seen.is_some() {
                swap(&swapper, &path, &mut tried).await;
            } else {
                warn!(file = %path.display(), "the plugin's file is gone; the plugin serves on");
            }
        }
        if swapper.strong_count() == 0 {
            return;
        }
        let Some(heard) = ended.run_until_cancelled(timeout(LOOK, events.next())).await else { return };
        news = heard.ok();
    }
}

/// What need not be tried.
struct Tried {
    last: Digest,
    /// The latest last. Whoever wants one of them tried again says so: `plugin reload`.
    refused: VecDeque<Digest>,
}

/// Tries what is in the file, unless that was tried before.
async fn swap(swapper: &Swapper, path: &Path, tried: &mut Tried) {
    match PluginSource::File(path.to_owned()).read_within(swapper.longest_plugin()).await {
        Ok(bytes) if bytes.digest == tried.last => {}
        Ok(bytes) if tried.refused.contains(&bytes.digest) => {
            info!(file = %path.display(), digest = %bytes.digest, "the plugin's file has what was refused before; it is left alone");
            tried.last = bytes.digest;
        }
        Ok(bytes) => {
            tried.last = bytes.digest;
            let mut receipt = swapper.swap_to("watch", bytes.clone()).await;
            for _ in 0..MOST_WAITS {
                if !receipt.is_busy() || swapper.is_stopping() {
                    break;
                }
                receipt = swapper.swap_to("watch", bytes.clone()).await;
            }
            if receipt.outcome == Outcome::Refused && !receipt.is_busy() {
                if tried.refused.len() == MOST_REFUSED {
                    tried.refused.pop_front();
                }
                tried.refused.push_back(tried.last);
            }
        }
        // It may be gone again by now, and come back.
        Err(error) => debug!(%error, "the plugin's file has changed and cannot be read"),
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
