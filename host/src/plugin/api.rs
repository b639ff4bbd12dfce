//! What the rest of the host sees of a plugin, in the host's own words: the hooks of `xmpp:roster`, and the exchanges with the
//! application that they make up.
//!
//! A trait, so that the use cases do not know wasmtime: a plugin of another version of the WIT is another
//! implementation, and so is the native one the benchmarks compare with.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::model::{Change, Contact, Snapshot, Tag, Username};

/// What a plugin is asked; see `wit/hooks.wit` for what each hook means. `fetch` and `refresh` are exchanges: `make-request`, the
/// application's response, `read-response`, and so on.
///
/// Any call can be repeated or thrown away: nothing a hook returns has an effect until the host applies it. Every call
/// ends within the limits of its virtual host.
#[async_trait]
pub trait RosterPlugin: Send + Sync + 'static {
    /// The whole roster of `user`.
    async fn fetch(&self, user: &Username) -> Result<FetchedRoster, CallError>;

    /// Which users the body of a refresh request names, unchecked and possibly repeated.
    async fn changed_users(&self, body: Bytes) -> Result<Result<Vec<String>, BadRequest>, CallError>;

    /// What has changed in the roster of `user` since `known`.
    async fn refresh(&self, user: &Username, known: Arc<Snapshot>) -> Result<Refreshed, CallError>;

    /// What to tell the application.
    async fn summary(&self, outcome: Outcome) -> Result<Reply, CallError>;

    /// Whether users are asked for together: then many have to ask at once.
    fn asks_together(&self) -> bool {
        false
    }
}

/// A whole roster as the application has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedRoster {
    /// The contacts, in the application's order.
    pub contacts: Vec<Contact>,
    /// A validator for the next refresh.
    pub tag: Option<Tag>,
    /// What the plugin left out or mended, for the operator.
    pub warnings: Vec<String>,
}

/// The outcome of comparing the application's roster with the host's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refreshed {
    /// Nothing to do.
    Unchanged,
    /// The roster, its tag, or both have changed.
    Changed(Delta),
}

/// What turns the host's roster into the application's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta {
    /// At most one change per contact; none when only the tag is new.
    pub changes: Vec<Change>,
    /// The tag after the changes.
    pub tag: Option<Tag>,
    /// As [`FetchedRoster::warnings`].
    pub warnings: Vec<String>,
}

/// A refresh request that makes no sense; the text is for the application's developer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRequest {
    /// What was expected and what was found.
    pub message: String,
}

/// What came of a refresh request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A request that named users in its body.
    Batch {
        /// Rosters that are now as the application has them, unknown users included.
        updated: u32,
        /// Rosters that could not be refreshed, and names that no user can have.
        errors: u32,
        /// How many of `errors` are names that no user can have.
        invalid: u32,
    },
    /// A request for one user: true if the roster is now as the application has it.
    Single(bool),
    /// The request was refused.
    Refused(BadRequest),
}

/// The answer to the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status, 200 to 599.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: String,
    /// The body.
    pub body: Vec<u8>,
}

/// Why the application's roster could not be had, as the plugin says it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// No connection, or a broken one.
    #[error("the application cannot be reached: {0}")]
    Unreachable(String),
    /// No answer in time.
    #[error("the application did not answer in time")]
    TimedOut,
    /// A status that is not a success.
    #[error("the application answered with status {0}")]
    Status(u16),
    /// A longer answer than is accepted.
    #[error("the application's answer is too large")]
    TooLarge,
    /// An answer that is not what the protocol says.
    #[error("the application's answer is malformed: {0}")]
    Malformed(String),
    /// A setting is missing or wrong.
    #[error("the plugin is misconfigured: {0}")]
    Misconfigured(String),
}

impl FetchError {
    /// Without the plugin's own words.
    pub(super) fn in_short(&self) -> String {
        match self {
            Self::Unreachable(_) => "the application cannot be reached".to_owned(),
            Self::Malformed(_) => "the application's answer is malformed".to_owned(),
            Self::Misconfigured(_) => "the plugin is misconfigured".to_owned(),
            plain @ (Self::TimedOut | Self::Status(_) | Self::TooLarge) => plain.to_string(),
        }
    }
}

/// What the plugin says of the application, and how the host tells it: with the URL and what became of the exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchFailure {
    /// What the plugin says.
    pub error: FetchError,
    /// The same in one line that says more, if the host knows more.
    pub(super) explained: Option<String>,
}

