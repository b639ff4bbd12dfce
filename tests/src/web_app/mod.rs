//! A web application that does as it is told, down to the bytes on the wire.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::{Map, Value};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub use self::many::Many;
use self::paged::PageRequest;

mod many;
mod paged;
mod wire;

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
    /// The users whom it asks for together, each with the validator that is held. `None`: it asks for one.
    pub many: Option<Map<String, Value>>,
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
    many: Mutex<Many>,
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

    /// The setting `http_roster_bulk_url` for it.
    pub fn bulk_url(&self) -> String {
        format!("http://{}/bulk", self.address)
    }

    /// How requests for many users are answered from now on.
    pub fn set_many(&self, many: Many) {
        *self.shared.many.lock() = many;
    }

    /// Whom it was asked for alone and together since this was called last, which forgets all requests.
    pub fn asked(&self) -> (Vec<String>, Vec<Map<String, Value>>) {
        let seen = std::mem::take(&mut *self.shared.seen.lock());
        let (together, alone): (Vec<_>, Vec<_>) = seen.into_iter().partition(|seen| seen.many.is_some());
        let alone = alone.iter().map(|seen| seen.path.trim_start_matches("/contacts/").to_owned()).collect();
        (alone, together.into_iter().filter_map(|seen| seen.many).collect())
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

impl Shared {
    /// What is answered for `user`.
    fn reply(&self, user: &str) -> Reply {
        let reply = self.replies.lock().get(user).cloned().or_else(|| self.otherwise.lock().clone());
        reply.unwrap_or_else(|| Reply::Json("{}".into()))
    }
}

async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let mut buffer = Vec::new();
    while let Some(request) = wire::read(&mut stream, &mut buffer).await {
        let page = PageRequest::of(&request.path);
        let user = page.as_ref().map_or_else(|| request.path.trim_start_matches("/contacts/"), |page| page.user);
        let mut reply = match &request.many {
            Some(users) => shared.many.lock().reply(users, |user| shared.reply(user)),
            None => shared.reply(user),
        };
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
        let keep = wire::write(&mut stream, reply, if_none_match, count).await;
        shared.busy.fetch_sub(1, Ordering::Relaxed);
        if !keep {
            return;
        }
    }
}
