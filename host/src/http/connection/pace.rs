//! The requests of one connection, one after another in the time that its address has for them.
//!
//! Where an address sends more than it may in a second, they are not refused, for that costs as much as an answer. They wait,
//! and meanwhile nothing is read of the connection, so the client feels it as a slow network.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use parking_lot::Mutex;
use tokio::time::{Instant, Sleep, sleep_until};

use super::crowd::{Crowd, Limit};

/// See the module.
pub(super) struct Pace {
    peer: SocketAddr,
    crowd: Arc<Crowd>,
    begun: AtomicU64,
    /// When the last request may be looked at; nothing is read before.
    last: Mutex<Option<Instant>>,
    over: AtomicBool,
}

/// How long a request has to wait before it is looked at.
pub(super) struct Delay(Instant);

/// What waits of the address is too much.
#[derive(Debug, thiserror::Error)]
#[error("the client sends far more requests than it may (http.requests_per_second)")]
pub(super) struct TooManyRequests;

impl Pace {
    pub(super) fn new(peer: SocketAddr, crowd: Arc<Crowd>) -> Arc<Self> {
        let (begun, last, over) = (AtomicU64::new(0), Mutex::new(None), AtomicBool::new(false));
        Arc::new(Self { peer, crowd, begun, last, over })
    }

    /// How many requests there were so far.
    pub(super) fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    /// One more, and what it has to wait for.
    ///
    /// # Errors
    ///
    /// There are too many: the connection ends.
    pub(super) fn next(&self) -> Result<Option<Delay>, TooManyRequests> {
        self.begun.fetch_add(1, Ordering::Relaxed);
        let Some(wait) = self.crowd.requests_per_second.reserve(self.peer.ip()) else {
            if !self.over.swap(true, Ordering::Relaxed) {
                self.crowd.refused(self.peer, Limit::RequestRate);
            }
            return Err(TooManyRequests);
        };
        if wait.is_zero() {
            return Ok(None);
        }
        self.crowd.delayed(self.peer);
        let at = Instant::now() + wait;
        *self.last.lock() = Some(at);
        Ok(Some(Delay(at)))
    }
}

impl Delay {
    /// Returns when that is over.
    pub(super) async fn over(self) {
        sleep_until(self.0).await;
    }
}

/// What the bytes of a connection wait for.
pub(super) struct Paced {
    pub(super) pace: Arc<Pace>,
    rest: Option<Pin<Box<Sleep>>>,
}

impl Paced {
    pub(super) fn new(pace: Arc<Pace>) -> Self {
        Self { pace, rest: None }
    }

    /// Ready when no request so far has to wait any more; an error if the connection ends.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if self.pace.over.load(Ordering::Relaxed) {
                return Poll::Ready(Err(io::Error::other(TooManyRequests)));
            }
            if let Some(rest) = &mut self.rest {
                if rest.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                self.rest = None;
            }
            let last = *self.pace.last.lock();
            match last.filter(|last| *last > Instant::now()) {
                Some(last) => self.rest = Some(Box::pin(sleep_until(last))),
                None => return Poll::Ready(Ok(())),
            }
        }
    }
}
