//! A client that sends one request per connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use super::program::TIMEOUT;

/// A response.
#[derive(Debug)]
pub(crate) struct Response {
    /// The status.
    pub(crate) status: u16,
    /// Status line and headers as they came.
    pub(crate) head: String,
    /// The body as text.
    pub(crate) body: String,
}

impl Response {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Sends a request; `headers` are complete lines without their line breaks.
pub(crate) fn request(to: SocketAddr, method: &str, path: &str, headers: &[&str], body: &str) -> Response {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    exchange(&mut stream, method, path, headers, body)
}

/// The same over a connection that is there already, which the server is asked to close.
pub(crate) fn exchange(
    stream: &mut (impl Read + Write),
    method: &str,
    path: &str,
    headers: &[&str],
    body: &str,
) -> Response {
    let mut message = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
    for header in headers {
        message += &format!("{header}\r\n");
    }
    message += &format!("content-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(message.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no response: {text:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    assert!(!head.to_ascii_lowercase().contains("transfer-encoding"), "this client reads no chunks: {head}");
    Response { status, head: head.to_owned(), body: body.to_owned() }
}

/// Asks for a refresh of these users.
pub(crate) fn refresh(host: SocketAddr, users: &[&str]) -> Response {
    request(host, "POST", "/roster_admin/refresh", &[], &serde_json::to_string(users).unwrap())
}

/// Tells the host that `user` has connected; the roster has to be there.
pub(crate) fn connect(admin: SocketAddr, user: &str) {
    let response = request(admin, "PUT", &format!("/sessions/{user}"), &[], "");
    assert_eq!(response.status, 200, "{user}: {response:?}");
}
