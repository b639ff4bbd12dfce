//! The body of a request, as it comes.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use roster_xmpp::peers::Rates;
use tokio::time::{Sleep, sleep};

use super::activity::Receiving;

/// Shorter pieces cost more than they bring.
const TINY: usize = 256;
/// So many of them are free.
const FREE: usize = 64;
/// Where there were too many: time until the next is looked at.
const REST: Duration = Duration::from_millis(20);

/// A body that tells how far it is. Of tiny pieces an address may send only so many; more are read more slowly.
pub(super) struct Received {
    inner: Incoming,
    receiving: Option<Receiving>,
    peer: IpAddr,
    overhead: Arc<Rates>,
    free: usize,
    /// The last piece was tiny, and is not accounted for.
    owes: bool,
    rest: Option<Pin<Box<Sleep>>>,
}

impl Received {
    pub(super) fn new(inner: Incoming, receiving: Option<Receiving>, peer: IpAddr, overhead: Arc<Rates>) -> Self {
        Self { inner, receiving, peer, overhead, free: FREE, owes: false, rest: None }
    }

    fn poll_pay(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while self.owes {
            if let Some(rest) = &mut self.rest {
                ready!(rest.as_mut().poll(context));
                self.rest = None;
            }
            if self.free > 0 {
                self.free -= 1;
                self.owes = false;
            } else if self.overhead.take(self.peer, 1) {
                self.owes = false;
            } else {
                self.rest = Some(Box::pin(sleep(REST)));
            }
        }
        Poll::Ready(())
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        ready!(self.poll_pay(context));
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        match &frame {
            Some(Ok(piece)) if !self.inner.is_end_stream() => {
                self.owes = piece.data_ref().is_none_or(|data| data.len() < TINY);
                if let Some(receiving) = &self.receiving {
                    receiving.progress();
                }
            }
            _ => self.receiving = None,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
