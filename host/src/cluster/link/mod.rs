//! Requests from node to node, and their replies: numbers, deadlines, and who waits for what.

pub(in crate::cluster) mod message;
pub(in crate::cluster) mod pieces;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, timeout_at};
use tracing::debug;

use crate::cluster::engine::{Engine, EngineError};
use crate::cluster::member::{Member, NodeName};
use message::{Body, Message, PROTOCOL, Refused, Reply, Request};
use pieces::{Pieces, cut};

/// A request has not been answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::cluster) enum CallFailed {
    /// The other node says no.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// It cannot be sent.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// No reply in time.
    #[error("the node {0} did not answer in time")]
    TimedOut(NodeName),
    /// The node is not live any more.
    #[error("the node {0} is gone")]
    Gone(NodeName),
}

/// What is counted.
#[derive(Default)]
pub(in crate::cluster) struct Traffic {
    pub(in crate::cluster) sent: AtomicU64,
    pub(in crate::cluster) sent_bytes: AtomicU64,
    pub(in crate::cluster) received: AtomicU64,
}

/// How long to wait before a request is sent again. Whoever still works on it takes no notice, and to serve one twice does no harm.
const AGAIN: Duration = Duration::from_secs(1);

/// Whom a request was sent to, and who waits for the reply.
type Waiter = (NodeName, oneshot::Sender<Result<Reply, Refused>>);

/// The way to the other nodes.
pub(in crate::cluster) struct Link {
    pub(in crate::cluster) engine: Arc<dyn Engine>,
    waiting: Mutex<HashMap<u64, Waiter>>,
    next: AtomicU64,
    /// Requests of other nodes that are being served.
    serving: Mutex<HashSet<(Member, u64)>>,
    pieces: Mutex<Pieces>,
    pub(in crate::cluster) traffic: Traffic,
}

impl Link {
    /// `first`: a number above all that this node has used, in whichever life.
    pub(in crate::cluster) fn new(engine: Arc<dyn Engine>, first: u64) -> Self {
        Self {
            engine,
            waiting: Mutex::default(),
            next: AtomicU64::new(first),
            serving: Mutex::default(),
            pieces: Mutex::default(),
            traffic: Traffic::default(),
        }
    }

    /// Sends a message to one node, or to all.
    pub(in crate::cluster) async fn send(&self, to: Option<&NodeName>, message: &Message) -> Result<(), EngineError> {
        let Ok(text) = serde_json::to_vec(message) else { return Ok(()) };
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        for piece in cut(text.into(), message.from.incarnation, number) {
            self.traffic.sent.fetch_add(1, Ordering::Relaxed);
            self.traffic.sent_bytes.fetch_add(piece.len() as u64, Ordering::Relaxed);
            match to {
                Some(node) => self.engine.send(node, piece).await?,
                None => self.engine.send_all(piece).await?,
            }
        }
        Ok(())
    }

    /// What has arrived, if it is a whole message that can be read.
    pub(in crate::cluster) fn receive(&self, piece: Bytes) -> Option<Message> {
        self.traffic.received.fetch_add(1, Ordering::Relaxed);
        let whole = self.pieces.lock().take(piece)?;
        match serde_json::from_slice::<Message>(&whole) {
            Ok(message) if message::is_understood(message.v) => Some(message),
            Ok(message) => {
                debug!(node = %message.from.name, protocol = message.v, "a message of another release cannot be read");
                None
            }
            Err(error) => {
                debug!(%error, "a message of another node cannot be read");
                None
            }
        }
    }

    /// Asks `to`, and waits for the reply until `deadline`, or until `gone` says that the node is not live any more.
    pub(in crate::cluster) async fn call(
        &self,
        (me, view): (&Member, u64),
        to: &Member,
        request: Request,
        deadline: Instant,
        mut gone: watch::Receiver<u64>,
        is_gone: impl Fn(&Member) -> bool,
    ) -> Result<Reply, CallFailed> {
        let (sender, mut receiver) = oneshot::channel();
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.waiting.lock().insert(id, (to.name.clone(), sender));
        let _waiting = Waiting { link: self, id };
        let message = Message { v: PROTOCOL, from: me.clone(), view, body: Body::Request { id, request } };
        let answered = async {
            let mut again = tokio::time::interval(AGAIN);
            loop {
                if is_gone(to) {
                    return Err(CallFailed::Gone(to.name.clone()));
                }
                tokio::select! {
                    biased;
                    // It, or the reply, may have got lost.
                    _ = again.tick() => self.send(Some(&to.name), &message).await?,
                    reply = &mut receiver => return Ok(reply.map_err(|_| CallFailed::Gone(to.name.clone()))??),
                    changed = gone.changed() => if changed.is_err() {
                        return Err(CallFailed::Gone(to.name.clone()));
                    }
                }
            }
        };
        timeout_at(deadline, answered).await.unwrap_or_else(|_| Err(CallFailed::TimedOut(to.name.clone())))
    }

    /// A request has arrived. `None`: it is being served already.
    pub(in crate::cluster) fn serve(self: &Arc<Self>, from: &Member, id: u64) -> Option<Serving> {
        let key = (from.clone(), id);
        self.serving.lock().insert(key.clone()).then(|| Serving { link: Arc::clone(self), key })
    }

    /// A reply has arrived.
    pub(in crate::cluster) fn replied(&self, from: &NodeName, id: u64, reply: Result<Reply, Refused>) {
        let mut waiting = self.waiting.lock();
        if waiting.get(&id).is_some_and(|(node, _)| node == from)
            && let Some((_, sender)) = waiting.remove(&id)
        {
            // Whoever no longer waits needs no reply.
            let _ = sender.send(reply);
        }
    }
}

/// Somebody waits for a reply, until this is dropped.
struct Waiting<'a> {
    link: &'a Link,
    id: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.link.waiting.lock().remove(&self.id);
    }
}

/// A request of another node is being served, until this is dropped.
pub(in crate::cluster) struct Serving {
    link: Arc<Link>,
    key: (Member, u64),
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.link.serving.lock().remove(&self.key);
    }
}