impl FetchFailure {
    /// As another node tells it.
    pub(crate) fn told(error: FetchError, explained: String) -> Self {
        Self { error, explained: Some(explained) }
    }
}

impl From<FetchError> for FetchFailure {
    fn from(error: FetchError) -> Self {
        Self { error, explained: None }
    }
}

impl fmt::Display for FetchFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.explained {
            Some(explained) => f.write_str(explained),
            None => self.error.fmt(f),
        }
    }
}

impl std::error::Error for FetchFailure {}

impl From<FetchError> for CallError {
    fn from(error: FetchError) -> Self {
        Self::Fetch(error.into())
    }
}

/// A call of the plugin did not give a result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The plugin did its work and reports an error.
    #[error(transparent)]
    Fetch(#[from] FetchFailure),
    /// The plugin trapped (panicked, used memory it does not have, ...).
    #[error("the plugin trapped in {hook}: {reason}")]
    Trap {
        /// The hook that was called.
        hook: &'static str,
        /// The trap, in one line.
        reason: String,
    },
    /// The wall-clock deadline of the call passed.
    #[error("the plugin did not return from {hook} within {limit:?} (limits.call_timeout)")]
    TimedOut {
        /// The hook that was called.
        hook: &'static str,
        /// The deadline.
        limit: Duration,
    },
    /// The plugin computed longer than it may.
    #[error("the plugin computed longer than {limit:?} in {hook} (limits.cpu_time)")]
    CpuTime {
        /// The hook that was called.
        hook: &'static str,
        /// The limit.
        limit: Duration,
    },
    /// The plugin wanted more memory than it may have.
    #[error("the plugin wanted more than {limit} bytes of memory in {hook} (limits.max_memory)")]
    Memory {
        /// The hook that was called.
        hook: &'static str,
        /// The limit.
        limit: usize,
    },
    /// The plugin broke another rule of the host: too many requests or handles, an impossible result.
    #[error("the plugin broke a rule in {hook}: {reason}")]
    Rule {
        /// The hook that was called.
        hook: &'static str,
        /// The rule.
        reason: String,
    },
    /// No instance could be made.
    #[error("no instance of the plugin for {hook}: {reason}")]
    Instance {
        /// The hook that was to be called.
        hook: &'static str,
        /// Why.
        reason: String,
    },
    /// What the plugin was passed or passes back is longer than the host copies at once.
    #[error(
        "more than {limit} bytes at once between the host and the plugin in {hook}, where each user, contact, group and text \
         counts; that is fixed, unless limits.max_users_per_request asks for more"
    )]
    TooLarge {
        /// The hook that was called.
        hook: &'static str,
        /// What is copied at once.
        limit: usize,
    },
    /// All plugins together hold as much memory as they may.
    #[error(
        "no memory for the plugin in {hook}: all plugins together hold what they may, {limit} bytes (limits.total_memory)"
    )]
    NoRoom {
        /// The hook that was called.
        hook: &'static str,
        /// What they may hold.
        limit: usize,
    },
    /// The roster is another node's to ask for, and that node cannot be asked.
    #[error("the node that owns the roster cannot be asked: {reason}")]
    Node {
        /// Why, in one line.
        reason: String,
    },
    /// Too many calls are running and waiting.
    #[error("no call of the plugin ended within {limit:?}; too many are running (limits.max_concurrent_calls)")]
    Busy {
        /// How long this call waited for a permit.
        limit: Duration,
    },
}

impl CallError {
    /// Is it the plugin that failed, and not the application or the load on this host? Another module may do better.
    pub fn is_plugins_fault(&self) -> bool {
        !matches!(self, Self::Fetch(_) | Self::NoRoom { .. } | Self::Node { .. } | Self::Busy { .. })
    }

    /// A short name for metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Fetch(failure) => match failure.error {
                FetchError::Unreachable(_) => "unreachable",
                FetchError::TimedOut => "application-timeout",
                FetchError::Status(_) => "status",
                FetchError::TooLarge => "too-large",
                FetchError::Malformed(_) => "malformed",
                FetchError::Misconfigured(_) => "misconfigured",
            },
            Self::Trap { .. } => "trap",
            Self::TimedOut { .. } => "timeout",
            Self::CpuTime { .. } => "cpu-time",
            Self::Memory { .. } => "memory",
            Self::Rule { .. } => "rule",
            Self::Instance { .. } => "instance",
            Self::TooLarge { .. } => "too-large",
            Self::NoRoom { .. } => "no-room",
            Self::Node { .. } => "node",
            Self::Busy { .. } => "busy",
        }
    }
}
