//! A swap at all nodes.

use std::sync::Arc;

use super::Cluster;
use super::message::{Refused, Reply};
use super::view::Member;

impl Cluster {
    pub(super) async fn serve_swap(
        self: &Arc<Self>,
        _view: u64,
        _from: &Member,
        _domain: &str,
        _back: bool,
    ) -> Result<Reply, Refused> {
        Err(Refused::NotReady)
    }
}
