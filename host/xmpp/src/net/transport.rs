//! The kinds of connections, as one.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::{Sink, Stream};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};

use super::metered::Metered;
use super::violation::Violation;
use crate::stream::Framing;

/// A WebSocket on somebody else's HTTP listener.
pub(crate) type WebSocket = WebSocketStream<Metered<TokioIo<Upgraded>>>;

/// The longest frame written to a WebSocket, bytes. A longer message, such as a large roster, goes in several.
pub(crate) const FRAME: usize = 256 * 1024;

/// Bytes read at once. On the stack: a connection that is waited for holds no buffer.
const READ: usize = 4096;

/// A connection to a client.
pub(crate) enum Transport {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    WebSocket(Box<WebSocket>),
    /// Gone, or between two of the others.
    None,
}

/// What was read.
pub(crate) enum Read {
    /// So many bytes were appended.
    Some(usize),
    /// The other side sends no more.
    End,
    /// Something that a WebSocket, or XMPP on it, must not have. Nothing more can be read from it but what [`Transport::drain`]
    /// throws away.
    Wrong(Violation),
}

impl Transport {
    pub(crate) fn framing(&self) -> Framing {
        match self {
            Self::WebSocket(_) => Framing::Messages,
            _ => Framing::Document,
        }
    }

    /// Appends what comes next to `input`. Nothing is lost if it is dropped before it returns.
    pub(crate) async fn read(&mut self, input: &mut Vec<u8>) -> io::Result<Read> {
        poll_fn(|context| match self {
            Self::Tcp(stream) => poll_bytes(stream, context, input),
            Self::Tls(stream) => poll_bytes(stream.as_mut(), context, input),
            Self::WebSocket(socket) => poll_message(socket, context, input),
            Self::None => Poll::Ready(Ok(Read::End)),
        })
        .await
    }

    /// Writes `text`, whose messages end at `ends` (of WebSocket only).
    pub(crate) async fn write(&mut self, text: &str, ends: &[usize]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.write_all(text.as_bytes()).await,
            Self::Tls(stream) => {
                stream.write_all(text.as_bytes()).await?;
                stream.flush().await
            }
            Self::WebSocket(socket) => {
                let mut from = 0;
                for end in ends {
                    let message = text.get(from..*end).unwrap_or_default();
                    from = *end;
                    feed_text(socket, message).await?;
                }
                poll_fn(|context| Pin::new(&mut **socket).poll_flush(context)).await.map_err(io::Error::other)
            }
            Self::None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Waits until something has come, of TCP only.
    pub(crate) async fn readable(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.readable().await,
            _ => Ok(()),
        }
    }

    /// Reads what is of no interest any more, without a look at it. How many bytes; 0 at the end.
    pub(crate) async fn drain(&mut self) -> io::Result<usize> {
        let mut bin = Vec::new();
        let read = poll_fn(|context| match self {
            Self::Tcp(stream) => poll_bytes(stream, context, &mut bin),
            Self::Tls(stream) => poll_bytes(stream.as_mut(), context, &mut bin),
            Self::WebSocket(socket) => poll_bytes(socket.get_mut().below(), context, &mut bin),
            Self::None => Poll::Ready(Ok(Read::End)),
        });
        read.await.map(|_| bin.len())
    }

    /// How long a message may be from now on, of WebSocket only: elsewhere stanzas are measured as they are read.
    pub(crate) fn set_longest(&mut self, bytes: usize) {
        if let Self::WebSocket(socket) = self {
            socket.get_mut().set_longest(bytes);
        }
    }

    /// Bytes that were read, or are about to be, and have not been given out.
    pub(crate) fn held(&self) -> usize {
        match self {
            // In the buffer of the library and in its message.
            Self::WebSocket(socket) => socket.get_ref().incomplete().saturating_mul(2),
            _ => 0,
        }
    }

