//! A server of other make that is attached to a host, and does what a test tells it to.

use std::net::SocketAddr;
use std::time::Duration;

use roster_host::config::{AttachConfig, Config, NodeConfig, Secret};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::{self, Response};
use crate::host::{DOMAIN, TestHost, config};
use crate::web_app::WebApp;

/// Longer than anything takes on a busy machine.
const LONG: Duration = Duration::from_secs(30);

/// A host for `app` with nodes `a` and `b`, whose tokens are `token-a` and `token-b`.
pub fn with_nodes(app: &WebApp, change: impl FnOnce(&mut Config, &mut AttachConfig)) -> Config {
    let node = |name: &str| NodeConfig {
        name: name.to_owned(),
        domain: DOMAIN.to_owned(),
        token: Secret::new(format!("token-{name}")),
    };
    let mut attach = AttachConfig {
        listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
        ack_timeout: Duration::from_secs(20),
        nodes: vec![node("a"), node("b")],
        ..AttachConfig::default()
    };
    let mut config = config(app);
    change(&mut config, &mut attach);
    config.attach = Some(attach);
    config
}

/// One node of a host.
#[derive(Clone, Debug)]
pub struct Node {
    /// The listener.
    pub at: SocketAddr,
    name: String,
    token: String,
}

impl Node {
    /// The node `name` of `host`.
    pub fn of(host: &TestHost, name: &str) -> Self {
        Self { at: host.attach.unwrap(), name: name.to_owned(), token: format!("Bearer token-{name}") }
    }

    /// The same with another token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    /// The path of `what`.
    pub fn path(&self, what: &str) -> String {
        format!("/attach/v1/{}{what}", self.name)
    }

