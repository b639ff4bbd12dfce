//! The seam of `host/src/sinks`.
#![allow(missing_docs)]

use std::sync::Arc;

use async_trait::async_trait;
use tokio::time::Instant;

pub use crate::model::{EventKind, RosterEvent};

#[async_trait]
pub trait RosterSink: Send + Sync + 'static {
    fn name(&self) -> &'static str;

    async fn deliver(&self, event: Arc<RosterEvent>) -> Result<(), Undelivered>;

    fn refresh_begins(&self, _domain: &Arc<str>) {}

    fn refresh_ends(&self, _domain: &Arc<str>) {}

    async fn confirmed(&self, _domain: &Arc<str>, _deadline: Instant) -> Vec<Arc<str>> {
        Vec::new()
    }
}

#[derive(Clone, Debug, thiserror::Error)]
#[error("its queue is full")]
pub struct Undelivered;