    /// Tells the other side that nothing more comes: `close_notify` and FIN, or a close frame with `code`.
    pub(crate) async fn shutdown(&mut self, code: CloseCode) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown().await,
            Self::Tls(stream) => stream.shutdown().await,
            Self::WebSocket(socket) => {
                feed(socket, Message::Close(Some(CloseFrame { code, reason: "".into() }))).await?;
                poll_fn(|context| Pin::new(&mut **socket).poll_flush(context)).await.map_err(io::Error::other)
            }
            Self::None => Ok(()),
        }
    }

    /// TLS from here on, for a connection without it.
    pub(crate) async fn start_tls(&mut self, acceptor: &TlsAcceptor) -> io::Result<()> {
        match std::mem::replace(self, Self::None) {
            Self::Tcp(stream) => {
                *self = Self::Tls(Box::new(acceptor.accept(stream).await?));
                Ok(())
            }
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Key material both sides know and nobody between (RFC 9266); only TLS 1.3 makes it unique to the connection.
    pub(crate) fn exporter(&self) -> Option<[u8; 32]> {
        let Self::Tls(stream) = self else { return None };
        let (_, connection) = stream.get_ref();
        if connection.protocol_version() != Some(tokio_rustls::rustls::ProtocolVersion::TLSv1_3) {
            return None;
        }
        connection.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", None).ok()
    }
}

async fn feed_text(socket: &mut WebSocket, text: &str) -> io::Result<()> {
    if text.len() <= FRAME {
        return feed(socket, Message::text(text)).await;
    }
    let mut kind = Data::Text;
    let mut pieces = text.as_bytes().chunks(FRAME).peekable();
    while let Some(piece) = pieces.next() {
        let last = pieces.peek().is_none();
        let frame = Frame::message(Bytes::copy_from_slice(piece), OpCode::Data(kind), last);
        feed(socket, Message::Frame(frame)).await?;
        kind = Data::Continue;
    }
    Ok(())
}

async fn feed(socket: &mut WebSocket, message: Message) -> io::Result<()> {
    poll_fn(|context| Pin::new(&mut *socket).poll_ready(context)).await.map_err(io::Error::other)?;
    Pin::new(&mut *socket).start_send(message).map_err(io::Error::other)
}

fn poll_bytes<S>(stream: &mut S, context: &mut Context<'_>, input: &mut Vec<u8>) -> Poll<io::Result<Read>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut bytes = [0; READ];
    let mut buffer = ReadBuf::new(&mut bytes);
    ready!(Pin::new(stream).poll_read(context, &mut buffer))?;
    let read = buffer.filled();
    input.extend_from_slice(read);
    Poll::Ready(Ok(if read.is_empty() { Read::End } else { Read::Some(read.len()) }))
}

fn poll_message(socket: &mut WebSocket, context: &mut Context<'_>, input: &mut Vec<u8>) -> Poll<io::Result<Read>> {
    loop {
        // Pings are answered by the library. What waits to be written, such as a pong, is written before more is read: who
        // does not read is not read from.
        ready!(Pin::new(&mut *socket).poll_flush(context)).map_err(io::Error::other)?;
        let message = match ready!(Pin::new(&mut *socket).poll_next(context)) {
            None => return Poll::Ready(Ok(Read::End)),
            Some(Ok(message)) => message,
            Some(Err(error)) => {
                let violation = match socket.get_ref().exceeded() {
                    Some(most) => Ok(Violation::too_long(most)),
                    None => Violation::of(error, socket.get_config()),
                };
                return Poll::Ready(violation.map(Read::Wrong));
            }
        };
        match message {
            Message::Text(text) => {
                let text: Bytes = text.into();
                input.extend_from_slice(&text);
                return Poll::Ready(Ok(Read::Some(text.len())));
            }
            Message::Binary(_) => return Poll::Ready(Ok(Read::Wrong(Violation::not_text()))),
            // The library answers the first before it says that this was the end, and the next at the beginning of the loop.
            Message::Close(_) | Message::Frame(_) | Message::Ping(_) | Message::Pong(_) => {}
        }
    }
}
