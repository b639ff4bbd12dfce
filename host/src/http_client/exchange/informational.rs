//! What a server may send before a response: informational ones (1xx), but not any number.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::Request;
use hyper::ext::on_informational;
use tokio::sync::Notify;

/// Informational responses that may come before one response.
pub(super) const MOST_INFORMATIONAL: usize = 16;

/// The informational responses to one request, of HTTP/1.1. hyper reads any number of them.
#[derive(Default)]
pub(super) struct Informational(Arc<Counted>);

#[derive(Default)]
struct Counted {
    seen: AtomicUsize,
    too_many: Notify,
}

impl Informational {
    /// Counts what comes before the response to `request`.
    pub(super) fn count<B>(&self, request: &mut Request<B>) {
        let counted = Arc::clone(&self.0);
        on_informational(request, move |_| {
            if counted.seen.fetch_add(1, Ordering::Relaxed) >= MOST_INFORMATIONAL {
                counted.too_many.notify_one();
            }
        });
    }

    /// Returns when there were too many.
    pub(super) async fn too_many(&self) {
        self.0.too_many.notified().await;
    }
}
