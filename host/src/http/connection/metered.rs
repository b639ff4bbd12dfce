//! The bytes below hyper, counted as they come.
//!
//! hyper answers pings, settings and streams that are begun and given up as fast as they come, and reads a head anew with each
//! piece of it, and it has no limit for either. So what carries next to nothing is counted below it: some is free with each
//! request, and of more each address has so much in a second. A connection that sends more than that ends before hyper sees it.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::crowd::{Crowd, Limit};
use super::pace::{Pace, Paced};
use crate::frames::{Frames, PREFACE, of_client};

/// What is free with each request, at first, and at most.
const FREE: u64 = 8;
const FREE_AT_FIRST: u64 = 64;
const MOST_FREE: u64 = 1024;
/// Of HTTP/1: less than this at once is a tiny piece.
const TINY: usize = 64;

/// See the module.
pub(super) struct Metered<IO> {
    io: IO,
    peer: SocketAddr,
    crowd: Arc<Crowd>,
    paced: Paced,
    credited: u64,
    free: u64,
    protocol: Protocol,
}

enum Protocol {
    /// So many bytes are those of the preface.
    Unknown(usize),
    Http1,
    Http2(Frames),
    /// Nothing of HTTP any more.
    Other,
}

impl<IO> Metered<IO> {
    pub(super) fn new(io: IO, peer: SocketAddr, crowd: Arc<Crowd>, pace: Arc<Pace>) -> Self {
        Self {
            io,
            peer,
            crowd,
            paced: Paced::new(pace),
            credited: 0,
            free: FREE_AT_FIRST,
            protocol: Protocol::Unknown(0),
        }
    }

    fn cost(&mut self, new: &[u8]) -> u32 {
        let tiny = u32::from(new.len() < TINY);
        match &mut self.protocol {
            Protocol::Other => 0,
            Protocol::Http1 => tiny,
            Protocol::Http2(frames) => frames.cost(new),
            Protocol::Unknown(same) => {
                let rest = PREFACE.get(*same..).unwrap_or_default();
                let common = new.len().min(rest.len());
                if new.get(..common) != rest.get(..common) {
                    self.protocol = Protocol::Http1;
                    return tiny;
                }
                *same += common;
                if *same < PREFACE.len() {
                    return tiny;
                }
                let mut frames = Frames::new(of_client);
                let cost = frames.cost(new.get(common..).unwrap_or_default());
                self.protocol = Protocol::Http2(frames);
                cost
            }
        }
    }

    /// Whether the client may send what costs so much.
    fn pays(&mut self, cost: u32) -> bool {
        let begun = self.paced.pace.begun();
        let earned = begun.saturating_sub(self.credited).saturating_mul(FREE);
        self.credited = begun;
        self.free = self.free.saturating_add(earned).min(MOST_FREE);
        let free = self.free.min(cost.into());
        self.free -= free;
        let rest = cost.saturating_sub(u32::try_from(free).unwrap_or(u32::MAX));
        rest == 0 || self.crowd.overhead.take(self.peer.ip(), rest)
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Metered<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        ready!(this.paced.poll(context))?;
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.io).poll_read(context, buffer))?;
        let new = buffer.filled().get(before..).unwrap_or_default();
        let cost = if new.is_empty() { 0 } else { this.cost(new) };
        if cost > 0 && !this.pays(cost) {
            buffer.set_filled(before);
            this.crowd.refused(this.peer, Limit::Overhead);
            return Poll::Ready(Err(io::Error::other("the client sends too much that carries nothing")));
        }
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Metered<IO> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if bytes.starts_with(b"HTTP/1.1 101 ") && matches!(self.protocol, Protocol::Http1) {
            self.protocol = Protocol::Other;
        }
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
