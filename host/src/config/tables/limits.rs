//! `[host.limits]`, `[host.store]` and `[host.swap]`: what a virtual host may cost, keep, and do when its plugin changes.

use std::time::Duration;

use crate::config::table::table;
use crate::config::values::kind::{GIB, KIB, MIB, count, flag, secs, size, wait, wait_or_zero};

table! {
    /// What one call of the plugin may cost, and how many run at once.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct LimitsConfig {
        /// Calls of the plugin at once.
        max_concurrent_calls: usize = 64, count(1..=10_000, "calls");
        /// Users that one request to the application may name, for a plugin that can ask for many at once (`http_roster_bulk_url`).
        /// Below 2: each is asked for alone.
        bulk_users: usize = 500, count(0..=10_000, "users");
        /// How long a user waits at most for others to be asked for together, while a request is under way.
        bulk_wait: Duration = Duration::from_millis(5), wait();
        /// Wall clock of one call, all requests for a roster and waiting for the application included; best longer than
        /// `client.total_timeout`.
        call_timeout: Duration = secs(20), wait();
        /// How long a user's update waits for a permit when `max_concurrent_calls` run already, before it counts as an error.
        queue_timeout: Duration = secs(20), wait();
        /// An update that has not ended so long after its request began no longer holds up whoever asks later: they get a request of
        /// their own. Each request of the same user that is still open doubles it.
        overdue_after: Duration = secs(1), wait();
        /// How soon the application is asked again for the roster of somebody who is connected, when it could not be had or is known
        /// to be old. Each further failure doubles it.
        retry_first: Duration = secs(1), wait();
        /// The longest wait between two such requests for one user.
        retry_longest: Duration = secs(60), wait();
        /// Such requests at once, for all users.
        max_retries: usize = 8, count(1..=10_000, "requests");
        /// Time one call may compute.
        cpu_time: Duration = secs(2), wait();
        /// Linear memory of one instance.
        max_memory: usize = 128 << 20, size(64 * KIB..=4 * GIB);
        /// Keep instances warm between calls. `false`: a fresh instance for every call, 3 to 4 times slower, where isolation
        /// between users matters more.
        reuse_instances: bool = true, flag();
        /// A warm instance is retired after about this many calls.
        max_calls_per_instance: u32 = 1000, count(1..=u32::MAX.into(), "calls");
        /// A warm instance whose memory has grown past this is retired.
        retire_memory: usize = 16 << 20, size(1..=4 * GIB);
        /// HTTP requests for one roster.
        max_requests_per_call: u32 = 16, count(1..=10_000, "requests");
        /// What a plugin hands from one request for a roster to the next.
        max_state: usize = 1 << 20, size(0..=16 * MIB);
        /// Resources (streams, requests, ...) one instance may hold.
        max_handles: usize = 256, count(1..=1_000_000, "resources");
        /// Users that the body of one refresh request may name. One that names more is answered 413.
        max_users_per_request: usize = 100_000, count(1..=1_000_000, "users");
        /// How much of the plugin's standard error reaches the log per call. 0: nothing.
        max_log_per_call: usize = 8 << 10, size(0..=16 * MIB);
    }
}

table! {
    /// The rosters in memory.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct StoreConfig {
        /// Rosters at once.
        max_users: usize = 1_000_000, count(1..=u32::MAX.into(), "rosters");
        /// What they may take together.
        max_bytes: usize = 1 << 30, size(1..=256 * 1024 * GIB);
        /// Contacts of one roster; a longer one is an error.
        max_contacts: usize = 100_000, count(1..=1_000_000, "contacts");
        /// How long a roster is served without asking the application again after the user's last session left. `"0s"`: not at all.
        grace: Duration = secs(60), wait_or_zero();
        /// How old a roster may be that is served when the application cannot be asked: for so long it is kept after the user has
        /// left. `"0s"`: not at all; then a user whose first fetch fails has no roster.
        stale_if_error: Duration = secs(3600), wait_or_zero();
        /// How long ago the application may have confirmed the roster of somebody who is connected before it is asked again. For
        /// applications whose refresh requests may get lost. `"0s"`: for ever.
        max_age: Option<Duration> = None, wait_or_zero().zero_is_none();
    }
}

table! {
    /// How another plugin takes over while the host runs.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct SwapConfig {
        /// Swap by itself when the plugin's file changes.
        watch: bool = true, flag();
        /// How long a swap waits for another of the same virtual host to end before it is refused. A rollback waits for none.
        queue_timeout: Duration = secs(60), wait();
        /// Generations kept beside the one that serves, for a rollback.
        keep: usize = 3, count(0..=100, "generations");
        /// The latest calls of each hook that are remembered (4 MiB at most), and made again in a new module before it takes over. 0:
        /// none.
        shadow_calls: usize = 8, count(0..=1000, "calls");
        /// Refuse a module that does other than the one that serves in one of them. Otherwise the receipt counts them.
        refuse_different: bool = false, flag();
        /// The first calls of a new generation that are watched, and made again on the one before if they fail. 0: none.
        canary_calls: u32 = 200, count(0..=1_000_000, "calls");
        /// With one more of them failed the generation before is put back.
        canary_failures: u32 = 3, count(0..=1_000_000, "calls");
    }
}
