//! A web application that does as it is told, down to the bytes on the wire.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::paged::PageRequest;

/// What the application does when it is asked for a user's contacts.
#[derive(Clone, Debug)]
pub enum Reply {
    /// 200 with this body and a content length. In pages, if it is asked for like that: `paged`.
    Json(String),
    /// 200 with this body and this `ETag`; 304 when the request has it already.
    Tagged(String, String),
    /// This status with a small HTML body.
    Status(u16),
    /// 200, this body in chunks of 7 bytes.
    Chunked(String),
    /// 200, this body without a length; the connection is closed after it.
    CloseDelimited(String),
    /// These bytes as they are, then the connection is closed.
    Raw(Vec<u8>),
    /// A reset instead of an answer.
    Reset,
    /// Nothing, for ever.
    Hang,
    /// A head that promises more than comes, then nothing, for ever.
    HangInBody,
    /// A body that does not end.
    Endless,
    /// The reply after a while.
    Late(Duration, Box<Reply>),
}

impl Reply {
    /// 200 with these contacts, each with a name made of its JID.
    pub fn contacts(jids: &[&str]) -> Self {
        let entries: Vec<String> = jids.iter().map(|jid| format!(r#""{jid}":{{"name":"N {jid}"}}"#)).collect();
        Self::Json(format!("{{{}}}", entries.join(",")))
    }
}

/// A request the application has seen.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The target as it was on the wire.
    pub path: String,
    /// Header lines, names in lower case.
    pub headers: HashMap<String, String>,
    /// When it came.
    pub at: Instant,
}

/// A running application. Stops when dropped.
pub struct WebApp {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    replies: Mutex<HashMap<String, Reply>>,
    otherwise: Mutex<Option<Reply>>,
    seen: Mutex<Vec<Seen>>,
    busy: AtomicUsize,
    most_busy: AtomicUsize,
    connections: AtomicUsize,
}

impl WebApp {
    /// An application in which nobody has contacts.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let served = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                served.connections.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serve(stream, Arc::clone(&served)));
            }
        });
        Self { address, shared, task }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The setting `api_url` for it, of the plugin `paged-roster`.
    pub fn api_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The setting `http_roster_url` for it.
    pub fn roster_url(&self) -> String {
        format!("http://{}/contacts/%s", self.address)
    }

    /// What is answered for `user`, as the name is on the wire (percent-encoded), from now on.
    pub fn set(&self, user: &str, reply: Reply) {
        self.shared.replies.lock().insert(user.to_owned(), reply);
    }

    /// What is answered for everybody else.
    pub fn set_otherwise(&self, reply: Reply) {
        *self.shared.otherwise.lock() = Some(reply);
    }

    /// The requests for `user` so far.
    pub fn seen(&self, user: &str) -> Vec<Seen> {
        let path = format!("/contacts/{user}");
        self.shared.seen.lock().iter().filter(|seen| seen.path == path).cloned().collect()
    }

    /// All requests so far.
    pub fn all_seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().clone()
    }

    /// How many requests were being answered at once, at most.
    pub fn most_at_once(&self) -> usize {
        self.shared.most_busy.load(Ordering::Relaxed)
    }

    /// How many connections were opened.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// How many different users were asked for.
    pub fn users_seen(&self) -> usize {
        self.shared.seen.lock().iter().map(|seen| seen.path.clone()).collect::<HashSet<_>>().len()
    }
}

impl Drop for WebApp {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let mut buffer = Vec::new();
    while let Some(request) = read_head(&mut stream, &mut buffer).await {
        let page = PageRequest::of(&request.path);
        let user = page.as_ref().map_or_else(|| request.path.trim_start_matches("/contacts/"), |page| page.user);
        let reply = shared.replies.lock().get(user).cloned().or_else(|| shared.otherwise.lock().clone());
        let mut reply = reply.unwrap_or_else(|| Reply::Json("{}".into()));
        let mut if_none_match = request.headers.get("if-none-match").cloned();
        if let (Some(page), Reply::Json(object)) = (&page, &reply) {
            let (etag, body) = page.page(object);
            if_none_match = if_none_match.filter(|_| page.is_first());
            reply = Reply::Tagged(body, etag);
        }
        let count = {
            let mut seen = shared.seen.lock();
            seen.push(request);
            seen.len()
        };
        let busy = shared.busy.fetch_add(1, Ordering::Relaxed) + 1;
        shared.most_busy.fetch_max(busy, Ordering::Relaxed);
        let keep = write_reply(&mut stream, reply, if_none_match, count).await;
        shared.busy.fetch_sub(1, Ordering::Relaxed);
        if !keep {
            return;
        }
    }
}

async fn read_head(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Seen> {
    let end = loop {
        if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        let mut piece = [0; 4096];
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => buffer.extend_from_slice(&piece[..read]),
        }
    };
    let head = String::from_utf8(buffer.drain(..end).collect()).ok()?;
    let mut lines = head.split("\r\n");
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
    Some(Seen { path, headers, at: Instant::now() })
}

/// False: the connection is not to be used again. `count` is how many have been asked for, which makes each response another to
/// a plugin that reads it.
async fn write_reply(stream: &mut TcpStream, reply: Reply, if_none_match: Option<String>, count: usize) -> bool {
    let mut reply = reply;
    while let Reply::Late(delay, later) = reply {
        tokio::time::sleep(delay).await;
        reply = *later;
    }
    let head = |status: u16, fields: &str| format!("HTTP/1.1 {status} X\r\nx-count: {count}\r\n{fields}\r\n");
    let sized = |status: u16, more: &str, body: &str| {
        head(status, &format!("content-type: application/json\r\ncontent-length: {}\r\n{more}", body.len())) + body
    };
    let text = match reply {
        Reply::Json(body) => sized(200, "", &body),
        Reply::Tagged(_, tag) if if_none_match.as_ref() == Some(&tag) => head(304, &format!("etag: {tag}\r\n")),
        Reply::Tagged(body, tag) => sized(200, &format!("etag: {tag}\r\n"), &body),
        Reply::Status(status) => sized(status, "", "<html>no</html>"),
        Reply::Chunked(body) => {
            let mut text = head(200, "transfer-encoding: chunked\r\n");
            for piece in body.as_bytes().chunks(7) {
                text += &format!("{:x}\r\n{}\r\n", piece.len(), String::from_utf8_lossy(piece));
            }
            text + "0\r\n\r\n"
        }
        Reply::CloseDelimited(body) => {
            let _ = stream.write_all((head(200, "connection: close\r\n") + &body).as_bytes()).await;
            return false;
        }
        Reply::Raw(bytes) => {
            let _ = stream.write_all(&bytes).await;
            return false;
        }
        Reply::Reset => {
            // Closing with unread input or zero linger makes a reset.
            let _ = stream.set_zero_linger();
            return false;
        }
        Reply::Hang => return hang().await,
        Reply::HangInBody => {
            let _ = stream.write_all((head(200, "content-length: 1000\r\n") + "{").as_bytes()).await;
            return hang().await;
        }
        Reply::Endless => {
            let _ = stream.write_all((head(200, "") + "{\"a@x\":{").as_bytes()).await;
            let spaces = vec![b' '; 1 << 16];
            while stream.write_all(&spaces).await.is_ok() {}
            return false;
        }
        Reply::Late(..) => return false,
    };
    stream.write_all(text.as_bytes()).await.is_ok()
}

/// Longer than any test takes; the task ends with the test's runtime.
async fn hang() -> bool {
    tokio::time::sleep(Duration::from_secs(3600)).await;
    false
}
