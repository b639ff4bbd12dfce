//! What changes for a node, as server-sent events, and its word that it has passed it on.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::Response;
use bytes::Bytes;
use futures::stream;
use http::StatusCode;
use http::header::{HeaderMap, HeaderName, USER_AGENT};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::node::{Node, news_or};
use super::refusal::Refusal;
use super::ring::BadAck;
use super::serving::{RequestingNode, Serving};
use super::state::Step;
use super::write;
use crate::http::answers::sse::{self, LAST_EVENT_ID};
use crate::http::body;

/// The longest text of others that is kept for the operator.
const LONGEST_SHOWN: usize = 128;
/// How long a small body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// `GET .../events`
pub(super) async fn follow(
    State(serving): State<Arc<Serving>>,
    RequestingNode(node): RequestingNode,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Response {
    let text = |name: &HeaderName| {
        let value = headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
        value.map(|value| value.chars().take(LONGEST_SHOWN).collect::<String>()).filter(|value| !value.is_empty())
    };
    let (last, agent) = (text(&LAST_EVENT_ID), text(&USER_AGENT).unwrap_or_default());
    let (number, news, seq, replaced) = node.open_stream(last.as_deref(), peer.to_string(), agent.clone());
    let name = &node.name;
    if replaced {
        warn!(node = %name, %peer, agent, "another event stream of this node was opened, and the one before ends: do two servers have its name?");
    } else {
        info!(node = %name, %peer, agent, last, "a node is there");
    }
    let hello = write::event("hello", &json!({ "epoch": *node.epoch(), "seq": seq }));
    let open = Open { node, number, news, hello: Some(hello), stop: serving.stop.clone(), ended: false };
    let body = Body::from_stream(stream::unfold(open, |mut open| async {
        let bytes = open.next().await?;
        Some((Ok::<Bytes, std::convert::Infallible>(bytes), open))
    }));
    sse::answer(body)
}

/// A stream that is open.
struct Open {
    node: Arc<Node>,
    number: u64,
    news: watch::Receiver<()>,
    hello: Option<Bytes>,
    stop: CancellationToken,
    ended: bool,
}

impl Open {
    async fn next(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        if let Some(hello) = self.hello.take() {
            return Some(hello);
        }
        let silent = Instant::now() + self.node.keepalive;
        loop {
            // What happens from here on is news.
            self.news.borrow_and_update();
            match self.node.next(self.number) {
                Step::Event(event) => return Some(event),
                Step::Resync(reason) => {
                    warn!(node = %self.node.name, reason, "the node has to sync");
                    return Some(write::event("resync", &json!({ "reason": reason })));
                }
                Step::Replaced => {
                    self.ended = true;
                    return Some(write::event("replaced", &json!({})));
                }
                Step::Wait if Instant::now() >= silent => return Some(write::COMMENT),
                Step::Wait => {}
            }
            tokio::select! {
                () = news_or(&mut self.news, silent) => {}
                () = self.stop.cancelled() => return None,
            }
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if self.node.close_stream(self.number) {
            let (node, lease) = (&self.node.name, self.node.lease);
            warn!(%node, ?lease, "the event stream of the node has ended; without another within the lease its users are gone");
        }
    }
}

/// The body of an acknowledgement.
#[derive(Deserialize)]
struct Ack {
    epoch: String,
    seq: u64,
}

/// `POST .../ack`
pub(super) async fn ack(
    State(serving): State<Arc<Serving>>,
    RequestingNode(node): RequestingNode,
    request: Request,
) -> Result<StatusCode, Refusal> {
    let body = body::read(request, &serving.small_body, Instant::now() + BODY_TIMEOUT).await?;
    let ack: Ack = serde_json::from_slice(&body.bytes)
        .map_err(|error| Refusal::BadRequest(format!("the body is no {{\"epoch\": \"...\", \"seq\": 1}}: {error}")))?;
    match node.ack(&ack.epoch, ack.seq) {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(BadAck::Epoch) => Err(Refusal::Epoch),
        Err(BadAck::Future) => Err(Refusal::Future(ack.seq)),
    }
}
