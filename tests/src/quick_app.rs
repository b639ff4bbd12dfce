//! A web application for benchmarks: the same contacts for everybody, written once, served with two system calls a
//! request, so that what is measured is the host.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::RwLock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A running application. Stops when dropped.
pub struct QuickApp {
    address: SocketAddr,
    contacts: usize,
    response: Arc<RwLock<Arc<Answer>>>,
    task: JoinHandle<()>,
}

impl QuickApp {
    /// Everybody has this many contacts.
    pub async fn start(contacts: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let response = Arc::new(RwLock::new(response(contacts, 0)));
        let served = Arc::clone(&response);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&served)));
            }
        });
        Self { address, contacts, response, task }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same as the beginning of a URL.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Another version of everybody's roster: one contact has another name in each.
    pub fn set_version(&self, version: u64) {
        *self.response.write() = response(self.contacts, version);
    }
}

impl Drop for QuickApp {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Contacts as applications send them: a name, and a group for every third. Another `version` is another name of one.
pub fn roster(contacts: usize, version: u64) -> String {
    let entries: Vec<String> = (0..contacts)
        .map(|n| {
            let edition = if n == contacts / 2 { version } else { 0 };
            let groups = if n % 3 == 0 { r#","groups":{"Friends":true}"# } else { "" };
            format!(r#""contact{n}@example.com":{{"name":"Contact Number {n} {edition}"{groups}}}"#)
        })
        .collect();
    format!("{{{}}}", entries.join(","))
}

/// What is written for one user: with the head of a response, and without.
struct Answer {
    whole: Vec<u8>,
    roster: String,
}

fn response(contacts: usize, version: u64) -> Arc<Answer> {
    let roster = roster(contacts, version);
    Arc::new(Answer { whole: with_head(&roster), roster })
}

fn with_head(body: &str) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
    (head + body).into_bytes()
}

async fn serve(mut stream: TcpStream, response: Arc<RwLock<Arc<Answer>>>) {
    let _ = stream.set_nodelay(true);
    let mut request = Vec::with_capacity(4096);
    while stream.read_buf(&mut request).await.is_ok_and(|read| read > 0) {
        let answer = Arc::clone(&response.read());
        let many;
        let response = if request.ends_with(b"\r\n\r\n") {
            &answer.whole
        } else if request.starts_with(b"POST") && request.ends_with(b"}") {
            many = with_head(&for_many(&request, &answer.roster));
            &many
        } else {
            continue;
        };
        request.clear();
        if stream.write_all(response).await.is_err() {
            return;
        }
    }
}

/// The roster for everybody whom the request names. Names are plain, and nobody has a validator.
fn for_many(request: &[u8], roster: &str) -> String {
    let body = request.split(|byte| *byte == b'{').next_back().and_then(|body| std::str::from_utf8(body).ok()).unwrap();
    let users = body.trim_end_matches('}').split(',').filter_map(|member| member.split('"').nth(1));
    let mut answer = String::with_capacity(body.len() * (roster.len() + 20) / 15);
    for user in users {
        answer.push_str(if answer.is_empty() { "{\"" } else { ",\"" });
        answer.push_str(user);
        answer.push_str("\":");
        answer.push_str(roster);
    }
    answer + "}"
}
