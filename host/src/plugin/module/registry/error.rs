//! Why a plugin cannot be had from a registry. No credentials, and no query of a URL, which may be signed.

use std::time::Duration;

use http::StatusCode;

use crate::http_client::{ClientBuildError, ErrorKind, SendError};

/// See the module.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// It is not on the list.
    #[error("its registry may not be asked (registry.allow_origins)")]
    NotAllowed,
    /// The client cannot be made.
    #[error("registry: {0}")]
    Client(#[from] ClientBuildError),
    /// Nothing was answered, or nobody may be asked.
    #[error("{sent}{}", list(sent))]
    Send {
        /// What the client says.
        #[from]
        sent: SendError,
    },
    /// It takes too long.
    #[error("not had within {} (registry.timeout)", humantime::format_duration(*timeout))]
    Timeout {
        /// So long.
        timeout: Duration,
    },
    /// It wants to know who asks, and nobody told, or it does not let him.
    #[error(
        "the registry wants to know who asks, or does not let it be had (status {status}); see registry.username and auth_origins"
    )]
    Unauthorized {
        /// What it said.
        status: StatusCode,
    },
    /// There is no such artifact.
    #[error("the registry has no such artifact (404)")]
    Missing,
    /// It has trouble.
    #[error("the registry answers {what} with status {status}")]
    Status {
        /// What was asked for.
        what: &'static str,
        /// What it said.
        status: StatusCode,
    },
    /// What came is not what was asked for.
    #[error("{what} is not what it should be: its digest is {found} and not {expected}")]
    Digest {
        /// What came.
        what: &'static str,
        /// The digest of it.
        found: String,
        /// The digest it should have.
        expected: String,
    },
    /// It is no plugin.
    #[error("{0}")]
    NotAPlugin(String),
    /// It is longer than any plugin.
    #[error("{size} bytes are more than {limit} (compile.max_component)")]
    TooLarge {
        /// What its manifest says.
        size: u64,
        /// What is taken.
        limit: u64,
    },
}

impl RegistryError {
    /// The registry is away, which says nothing about what is there.
    pub(super) fn is_outage(&self) -> bool {
        match self {
            Self::Timeout { .. } => true,
            Self::Status { status, .. } => status.is_server_error(),
            Self::Send { sent } => !matches!(
                sent.kind(),
                ErrorKind::Denied | ErrorKind::RedirectDenied | ErrorKind::BadRequest | ErrorKind::TooManyRedirects
            ),
            _ => false,
        }
    }
}

/// The client speaks of its own list.
fn list(error: &SendError) -> &'static str {
    match error.kind() {
        ErrorKind::Denied | ErrorKind::RedirectDenied => "; for a registry the list is registry.allow_origins",
        _ => "",
    }
}
