//! What hyper answers to a request it cannot read, with a body.
//!
//! hyper answers such a head itself (400, 414, 431), always without a body and always as the last thing on the connection,
//! and no service is asked. So its answer is caught on its way out: it is a write of its own that begins while no request
//! is open, for hyper reads no head before the answer to the last request is flushed. What it says gets a body, and what
//! the client is still sending is read for a moment, or it would see a reset connection and not the answer.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Sleep, sleep, timeout};

use super::pace::{Pace, Paced};
use crate::http::answers::json::ErrorBody;
use crate::http::requests::fault::Fault;
use crate::http::requests::request_log::Recorder;

/// What is kept of the first bytes: the longest sign of another protocol has 12.
const FIRST: usize = 12;
/// What is still read after such an answer, and for how long.
const LINGER_BYTES: usize = 1 << 20;
const LINGER_TIME: Duration = Duration::from_secs(2);
/// A request that came without TLS has this long to be read and answered, both together.
const PLAIN_TIME: Duration = Duration::from_secs(2);

/// hyper's own limit.
const LONGEST_TARGET: usize = u16::MAX as usize - 1;

const NO_BODY: &[u8] = b"\r\ncontent-length: 0\r\n";

/// How a listener answers what is no request.
#[derive(Clone)]
pub(super) struct Unreadable {
    /// The form of its errors.
    pub(super) body: ErrorBody,
    /// Who counts and logs them.
    pub(super) recorder: Recorder,
    /// The longest head, bytes and headers.
    pub(super) max_head: usize,
    pub(super) max_headers: usize,
}

impl Unreadable {
    /// The rest of an answer, after what its head has already.
    fn headers_and_body(&self, peer: SocketAddr, fault: &Fault) -> Vec<u8> {
        self.recorder.unreadable(peer, fault);
        let body = (self.body)(&fault.to_string());
        let head = format!("\r\ncontent-type: application/json\r\ncontent-length: {}\r\n", body.len());
        [head.as_bytes(), b"connection: close\r\n\r\n", &body].concat()
    }

    /// hyper's answer with a body; `None` if `head` is something else.
    fn complete(&self, peer: SocketAddr, head: &[u8], first: Option<&[u8]>) -> Option<Bytes> {
        let fault = match head.strip_prefix(b"HTTP/1.1 ")?.get(..3)? {
            b"400" => first.map_or(Fault::NotHttp, Fault::of_first_bytes),
            b"414" => Fault::LongTarget(LONGEST_TARGET),
            b"431" => Fault::LongHead { bytes: self.max_head, fields: self.max_headers },
            _ => return None,
        };
        let text = std::str::from_utf8(head).ok()?.strip_suffix("\r\n\r\n")?;
        let no_body = std::str::from_utf8(NO_BODY).ok()?;
        if !format!("{text}\r\n").contains(no_body) {
            return None;
        }
        let mut lines = text.split("\r\n");
        let mut answer = lines.next()?.as_bytes().to_vec();
        for line in lines.filter(|line| line.starts_with("date:")) {
            answer.extend_from_slice(b"\r\n");
            answer.extend_from_slice(line.as_bytes());
        }
        answer.extend(self.headers_and_body(peer, &fault));
        Some(answer.into())
    }

    /// Answers a client that came without TLS where TLS is spoken.
    pub(super) async fn answer_without_tls(&self, mut stream: TcpStream, peer: SocketAddr) {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let answered = async {
            let mut first = vec![0; 1024];
            let read = stream.read(&mut first).await?;
            first.truncate(read);
            let fault = match Fault::of_first_bytes(&first) {
                Fault::Proxy => Fault::Proxy,
                _ => Fault::NoTls,
            };
            stream.write_all(b"HTTP/1.1 400 Bad Request").await?;
            stream.write_all(&self.headers_and_body(peer, &fault)).await?;
            stream.shutdown().await?;
            let mut rest = stream.take(LINGER_BYTES as u64);
            tokio::io::copy(&mut rest, &mut tokio::io::sink()).await
        };
        // Whether the client got it is its own affair.
        let _ = timeout(PLAIN_TIME, answered).await;
    }
}

/// The byte stream below hyper.
pub(super) struct Wire<IO> {
    io: IO,
    peer: SocketAddr,
    unreadable: Unreadable,
    /// How many requests are open.
    open: watch::Receiver<usize>,
    first: [u8; FIRST],
    read: usize,
    /// Something was answered before.
    answered: bool,
    /// The connection speaks something else than HTTP/1 by now.
    other_protocol: bool,
    /// The answer that takes the place of hyper's.
    answer: Option<Bytes>,
    /// What that waits for: it counts as one to a request.
    paced: Paced,
    linger: Option<Pin<Box<Sleep>>>,
    lingered: usize,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Wire<IO> {
    pub(super) fn new(
        io: IO,
        peer: SocketAddr,
        unreadable: Unreadable,
        open: watch::Receiver<usize>,
        pace: Arc<Pace>,
    ) -> Self {
        Self {
            io,
            peer,
            unreadable,
            open,
            first: [0; FIRST],
            read: 0,
            answered: false,
            other_protocol: false,
            answer: None,
            paced: Paced::new(pace),
            linger: None,
            lingered: 0,
        }
    }

    fn look_at(&mut self, read: &[u8]) {
        let room = self.first.get_mut(self.read.min(FIRST)..).unwrap_or_default();
        room.iter_mut().zip(read).for_each(|(to, from)| *to = *from);
        self.read += read.len();
        if self.read >= 3 && self.first.starts_with(b"PRI") {
            self.other_protocol = true;
        }
    }

    fn completed(&mut self, head: &[u8]) -> Option<Bytes> {
        if self.other_protocol || *self.open.borrow() > 0 {
            return None;
        }
        let first = (!self.answered).then(|| self.first.get(..self.read.min(FIRST)).unwrap_or_default());
        self.unreadable.complete(self.peer, head, first)
    }

    fn poll_answer(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.answer.is_some() {
            ready!(self.paced.poll(context))?;
        }
        while let Some(rest) = self.answer.as_mut().filter(|rest| rest.has_remaining()) {
            match ready!(Pin::new(&mut self.io).poll_write(context, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => rest.advance(written),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Ready when the client has closed, or has sent or taken too much.
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let sleep = self.linger.get_or_insert_with(|| Box::pin(sleep(LINGER_TIME)));
        if sleep.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        let mut space = [0; 4096];
        while self.lingered < LINGER_BYTES {
            let mut buffer = ReadBuf::new(&mut space);
            match ready!(Pin::new(&mut self.io).poll_read(context, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => self.lingered += buffer.filled().len(),
                _ => break,
            }
        }
        Poll::Ready(())
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncRead for Wire<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(context, buffer))?;
        if self.read < FIRST {
            self.look_at(buffer.filled().get(before..).unwrap_or_default());
        }
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Wire<IO> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_answer(context))?;
        if let Some(answer) = self.completed(bytes) {
            let _ = self.paced.pace.next().map_err(io::Error::other)?;
            self.answer = Some(answer);
            return Poll::Ready(Ok(bytes.len()));
        }
        self.answered = true;
        if bytes.starts_with(b"HTTP/1.1 101 ") {
            self.other_protocol = true;
        }
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_answer(context))?;
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_answer(context))?;
        if self.linger.is_none() {
            ready!(Pin::new(&mut self.io).poll_shutdown(context))?;
        }
        if self.answer.is_some() {
            ready!(self.poll_linger(context));
        }
        Poll::Ready(Ok(()))
    }
}
