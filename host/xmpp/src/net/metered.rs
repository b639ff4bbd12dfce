//! The bytes below a WebSocket, counted as they come.
//!
//! The WebSocket library reads as much as there is, and says nothing of frames that bring nothing: continuations without a byte, or
//! pings. So what a connection may send is counted below it, by frame, and a message that is too long is seen here, before the
//! library makes room for it: how long one may be depends on whether the client has logged in.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep_until};

use super::rate::Bucket;
use crate::config::ClientLimits;

/// See the module.
pub(crate) struct Metered<S> {
    below: S,
    bytes: Bucket,
    frames: Bucket,
    /// Until it may send more.
    rest: Option<Pin<Box<Sleep>>>,
    tracker: Tracker,
}

impl<S> Metered<S> {
    pub(crate) fn new(below: S, limits: &ClientLimits) -> Self {
        Self {
            below,
            bytes: Bucket::new(limits.bytes_per_second, limits.bytes_burst),
            frames: Bucket::new(limits.stanzas_per_second, limits.stanzas_burst),
            rest: None,
            tracker: Tracker { most: limits.stanza_before_login.bytes as u64, ..Tracker::default() },
        }
    }

    /// Messages may have so many bytes from now on.
    pub(super) fn set_longest(&mut self, bytes: usize) {
        self.tracker.most = bytes as u64;
    }

    /// The bytes a message had to be longer than to end the connection, if one did.
    pub(super) fn exceeded(&self) -> Option<u64> {
        self.tracker.exceeded.then_some(self.tracker.most)
    }

    /// Bytes of a message that is not complete, those included that its last frame only announces. None of one that is too long,
    /// for nothing of it is kept.
    pub(super) fn incomplete(&self) -> usize {
        let Tracker { left, message, whole, exceeded, .. } = self.tracker;
        if exceeded {
            return 0;
        }
        if left > 0 || message > 0 { usize::try_from(whole).unwrap_or(usize::MAX) } else { 0 }
    }

    /// What is not metered.
    pub(super) fn below(&mut self) -> &mut S {
        &mut self.below
    }

    fn poll_rest(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            if let Some(rest) = &mut self.rest {
                ready!(rest.as_mut().poll(context));
                self.rest = None;
            }
            match self.bytes.ready_at().max(self.frames.ready_at()) {
                None => return Poll::Ready(()),
                Some(at) => self.rest = Some(Box::pin(sleep_until(at))),
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.tracker.exceeded {
            return Poll::Ready(Err(io::Error::other("a message is too long")));
        }
        ready!(this.poll_rest(context));
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.below).poll_read(context, buffer))?;
        let new = buffer.filled().get(before..).unwrap_or_default();
        this.bytes.take(new.len());
        let FrameCount { frames, fits } = this.tracker.take(new);
        this.frames.take(frames);
        if this.tracker.exceeded && fits == 0 {
            buffer.set_filled(before);
            return Poll::Ready(Err(io::Error::other("a message is too long")));
        }
        buffer.set_filled(before + fits);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.below).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.below).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.below).poll_shutdown(context)
    }
}

/// The longest header of a frame (RFC 6455 section 5.2).
const HEADER: usize = 14;

/// Where frames begin and how long they are. Whether they may be so is for the library to say.
#[derive(Default)]
struct Tracker {
    header: [u8; HEADER],
    /// Bytes of the header that were seen.
    seen: usize,
    /// Bytes of the payload that were not.
    left: u64,
    /// Of the message whose last frame has not begun.
    message: u64,
    /// Of the message whose last byte has not come.
    whole: u64,
    most: u64,
    exceeded: bool,
}

/// What there was in some bytes.
struct FrameCount {
    /// Frames that began.
    frames: usize,
    /// Bytes before the frame that makes its message too long.
    fits: usize,
}

