//! What happens on one connection: whether it works for its client, or waits for it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use parking_lot::Mutex;
use roster_xmpp::peers::{Permit, Share};
use tokio::sync::watch;

/// The requests of one connection. While there is none, or the rest of each is still to come, its client is waited for.
pub(super) struct Activity {
    permit: Permit,
    counts: Mutex<Counts>,
    open: watch::Sender<usize>,
}

#[derive(Default)]
struct Counts {
    /// Requests that are not answered.
    open: usize,
    /// Bodies that have not arrived, and requests that have to wait.
    receiving: usize,
}

impl Activity {
    pub(super) fn new(permit: Permit) -> Arc<Self> {
        Arc::new(Self { permit, counts: Mutex::default(), open: watch::Sender::new(0) })
    }

    /// How many requests are not answered.
    pub(super) fn open(&self) -> watch::Receiver<usize> {
        self.open.subscribe()
    }

    /// Returns when another connection has taken the permit of this one.
    pub(super) async fn lost(&self) {
        self.permit.lost().await;
    }

    /// A request.
    pub(super) fn begin(self: &Arc<Self>, share: Option<Share>) -> OpenRequest {
        self.change(|counts| counts.open += 1);
        OpenRequest { activity: Arc::clone(self), _share: share }
    }

    /// The body of a request that has not arrived, or a request that has to wait.
    pub(super) fn receive(self: &Arc<Self>) -> Receiving {
        self.change(|counts| counts.receiving += 1);
        Receiving(Arc::clone(self))
    }

    fn change(&self, change: impl FnOnce(&mut Counts)) {
        let mut counts = self.counts.lock();
        let before = counts.open;
        change(&mut counts);
        if counts.receiving >= counts.open {
            self.permit.waits();
        } else {
            self.permit.works();
        }
        if counts.open != before {
            self.open.send_replace(counts.open);
        }
    }
}

/// One request, until its answer is written out.
pub(super) struct OpenRequest {
    activity: Arc<Activity>,
    _share: Option<Share>,
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.activity.change(|counts| counts.open -= 1);
    }
}

/// The body of a request, until all of it has arrived or nobody wants it. Or a request that has to wait, until it need not.
pub(super) struct Receiving(Arc<Activity>);

impl Receiving {
    /// A piece has come.
    pub(super) fn progress(&self) {
        self.0.change(|_| ());
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        self.0.change(|counts| counts.receiving -= 1);
    }
}

/// A response body that keeps its exchange open.
pub(super) struct ResponseBody {
    pub(super) inner: Body,
    pub(super) _request: OpenRequest,
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.inner).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
