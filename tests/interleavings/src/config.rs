//! The keys that the rooms here look at; see `host/src/config/tables`.
#![allow(missing_docs)]

use std::time::Duration;

#[derive(Clone, Debug)]
pub struct LimitsConfig {
    pub max_concurrent_calls: usize,
    pub bulk_users: usize,
    pub call_timeout: Duration,
    pub queue_timeout: Duration,
    pub overdue_after: Duration,
    pub retry_first: Duration,
    pub retry_longest: Duration,
    pub max_retries: usize,
    pub max_users_per_request: usize,
}

/// Never overdue; retries at once.
impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            max_concurrent_calls: 4,
            bulk_users: 0,
            call_timeout: Duration::from_secs(20),
            queue_timeout: Duration::from_secs(20),
            overdue_after: Duration::from_secs(3600),
            retry_first: Duration::ZERO,
            retry_longest: Duration::ZERO,
            max_retries: 1,
            max_users_per_request: 100,
        }
    }
}

#[derive(Clone, Debug)]
pub struct StoreConfig {
    pub max_users: usize,
    pub max_bytes: usize,
    pub max_contacts: usize,
    pub grace: Duration,
    pub stale_if_error: Duration,
    pub max_age: Option<Duration>,
}

/// Who leaves is forgotten at once.
impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            max_users: 100,
            max_bytes: 1 << 20,
            max_contacts: 10,
            grace: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            max_age: None,
        }
    }
}

#[derive(Clone, Debug)]
pub struct SwapConfig {
    pub keep: usize,
    pub canary_calls: u32,
    pub canary_failures: u32,
}
