//! Waits until whoever changes the file is done with it.

use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, timeout};
use tracing::warn;

use super::Look;
use super::events::{Events, News};
use super::whole::is_whole;

/// News of a file put in place that come closer together than this are one.
const BURST: Duration = Duration::from_millis(5);
/// A whole file that was closed after writing is read when it has not changed for so long.
const STILL: Duration = Duration::from_millis(250);
/// The same of a file that the system has no news of.
const UNHEARD: Duration = Duration::from_secs(2);
/// A file that somebody holds open for writing, when nothing has been written for so long.
const HELD: Duration = Duration::from_secs(10);
/// A file that ends half way, when nothing has come for so long.
const PAUSE: Duration = Duration::from_secs(5);
/// The same when half of one was refused already.
const LONG_PAUSE: Duration = Duration::from_secs(60);
/// A whole file that is never still is read after so long all the same.
const MOST_WAIT: Duration = Duration::from_secs(60);

/// What the file looks like when it is still, and whether it may be a half all the same.
pub(super) struct Settled {
    /// `None`: it is gone.
    pub(super) look: Option<Look>,
    pub(super) half: bool,
}

/// Waits. `after_half`: the last that was tried was half a file.
pub(super) async fn settle(events: &mut Events, path: &Path, mut news: News, after_half: bool) -> Settled {
    let (began, mut told) = (Instant::now(), false);
    loop {
        let look = Look::at(path);
        let half = look.is_some() && !matches!(news, News::Placed | News::Writing) && !is_whole(path).await;
        let quiet = match news {
            News::Placed => BURST,
            News::Writing => HELD,
            _ if half && after_half => LONG_PAUSE,
            _ if half => PAUSE,
            News::Unheard => UNHEARD,
            News::Closed | News::Moved => STILL,
        };
        match timeout(quiet, events.next()).await {
            Ok(more) => news = more,
            Err(_) => {
                events.follow(path);
                if Look::at(path) == look {
                    let half = half || (news == News::Writing && !is_whole(path).await);
                    return Settled { look, half };
                }
                news = News::Unheard;
            }
        }
        if began.elapsed() > MOST_WAIT {
            if is_whole(path).await {
                return Settled { look: Look::at(path), half: false };
            }
            if !std::mem::replace(&mut told, true) {
                warn!(file = %path.display(), "the plugin's file is still not whole; it is read when nobody writes to it any more");
            }
        }
    }
}
