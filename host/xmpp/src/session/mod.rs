//! One client's stream from its first byte to its last.
//!
//! - [`connection`]: the course of it: log in, run, say goodbye
//! - [`negotiate`]: headers, TLS, login, binding (RFC 6120 sections 4 to 7)
//! - [`features`]: what is offered when
//! - [`live`]: a bound session, which may outlive its connection
//! - [`run`]: stanzas both ways
//! - [`management`]: counting and acknowledging them (XEP-0198)
//! - [`shared`]: what all of an endpoint have in common
//! - [`resume`]: sessions whose client may come back
//! - [`expel`]: sessions whose account is gone

pub(crate) mod connection;
pub(crate) mod expel;
mod features;
mod live;
mod management;
mod negotiate;
pub(crate) mod resume;
mod run;
pub(crate) mod shared;

use crate::stream::StreamError;

/// How a stream ends.
#[derive(Debug)]
pub(crate) enum End {
    /// The client has closed its stream.
    Closed,
    /// The connection is gone, or does not move.
    Lost,
    /// With an error.
    Error(StreamError),
}

impl<T: Into<StreamError>> From<T> for End {
    fn from(error: T) -> Self {
        Self::Error(error.into())
    }
}
