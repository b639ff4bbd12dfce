//! The seam of `host/src/sinks`.
#![allow(missing_docs)]

use std::sync::Arc;

use async_trait::async_trait;

pub use crate::model::{EventKind, RosterEvent};

#[async_trait]
pub trait RosterSink: Send + Sync + 'static {
    fn name(&self) -> &'static str;

    async fn deliver(&self, event: Arc<RosterEvent>) -> Result<(), Undelivered>;
}

#[derive(Clone, Debug, thiserror::Error)]
#[error("its queue is full")]
pub struct Undelivered;
