//! Sessions whose client may come back (XEP-0198 section 5).
//!
//! A resumable session is at every moment owned by one task: that of its connection, or, when the connection is lost, the
//! same task while it waits. Who wants to resume asks that task to hand the session over. So it makes no difference whether
//! the old connection is known to be dead.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use roster_model::Username;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::accounts::credentials::random;
use crate::domain::Domain;

/// How long the old owner may take. It waits for nothing but the network while it owns a session, and is told meanwhile.
const HAND_OVER: Duration = Duration::from_secs(10);

/// What is between an id and the name of its node: no id has it.
const NODE: char = '.';

/// The node at which there is, or was, a session with that id.
pub(crate) fn node_of(id: &str) -> Option<&str> {
    id.split_once(NODE).map(|(_, node)| node)
}

/// A request to the owner of a session.
pub(crate) type HandOver<S> = oneshot::Sender<Box<S>>;

/// All resumable sessions of an endpoint. `S` is a session.
pub(crate) struct Resumables<S> {
    sessions: Mutex<HashMap<String, Entry<S>>>,
    hibernating: AtomicUsize,
}

impl<S> Default for Resumables<S> {
    fn default() -> Self {
        Self { sessions: Mutex::default(), hibernating: AtomicUsize::new(0) }
    }
}

struct Entry<S> {
    domain: String,
    user: Username,
    owner: mpsc::Sender<HandOver<S>>,
}

/// That a session is among them, for as long as this lives.
pub(crate) struct Registration<S> {
    id: String,
    requests: mpsc::Receiver<HandOver<S>>,
    all: Arc<Resumables<S>>,
}

/// A session that waits for its client.
pub(crate) struct Hibernating<'a>(&'a AtomicUsize);

impl Drop for Hibernating<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<S> Resumables<S> {
    /// Registers a session of `user` under an id nobody can guess. Of a cluster, the id says at which node it is.
    pub(crate) fn register(self: &Arc<Self>, domain: &Domain, user: &Username) -> Registration<S> {
        let mut id = URL_SAFE_NO_PAD.encode(random::<18>());
        if let Some(node) = domain.node() {
            id.push(NODE);
            id.push_str(node);
        }
        let domain = domain.name();
        let (owner, requests) = mpsc::channel(1);
        self.sessions.lock().insert(id.clone(), Entry { domain: domain.to_owned(), user: user.clone(), owner });
        Registration { id, requests, all: Arc::clone(self) }
    }

    /// The session with that id, if it is one of this user's and its owner lets it go.
    pub(crate) async fn take(&self, id: &str, domain: &str, user: &Username) -> Option<Box<S>> {
        let owner = {
            let sessions = self.sessions.lock();
            let entry = sessions.get(id)?;
            if entry.domain != domain || entry.user != *user {
                return None;
            }
            entry.owner.clone()
        };
        let (sender, receiver) = oneshot::channel();
        timeout(HAND_OVER, async {
            owner.send(sender).await.ok()?;
            receiver.await.ok()
        })
        .await
        .ok()?
    }

    /// A session begins to wait for its client, if not too many do.
    pub(crate) fn hibernate(&self, most: usize) -> Option<Hibernating<'_>> {
        let counted = Hibernating(&self.hibernating);
        (self.hibernating.fetch_add(1, Ordering::Relaxed) < most).then_some(counted)
    }
}

impl<S> Registration<S> {
    /// Under which the client can resume.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Somebody wants the session.
    pub(crate) async fn request(&mut self) -> HandOver<S> {
        match self.requests.recv().await {
            Some(request) => request,
            // The other end is in the table as long as this one lives.
            None => std::future::pending().await,
        }
    }
}

impl<S> Drop for Registration<S> {
    fn drop(&mut self) {
        self.all.sessions.lock().remove(&self.id);
    }
}
