//! What a server sends beside its responses over HTTP/2: there may be some of it, and no flood.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::frames::{Frames, of_server};

/// Frames of HTTP/2 without data that one connection may get: at first and at most, for each request, in each second.
const FREE: u64 = 1024;
const FOR_EACH_REQUEST: u64 = 32;
const FOR_EACH_SECOND: u64 = 100;

/// The requests that were sent on a connection.
pub(super) type Sent = Arc<AtomicU64>;

/// The bytes below HTTP/2. The library keeps each informational response until it is asked for, and answers pings and settings,
/// as many as come. A server that sends too many of those loses the connection.
pub(super) struct Metered<IO> {
    io: IO,
    frames: Frames,
    sent: Sent,
    credited: u64,
    free: u64,
    since: Instant,
}

impl<IO> Metered<IO> {
    pub(super) fn new(io: IO, sent: Sent) -> Self {
        Self { io, frames: Frames::new(of_server), sent, credited: 0, free: FREE, since: Instant::now() }
    }

    fn pays(&mut self, cost: u64) -> bool {
        let sent = self.sent.load(Ordering::Relaxed);
        let seconds = self.since.elapsed().as_secs();
        if seconds > 0 {
            self.since = Instant::now();
        }
        let requests = sent.saturating_sub(self.credited).saturating_mul(FOR_EACH_REQUEST);
        self.credited = sent;
        self.free =
            self.free.saturating_add(requests.saturating_add(seconds.saturating_mul(FOR_EACH_SECOND))).min(FREE);
        let pays = cost <= self.free;
        self.free = self.free.saturating_sub(cost);
        pays
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Metered<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(context, buffer))?;
        let cost = self.frames.cost(buffer.filled().get(before..).unwrap_or_default());
        if cost > 0 && !self.pays(cost.into()) {
            buffer.set_filled(before);
            return Poll::Ready(Err(io::Error::other(
                "the server sends too many frames of HTTP/2 that carry no data, such as informational responses (1xx)",
            )));
        }
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Metered<IO> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_server_may_send_some_frames_at_any_time_and_more_with_requests() {
        let sent = Sent::default();
        let mut metered = Metered::new(tokio::io::empty(), Arc::clone(&sent));
        let request = |n| sent.fetch_add(n, Ordering::Relaxed);
        assert!(metered.pays(1000) && metered.pays(24) && !metered.pays(1));
        request(2);
        assert!(metered.pays(64) && !metered.pays(1));
        tokio::time::advance(std::time::Duration::from_secs(3)).await;
        assert!(metered.pays(300) && !metered.pays(1));
        request(1_000_000);
        assert!(metered.pays(FREE) && !metered.pays(1), "nothing is saved up");
    }
}
