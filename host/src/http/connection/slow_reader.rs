//! A connection whose client has to read.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// So long a client that does not read is waited for, in all; each byte that it does read gives some of it back.
const MOST_WAIT: Duration = Duration::from_secs(30);
/// Bytes that give back a second. Whoever reads more slowly in the long run is not waited for.
const PER_SECOND: u32 = 4096;

/// A stream on which a write fails that makes next to no progress. (The crate tokio-io-timeout begins anew with each byte.)
pub(super) struct SlowReader<IO> {
    io: IO,
    left: Duration,
    /// When a write began to wait, and until when it may.
    waits: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl<IO> SlowReader<IO> {
    pub(super) fn new(io: IO) -> Self {
        Self { io, left: MOST_WAIT, waits: None }
    }

    fn judge<T>(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
        written: impl FnOnce(&T) -> usize,
    ) -> Poll<io::Result<T>> {
        let Poll::Ready(done) = polled else {
            let left = self.left;
            let begin = || {
                let now = Instant::now();
                (now, Box::pin(sleep_until(now + left)))
            };
            let (_, until) = self.waits.get_or_insert_with(begin);
            ready!(until.as_mut().poll(context));
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read")));
        };
        if let Some((since, _)) = self.waits.take() {
            self.left = self.left.saturating_sub(since.elapsed());
        }
        if let Ok(done) = &done {
            let bytes = u32::try_from(written(done)).unwrap_or(u32::MAX);
            let earned = Duration::from_secs(1).saturating_mul(bytes) / PER_SECOND;
            self.left = (self.left + earned).min(MOST_WAIT);
        }
        Poll::Ready(done)
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for SlowReader<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for SlowReader<IO> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(context, bytes);
        self.judge(context, polled, |written| *written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_flush(context);
        self.judge(context, polled, |()| 0)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_shutdown(context);
        self.judge(context, polled, |()| 0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_too_little_is_given_up_and_a_slow_one_is_not() {
        for (what, bytes, pause, served) in [
            ("nothing", 0, 1000, false),
            ("a byte now and then", 1, 10, false),
            ("some, but too little", 1000, 1, false),
            ("slowly", 5000, 1, true),
            ("in gulps, with long pauses", 100_000, 20, true),
        ] {
            let (ours, mut theirs) = tokio::io::duplex(4096);
            let mut patient = SlowReader::new(ours);
            let began = Instant::now();
            let reading = tokio::spawn(async move {
                let mut space = vec![0; bytes];
                if bytes > 0 {
                    loop {
                        tokio::time::sleep(Duration::from_secs(pause)).await;
                        if theirs.read_exact(&mut space).await.is_err() {
                            return;
                        }
                    }
                }
                tokio::time::sleep(Duration::from_secs(3600)).await;
                drop(theirs);
            });
            let written = patient.write_all(&vec![0; 1_000_000]).await;
            assert_eq!(written.is_ok(), served, "{what}: {written:?}");
            assert!(served || began.elapsed() < Duration::from_secs(100), "{what}: {:?}", began.elapsed());
            reading.abort();
        }
    }
}
