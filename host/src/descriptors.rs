//! How many files and connections the process may have open at once, and who has to stop first when they run out.
//!
//! A system gives each new one the lowest number that is free, so a number says how many there are. People's XMPP clients are
//! let in while it is low, refreshes for longer, requests to the application for longer still; the rest is the operator's, who
//! can see through the admin listener what is going on.

use std::fmt::Write as _;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

use crate::config::Config;

/// What the process has open for itself: standard streams, timers, the listeners, files that are read now and then.
const OTHERS: usize = 64;
/// Connections to the admin listener beside the readers of `/events`.
pub(crate) const ADMIN_CONNECTIONS: usize = 64;
/// How often it is said that they have run out.
const REMINDER: Duration = Duration::from_secs(60);

/// Who wants one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum For {
    /// An XMPP client.
    XmppClient,
    /// The application, with a refresh.
    Refresh,
    /// A request to the application.
    Application,
}

impl For {
    /// The first number that is not for it, where `limit` are allowed.
    fn end(self, limit: u64) -> u64 {
        let reserve = (limit / 8).clamp(8, 256);
        let kept = match self {
            Self::XmppClient => 2 * reserve,
            Self::Refresh => reserve,
            Self::Application => reserve / 2,
        };
        limit.saturating_sub(kept)
    }

    /// Whether it may have the one with this number.
    fn may_have(self, number: i32) -> bool {
        let Some(limit) = limit() else { return true };
        let fits = u64::try_from(number).is_ok_and(|number| number < self.end(limit));
        if !fits {
            complain(limit);
        }
        fits
    }

    /// Whether it may have `descriptor`, which is open already.
    pub(crate) fn may_keep(self, descriptor: &impl AsRawFd) -> bool {
        self.may_have(descriptor.as_raw_fd())
    }

    /// Whether it may have one more.
    pub(crate) fn has_room(self) -> bool {
        static ANY: LazyLock<Option<File>> = LazyLock::new(|| File::open("/dev/null").ok());
        let Some(any) = &*ANY else { return true };
        match fcntl_dupfd_cloexec(any, 0) {
            Ok(lowest) => self.may_have(lowest.as_raw_fd()),
            Err(_) => false,
        }
    }
}

/// How many may be open; `None`: any number.
pub fn limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// Has the system allow as many as it ever would. For the process as a whole, so for the program and not the library.
pub fn raise_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        warn!(%error, "the limit on open files could not be raised; it stays at {}", current.unwrap_or_default());
    }
}

/// What to tell the operator of a configuration that allows for more than `limit`.
pub fn warning(config: &Config, limit: Option<u64>) -> Option<String> {
    let limit = limit?;
    let mut wanted = Vec::new();
    if let Some(xmpp) = &config.xmpp {
        wanted.push(("xmpp.limits.max_connections", xmpp.limits.max_connections));
    }
    if config.http.listen.is_some() || config.http.tls.is_some() {
        wanted.push(("http.max_connections", config.http.max_connections));
    }
    if let Some(attach) = config.attach.as_ref().filter(|attach| attach.listen.is_some()) {
        wanted.push(("attach.max_connections", attach.max_connections));
    }
    if config.admin.listen.is_some() {
        wanted.push(("admin.max_streams and other readers", ADMIN_CONNECTIONS + config.admin.max_streams));
    }
    let sum = |of: fn(&crate::config::HostConfig) -> usize| config.hosts.iter().map(of).sum();
    wanted.push(("host.limits.max_concurrent_calls", sum(|host| host.limits.max_concurrent_calls)));
    wanted.push(("host.client.max_idle_connections", sum(|host| host.client.max_idle_connections)));
    let all = wanted.iter().fold(OTHERS, |all, (_, count)| all.saturating_add(*count));
    if all as u64 <= limit {
        return None;
    }
    wanted.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let mut list = String::new();
    for (key, count) in wanted {
        let _ = write!(list, "{key} {count}, ");
    }
    Some(format!(
        "the configuration allows for {all} files and connections at once ({list}{OTHERS} for the rest), and the system for \
         {limit}: raise its limit (LimitNOFILE= of the unit, ulimit -Hn), or lower these keys"
    ))
}

fn complain(limit: u64) {
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    /// Milliseconds since then, from 1; 0: never.
    static LAST: AtomicU64 = AtomicU64::new(0);
    let now = u64::try_from(BEGAN.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1);
    let last = LAST.load(Ordering::Relaxed);
    let due = last == 0 || now.saturating_sub(last) >= REMINDER.as_millis() as u64;
    if due && LAST.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
        warn!(
            limit,
            "nearly all files and connections that the system allows are open, so some connections wait or are refused; raise \
             the limit (LimitNOFILE= of the unit, ulimit -Hn)"
        );
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;
    use crate::config::{HostConfig, XmppConfig};

    #[test]
    fn clients_stop_before_refreshes_and_these_before_requests_and_some_are_left() {
        for limit in [64, 100, 256, 1024, 4096, 1 << 20] {
            let ends = [For::XmppClient, For::Refresh, For::Application].map(|one| one.end(limit));
            assert!(ends[0] < ends[1] && ends[1] < ends[2] && ends[2] + 4 <= limit, "{limit}: {ends:?}");
            assert!(ends[0] >= limit * 3 / 4, "{limit}: {ends:?}");
        }
    }

    #[test]
    fn a_configuration_that_needs_more_than_there_is_names_its_keys() {
        let config = Config {
            hosts: vec![HostConfig::default(), HostConfig::default()],
            xmpp: Some(XmppConfig::default()),
            ..Config::default()
        };
        // 10,000 and 1,024 and 96 and two times 64 and 64, and 64.
        assert_eq!((warning(&config, None), warning(&config, Some(11_440))), (None, None));
        let text = warning(&config, Some(11_439)).unwrap();
        for part in [
            "allows for 11440 files",
            "(xmpp.limits.max_connections 10000, http.max_connections 1024, ",
            "host.limits.max_concurrent_calls 128",
            "host.client.max_idle_connections 128",
            "the system for 11439: raise its limit (LimitNOFILE=",
        ] {
            assert!(text.contains(part), "{part:?} is not in {text:?}");
        }
        assert_eq!(warning(&Config::default(), Some(1024 + 96 + 64)), None);
        assert!(warning(&Config::default(), Some(1024 + 96 + 63)).is_some());
    }
}
