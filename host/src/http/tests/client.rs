//! An HTTP/1.1 client that sends exactly what the test says.

use std::net::{Ipv4Addr, SocketAddr};

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::HANGS;

/// An answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    head: String,
    pub(super) body: String,
}

impl Reply {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    #[track_caller]
    pub(super) fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// A refusal of the refresh route: its status, JSON in the documented shape, and a message that contains `hint`.
    #[track_caller]
    pub(super) fn refuses(&self, status: u16, hint: &str) {
        let json = self.json();
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!((&json["status"], &json["updated"], &json["errors"]), (&"error".into(), &0.into(), &0.into()));
        assert!(json["message"].as_str().unwrap().contains(hint), "{json} does not mention {hint:?}");
    }
}

/// A connection.
pub(super) struct Client<IO = TcpStream> {
    pub(super) stream: IO,
    unread: Vec<u8>,
}

impl Client {
    pub(super) async fn open(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap())
    }

    /// As the client with the address 127.0.0.`number`.
    pub(super) async fn open_as(number: u8, address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::new(127, 0, 0, number), 0).into()).unwrap();
        Self::over(socket.connect(address).await.unwrap())
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Client<IO> {
    pub(super) fn over(stream: IO) -> Self {
        Self { stream, unread: Vec::new() }
    }

    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        timeout(HANGS, self.stream.write_all(bytes.as_ref())).await.expect("the host reads").unwrap();
    }

    /// Reads until `end`, which is included.
    pub(super) async fn until(&mut self, end: &str) -> String {
        loop {
            if let Some(at) = find(&self.unread, end.as_bytes()) {
                let rest = self.unread.split_off(at + end.len());
                return String::from_utf8(std::mem::replace(&mut self.unread, rest)).unwrap();
            }
            let read = timeout(HANGS, self.stream.read_buf(&mut self.unread)).await.expect("the host answers").unwrap();
            assert_ne!(read, 0, "closed before {end:?}: {:?}", String::from_utf8_lossy(&self.unread));
        }
    }

    /// The next answer, whose length has to be announced; `100 Continue` is passed over.
    pub(super) async fn reply(&mut self) -> Reply {
        self.reply_to("GET").await
    }

    pub(super) async fn reply_to(&mut self, method: &str) -> Reply {
        let head = loop {
            let head = self.until("\r\n\r\n").await;
            if !head.starts_with("HTTP/1.1 100") {
                break head;
            }
        };
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut reply = Reply { status, head, body: String::new() };
        if method == "HEAD" || status == 204 {
            return reply;
        }
        let length: usize = reply.header("content-length").expect("a length").parse().unwrap();
        while self.unread.len() < length {
            let read = timeout(HANGS, self.stream.read_buf(&mut self.unread)).await.expect("the host answers").unwrap();
            assert_ne!(read, 0, "closed within the body of {reply:?}");
        }
        let rest = self.unread.split_off(length);
        reply.body = String::from_utf8(std::mem::replace(&mut self.unread, rest)).unwrap();
        reply
    }

    /// A request with a body, if there is one, and its answer; the connection stays open.
    pub(super) async fn call(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        self.send(request(method, path, headers, body)).await;
        self.reply_to(method).await
    }

    /// Waits for the host to close the connection; returns what it still said.
    pub(super) async fn closed(&mut self) -> String {
        let mut rest = std::mem::take(&mut self.unread);
        // A reset is an end, too.
        let _ = timeout(HANGS, self.stream.read_to_end(&mut rest)).await.expect("the host closes the connection");
        String::from_utf8_lossy(&rest).into_owned()
    }
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

pub(super) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
    let mut text = format!("{method} {path} HTTP/1.1\r\n");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        text += "Host: localhost:5280\r\n";
    }
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() {
        text += &format!("Content-Length: {}\r\n", body.len());
    }
    text + "\r\n" + body
}

/// One request on a connection of its own.
pub(super) async fn call(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    Client::open(address).await.call(method, path, headers, body).await
}

pub(super) async fn get(address: SocketAddr, path: &str) -> Reply {
    call(address, "GET", path, &[], "").await
}

pub(super) async fn post(address: SocketAddr, body: &str) -> Reply {
    call(address, "POST", "/roster_admin/refresh", &[], body).await
}
