//! A plugin's standard output and error, line by line into the log.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::io::AsyncWrite;
use tracing::{info, warn};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::text::escaped;

/// What a plugin may write before it must let go of the stream; lines are logged at once, so this only bounds a copy.
const WRITE_PERMIT: usize = 4096;
/// Of a longer line the beginning is logged, and how many bytes are left out.
const LONGEST_LINE: usize = 1024;

/// What a line costs beside its text: without it, a call could write thousands of empty lines.
const LINE_COST: usize = 64;

/// Tags lines with the call that wrote them, and drops what is over the limit of one call. Clones are one log.
#[derive(Clone)]
pub(in crate::plugin) struct GuestLog(Arc<Mutex<Inner>>);

struct Inner {
    domain: Arc<str>,
    hook: &'static str,
    user: String,
    limit: usize,
    left: usize,
    line: Vec<u8>,
    /// Bytes of the line after those.
    left_out: usize,
    dropped: usize,
}

impl GuestLog {
    /// A log for an instance that serves `domain`, with `limit` bytes for every call.
    pub(in crate::plugin) fn new(domain: Arc<str>, limit: usize) -> Self {
        let user = String::new();
        Self(Arc::new(Mutex::new(Inner {
            domain,
            hook: "",
            user,
            limit,
            left: limit,
            line: Vec::new(),
            left_out: 0,
            dropped: 0,
        })))
    }

    /// From now on lines belong to this call.
    pub(in crate::plugin) fn begin_call(&self, hook: &'static str, user: &str) {
        let mut inner = self.0.lock();
        inner.hook = hook;
        inner.user.clear();
        inner.user.push_str(user);
        inner.left = inner.limit;
        inner.dropped = 0;
    }

    /// The call is over: logs what is left of the last line.
    pub(in crate::plugin) fn end_call(&self) {
        let mut inner = self.0.lock();
        inner.end_line();
        if inner.dropped > 0 {
            let Inner { domain, hook, user, dropped, .. } = &*inner;
            warn!(%domain, hook, user, bytes = dropped, "the plugin wrote more than limits.max_log_per_call; the rest is lost");
        }
    }

    fn write(&self, bytes: &[u8]) {
        self.0.lock().write(bytes);
    }
}

impl Inner {
    fn write(&mut self, bytes: &[u8]) {
        let (kept, lost) = bytes.split_at_checked(self.left).unwrap_or((bytes, &[]));
        self.left -= kept.len();
        self.dropped += lost.len();
        for byte in kept {
            if *byte == b'\n' {
                self.end_line();
                // A line in the log is more than its text.
                self.left = self.left.saturating_sub(LINE_COST);
            } else if self.line.len() < LONGEST_LINE {
                self.line.push(*byte);
            } else {
                self.left_out += 1;
            }
        }
    }

    fn end_line(&mut self) {
        if !self.line.is_empty() {
            let line = self.text();
            info!(target: "roster_host::guest", domain = %self.domain, hook = self.hook, user = self.user, "{line}");
            self.line.clear();
            self.left_out = 0;
        }
    }

    /// The line, as far as it is logged.
    fn text(&self) -> String {
        let kept = match self.left_out {
            0 => &self.line[..],
            _ => whole_characters(&self.line),
        };
        let text = String::from_utf8_lossy(kept);
        match self.left_out + self.line.len() - kept.len() {
            0 => escaped(&text).into_owned(),
            left_out => format!("{} [{left_out} bytes more]", escaped(&text)),
        }
    }
}

/// `bytes` without the beginning of a character at their end.
fn whole_characters(bytes: &[u8]) -> &[u8] {
    let begins = |byte: &u8| (*byte as i8) >= -0x40;
    let last = bytes.iter().rposition(begins).unwrap_or(0);
    let (before, character) = bytes.split_at(last);
    if std::str::from_utf8(character).is_ok() { bytes } else { before }
}

impl IsTerminal for GuestLog {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for GuestLog {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl Pollable for GuestLog {
    async fn ready(&mut self) {}
}

impl OutputStream for GuestLog {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        GuestLog::write(self, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_PERMIT)
    }
}

impl AsyncWrite for GuestLog {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        GuestLog::write(&self, bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is pending of the last line, what may still be written, and what was lost.
    fn state(log: &GuestLog) -> (Vec<u8>, usize, usize) {
        let inner = log.0.lock();
        (inner.line.clone(), inner.left, inner.dropped)
    }

    #[test]
    fn a_call_may_write_so_much_and_the_next_call_as_much_again() {
        let log = GuestLog::new("x".into(), 10);
        log.begin_call("fetch", "john");
        log.write(b"12345678901234");
        assert_eq!(state(&log), (b"1234567890".to_vec(), 0, 4));
        log.end_call();
        assert_eq!(state(&log).0, b"");
        log.begin_call("refresh", "marie");
        log.write(b"12345");
        assert_eq!(state(&log), (b"12345".to_vec(), 5, 0));
    }

    #[test]
    fn of_a_long_line_the_beginning_is_kept_and_the_rest_counted() {
        let two = "é".repeat(600);
        let three = "☃".repeat(400);
        for (written, kept, more) in [
            (&*"x".repeat(1024), 1024, 0),
            (&*"x".repeat(1025), 1024, 1),
            (&*"x".repeat(3000), 1024, 1976),
            (&two, 1024, 176),
            (&*format!("x{two}"), 1023, 178),
            (&three, 1023, 177),
            (&*format!("xx{three}"), 1022, 180),
        ] {
            let log = GuestLog::new("x".into(), 8 << 10);
            log.write(written.as_bytes());
            let text = log.0.lock().text();
            let expected = written.get(..kept).unwrap_or_default().to_owned();
            let marker = if more > 0 { format!(" [{more} bytes more]") } else { String::new() };
            assert_eq!(text, expected + &marker);
        }
    }

    #[test]
    fn a_line_does_nothing_to_a_terminal() {
        let log = GuestLog::new("x".into(), 100);
        log.write("a\u{1b}[2J\u{202e}b\rc\u{2028}".as_bytes());
        assert_eq!(log.0.lock().text(), "a\\u{1b}[2J\\u{202e}b\\rc\\u{2028}");
    }

    #[test]
    fn a_line_costs_more_than_its_text() {
        let log = GuestLog::new("x".into(), 4 * LINE_COST);
        log.begin_call("fetch", "john");
        let logged = (0..1000).take_while(|_| {
            log.write(b"\n");
            state(&log).1 > 0
        });
        assert!(logged.count() <= 4);
    }
}