    /// Any request, `what` beginning after the node.
    pub async fn ask(&self, method: &str, what: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Response {
        let headers = [&[("authorization", self.token.as_str())], headers].concat();
        client::request(self.at, method, &self.path(what), &headers, body.as_ref()).await
    }

    /// The first resource of `user` has come.
    pub async fn put(&self, user: &str) -> Response {
        self.ask("PUT", &format!("/users/{user}"), &[], "").await
    }

    /// The same, which has to go well; the roster.
    pub async fn arrive(&self, user: &str) -> Value {
        let response = self.put(user).await;
        assert_eq!(response.status, 200, "{user}: {}", response.text());
        response.json()
    }

    /// The last resource of `user` has left.
    pub async fn leave(&self, user: &str) {
        assert_eq!(self.ask("DELETE", &format!("/users/{user}"), &[], "").await.status, 204);
    }

    /// Everything up to `seq` has been passed on.
    pub async fn ack(&self, epoch: &str, seq: u64) -> Response {
        self.ask("POST", "/ack", &[], json!({ "epoch": epoch, "seq": seq }).to_string()).await
    }

    /// A sync with these users, by name and version; the lines of the answer.
    pub async fn sync(&self, users: &[(&str, Option<u64>)]) -> Vec<Value> {
        let list: Vec<_> = users.iter().map(|(user, version)| json!({ "user": user, "version": version })).collect();
        let response = self.ask("POST", "/sync", &[], json!(list).to_string()).await;
        assert_eq!(response.status, 200, "{}", response.text());
        assert_eq!(response.header("content-type"), Some("application/x-ndjson"));
        response.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Opens the event stream and reads the greeting.
    pub async fn follow(&self, last: Option<&str>) -> Events {
        let mut events = Events::open(TcpStream::connect(self.at).await.unwrap(), self, last).await;
        let hello = events.next().await;
        assert_eq!((hello.event.as_str(), hello.id), ("hello", None), "{:?}", hello.data);
        events.epoch = hello.data["epoch"].as_str().unwrap().to_owned();
        events.seq = hello.data["seq"].as_u64().unwrap();
        events
    }
}

/// An event stream that is open.
pub struct Events {
    stream: TcpStream,
    raw: Vec<u8>,
    text: String,
    /// That of the greeting.
    pub epoch: String,
    /// That of the greeting.
    pub seq: u64,
    /// Comments so far.
    pub comments: usize,
}

/// One event.
#[derive(Clone, Debug)]
pub struct Event {
    /// `id:`
    pub id: Option<String>,
    /// `event:`
    pub event: String,
    /// `data:`
    pub data: Value,
}

impl Events {
    async fn open(mut stream: TcpStream, node: &Node, last: Option<&str>) -> Self {
        let last = last.map(|last| format!("last-event-id: {last}\r\n")).unwrap_or_default();
        let head = format!(
            "GET {} HTTP/1.1\r\nhost: x\r\nuser-agent: Scripted/1.0\r\nauthorization: {}\r\n{last}\r\n",
            node.path("/events"),
            node.token
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let (epoch, seq) = (String::new(), 0);
        let mut events = Self { stream, raw: Vec::new(), text: String::new(), epoch, seq, comments: 0 };
        let end = loop {
            if let Some(end) = events.raw.windows(4).position(|four| four == b"\r\n\r\n") {
                break end;
            }
            assert!(events.read().await, "no answer: {:?}", String::from_utf8_lossy(&events.raw));
        };
        let head = String::from_utf8(events.raw.drain(..end + 4).collect()).unwrap();
        assert!(head.starts_with("HTTP/1.1 200") && head.contains("text/event-stream"), "{head}");
        events
    }

    async fn read(&mut self) -> bool {
        let mut buffer = vec![0; 64 << 10];
        let read = timeout(LONG, self.stream.read(&mut buffer)).await.expect("the stream says something");
        let read = read.unwrap_or_default();
        self.raw.extend_from_slice(&buffer[..read]);
        read > 0
    }

    /// Takes whole chunks out of the raw bytes. False: the last one has come.
    fn unchunk(&mut self) -> bool {
        while let Some(at) = self.raw.windows(2).position(|two| two == b"\r\n") {
            let size = usize::from_str_radix(std::str::from_utf8(&self.raw[..at]).unwrap(), 16).unwrap();
            if self.raw.len() < at + 2 + size + 2 {
                return true;
            }
            if size == 0 {
                return false;
            }
            self.text.push_str(std::str::from_utf8(&self.raw[at + 2..at + 2 + size]).unwrap());
            self.raw.drain(..at + 2 + size + 2);
        }
        true
    }

    /// What comes next; `None` if the stream has ended.
    pub async fn try_next(&mut self) -> Option<Event> {
        loop {
            while let Some(end) = self.text.find("\n\n") {
                let frame: String = self.text.drain(..end + 2).collect();
                if frame.starts_with(':') {
                    self.comments += 1;
                    continue;
                }
                let field = |name: &str| {
                    let lines = frame.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
                    let all: Vec<_> = lines.collect();
                    assert!(all.len() < 2, "{frame}");
                    all.first().map(|value| (*value).to_owned())
                };
                let data = serde_json::from_str(&field("data").unwrap()).unwrap();
                return Some(Event { id: field("id"), event: field("event").unwrap(), data });
            }
            let goes_on = self.unchunk();
            if self.text.contains("\n\n") {
                continue;
            }
            if !goes_on || !self.read().await {
                return None;
            }
        }
    }

    /// What comes next.
    pub async fn next(&mut self) -> Event {
        self.try_next().await.expect("the stream goes on")
    }

    /// The next event, which has to be of this kind.
    pub async fn expect(&mut self, event: &str) -> Value {
        let next = self.next().await;
        assert_eq!(next.event, event, "{:?}", next.data);
        if event == "changes" {
            assert_eq!(next.id.unwrap(), format!("{}-{}", self.epoch, next.data["seq"]));
        }
        next.data
    }

    /// Whether nothing has come for a while.
    pub async fn is_silent(&mut self) -> bool {
        timeout(Duration::from_millis(200), self.try_next()).await.is_err()
    }
}
