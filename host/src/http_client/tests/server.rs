//! A server that does what a test says, byte by byte.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// One request as it came in.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// Counted from 0.
    pub(super) connection: usize,
    /// Counted from 0, on this connection.
    pub(super) nth: usize,
    /// Request line and headers.
    pub(super) head: String,
}

impl Seen {
    /// The value of a header, `name` in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let line = self.head.lines().find(|line| line.to_lowercase().starts_with(&format!("{name}:")))?;
        line.split_once(':').map(|(_, value)| value.trim())
    }

    pub(super) fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }
}

/// What the server does about a request.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    /// Sends this and waits for the next request.
    Send(String),
    /// Sends this and closes.
    Last(String),
    /// Sends the first, and the second over and over with a pause in between.
    Endless(String, String, Duration),
    /// Sends this, then nothing.
    Hang(String),
    /// Closes without a word.
    Close,
    /// Closes with a TCP reset.
    Reset,
}

/// `200` with a body of known length.
pub(super) fn ok(body: &str) -> Reply {
    Reply::Send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
}

pub(super) fn redirect(status: u16, location: &str) -> Reply {
    Reply::Send(format!("HTTP/1.1 {status} Go\r\nLocation: {location}\r\nContent-Length: 4\r\n\r\ngone"))
}

type Script = dyn Fn(&Seen) -> Reply + Send + Sync;

struct Shared {
    script: Box<Script>,
    seen: Mutex<Vec<Seen>>,
    opened: AtomicUsize,
    closed: AtomicUsize,
}

/// See the module's documentation. Stops when dropped.
pub(super) struct Server {
    address: SocketAddr,
    https: bool,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(super) async fn start(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_with(None, script).await
    }

    /// Answers everything with `reply`.
    pub(super) async fn always(reply: Reply) -> Self {
        Self::start(move |_| reply.clone()).await
    }

    pub(super) async fn start_with(
        tls: Option<TlsAcceptor>,
        script: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            script: Box::new(script),
            seen: Mutex::default(),
            opened: AtomicUsize::new(0),
            closed: AtomicUsize::new(0),
        });
        let https = tls.is_some();
        let task = tokio::spawn(accept(listener, tls, Arc::clone(&shared)));
        Self { address, https, shared, task }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn origin(&self) -> String {
        self.named("127.0.0.1")
    }

    /// The origin under another host name.
    pub(super) fn named(&self, host: &str) -> String {
        format!("{}://{host}:{}", if self.https { "https" } else { "http" }, self.address.port())
    }

    pub(super) fn url(&self, path: &str) -> String {
        self.origin() + path
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// Connections accepted.
    pub(super) fn opened(&self) -> usize {
        self.shared.opened.load(SeqCst)
    }

    /// Connections whose end, from whichever side, the server has seen.
    pub(super) fn closed(&self) -> usize {
        self.shared.closed.load(SeqCst)
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (tls, shared) = (tls.clone(), Arc::clone(&shared));
        tokio::spawn(async move {
            let connection = shared.opened.fetch_add(1, SeqCst);
            match tls {
                None => serve(stream, connection, &shared).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                            serve_http2(stream, connection, &shared).await;
                        } else {
                            serve(stream, connection, &shared).await;
                        }
                    }
                }
            }
            shared.closed.fetch_add(1, SeqCst);
        });
    }
}

/// A stream that may be able to reset its connection.
trait Stream: AsyncRead + AsyncWrite + Unpin {
    fn reset(&self) {}
}

impl Stream for TcpStream {
    fn reset(&self) {
        self.set_zero_linger().unwrap();
    }
}

impl Stream for tokio_rustls::server::TlsStream<TcpStream> {}

async fn serve(mut stream: impl Stream, connection: usize, shared: &Shared) {
    for nth in 0.. {
        let Some(head) = read_request(&mut stream).await else { return };
        let seen = Seen { connection, nth, head };
        shared.seen.lock().unwrap().push(seen.clone());
        match (shared.script)(&seen) {
            Reply::Send(text) => {
                if stream.write_all(text.as_bytes()).await.is_err() {
                    return;
                }
            }
            Reply::Last(text) => {
                let _ = stream.write_all(text.as_bytes()).await;
                let _ = stream.shutdown().await;
                return;
            }
            Reply::Endless(head, piece, pause) => {
                let mut next = head;
                while stream.write_all(next.as_bytes()).await.is_ok() {
                    tokio::time::sleep(pause).await;
                    next = piece.clone();
                }
                return;
            }
            Reply::Hang(text) => {
                let _ = stream.write_all(text.as_bytes()).await;
                while stream.read_u8().await.is_ok() {}
                return;
            }
            Reply::Close => return,
            Reply::Reset => return stream.reset(),
        }
    }
}

/// Reads one request with its body; `None` at the end of the connection.
async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let seen = Seen { connection: 0, nth: 0, head: String::from_utf8(head).unwrap() };
    let length = seen.header("content-length").map_or(0, |length| length.parse().unwrap());
    stream.read_exact(&mut vec![0; length]).await.ok()?;
    Some(seen.head)
}

/// Answers with the body of the script's reply, which has to be a [`Reply::Send`]; anything else ends the connection.
async fn serve_http2(stream: tokio_rustls::server::TlsStream<TcpStream>, connection: usize, shared: &Arc<Shared>) {
    use http_body_util::Full;
    use hyper_util::rt::{TokioExecutor, TokioIo};

    let count = Arc::new(AtomicUsize::new(0));
    let (shared, counter) = (Arc::clone(shared), Arc::clone(&count));
    let service = hyper::service::service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let mut head = format!("{} {} HTTP/2\r\n", request.method(), request.uri());
        for (name, value) in request.headers() {
            head.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
        }
        let seen = Seen { connection, nth: counter.fetch_add(1, SeqCst), head };
        shared.seen.lock().unwrap().push(seen.clone());
        let reply = (shared.script)(&seen);
        async move {
            match reply {
                Reply::Send(text) => {
                    let body = text.split_once("\r\n\r\n").unwrap().1.to_owned();
                    Ok(http::Response::new(Full::new(bytes::Bytes::from(body))))
                }
                _ => Err("the script says so"),
            }
        }
    });
    let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
