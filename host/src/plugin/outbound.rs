//! Who answers requests in the place of the host's own client: what was recorded, or an embedder's.

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};

use crate::http_client::{Deadlines, SendError};

/// Answers requests in the place of the host's own client.
///
/// Where requests may go, for how long, and how long a response may be is then its affair; how many requests an exchange may
/// have and how many bytes it may receive in all stays the host's.
#[async_trait]
pub trait Outbound: Send + Sync {
    /// Answers one request.
    async fn send(&self, request: Request<Bytes>, deadlines: Deadlines) -> Result<Response<Bytes>, SendError>;
}