impl Tracker {
    fn take(&mut self, bytes: &[u8]) -> FrameCount {
        let (mut at, mut began, mut frames) = (0, 0, 0);
        while let Some(byte) = bytes.get(at) {
            if self.left > 0 {
                let skipped = (bytes.len() - at).min(usize::try_from(self.left).unwrap_or(usize::MAX));
                self.left -= skipped as u64;
                at += skipped;
                continue;
            }
            if self.seen == 0 {
                began = at;
            }
            if let Some(place) = self.header.get_mut(self.seen) {
                *place = *byte;
            }
            self.seen += 1;
            at += 1;
            if self.seen < self.header_length() {
                continue;
            }
            frames += 1;
            if !self.begin() {
                self.exceeded = true;
                return FrameCount { frames, fits: began };
            }
        }
        FrameCount { frames, fits: bytes.len() }
    }

    /// As far as what was seen of it tells.
    fn header_length(&self) -> usize {
        if self.seen < 2 {
            return 2;
        }
        let [_, second, ..] = self.header;
        let length = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        2 + length + if second & 0x80 == 0 { 0 } else { 4 }
    }

    /// The header is complete. False if its message is too long.
    fn begin(&mut self) -> bool {
        self.seen = 0;
        let [first, second, rest @ ..] = self.header;
        let [a, b, c, d, e, f, g, h, ..] = rest;
        self.left = match second & 0x7f {
            126 => u64::from(u16::from_be_bytes([a, b])),
            127 => u64::from_be_bytes([a, b, c, d, e, f, g, h]),
            length => u64::from(length),
        };
        let opcode = first & 0x0f;
        if opcode > 2 {
            return true;
        }
        let before = if opcode == 0 { self.message } else { 0 };
        let message = before.saturating_add(self.left);
        let fin = first & 0x80 != 0;
        self.message = if fin { 0 } else { message };
        self.whole = message;
        message <= self.most
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;

    /// Frames and whether all of it fits, in whatever pieces it comes.
    fn seen(bytes: &[u8], most: u64) -> (usize, Option<usize>) {
        let mut whole = Tracker { most, ..Tracker::default() };
        let FrameCount { frames, fits } = whole.take(bytes);
        let cut = whole.exceeded.then_some(fits);
        let (mut pieces, mut sum) = (Tracker { most, ..Tracker::default() }, 0);
        for byte in bytes {
            sum += pieces.take(&[*byte]).frames;
            if pieces.exceeded {
                break;
            }
        }
        assert_eq!((sum, pieces.exceeded), (frames, whole.exceeded));
        (frames, cut)
    }

    #[test]
    fn frames_are_counted_and_messages_that_are_too_long_seen_before_they_come() {
        let text = |length: u8| [&[0x81, 0x80 | length, 1, 2, 3, 4][..], &vec![0; length.into()]].concat();
        let empty = [0, 0x80, 1, 2, 3, 4];
        let ping = [&[0x89, 0xfd, 1, 2, 3, 4][..], &[0; 125]].concat();
        let long = [0x81, 0xfe, 1, 0, 1, 2, 3, 4];
        let endless = [0x81, 0xff, 0x7f, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4];
        let begins = [&[0x01, 0xb2, 1, 2, 3, 4][..], &[0; 50]].concat();
        let goes_on = [&[0, 0xb3, 1, 2, 3, 4][..], &[0; 51]].concat();
        for (bytes, expected) in [
            (vec![], (0, None)),
            (text(10), (1, None)),
            ([text(100), text(100)].concat(), (2, None)),
            (text(101), (1, Some(0))),
            ([begins.clone(), empty.repeat(500)].concat(), (501, None)),
            ([begins.clone(), ping.clone(), goes_on].concat(), (3, Some(56 + 131))),
            (ping.repeat(3), (3, None)),
            (long.to_vec(), (1, Some(0))),
            ([text(5), endless.to_vec()].concat(), (2, Some(11))),
            (begins[..5].to_vec(), (0, None)),
        ] {
            assert_eq!(seen(&bytes, 100), expected, "{bytes:?}");
        }
    }
}
