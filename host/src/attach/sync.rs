//! All users of a node at once: who is there, and what has changed meanwhile.
//!
//! Everybody is noted first, so that nothing is missed; then a task asks for the rosters, those in memory at once and a few of
//! the others at a time, for all syncs together. It goes on only as fast as the node reads.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::node::{Arrival, Node};
use super::refusal::Refusal;
use super::serving::{RequestingNode, Serving};
use super::write::{Failed, Roster, json as written};
use crate::http::answers::json;
use crate::http::body;
use crate::model::Username;
use crate::rosters::{LoadedRoster, RosterError};

/// How long the list may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);
/// Users noted between two chances for other tasks to run.
const AT_ONCE: usize = 256;
/// Rosters that wait to be written.
const AHEAD: usize = 16;
/// Users that are looked up side by side.
const SIDE_BY_SIDE: usize = 64;

/// A user of the list.
#[derive(Deserialize)]
struct Named {
    user: String,
    #[serde(default)]
    version: Option<u64>,
}

/// `POST .../sync`
pub(super) async fn sync(
    State(serving): State<Arc<Serving>>,
    RequestingNode(node): RequestingNode,
    request: Request,
) -> Result<Response, Refusal> {
    // Before the list is read: whoever comes meanwhile is not on it.
    let number = node.begin_sync();
    let named = {
        let body = body::read(request, &serving.sync_body, Instant::now() + BODY_TIMEOUT).await?;
        let list: Vec<Named> = serde_json::from_slice(&body.bytes).map_err(|error| {
            Refusal::BadRequest(format!("the body is no list of {{\"user\": \"...\", \"version\": 1}}: {error}"))
        })?;
        list
    };
    if named.len() > node.max_users {
        return Err(Refusal::SyncTooLong { named: named.len(), limit: node.max_users });
    }
    node.accept_sync();
    let (lines, read) = mpsc::channel(AHEAD);
    tokio::spawn(Task { node, number, lines, stop: serving.stop.clone() }.run(named));
    let lines = ReceiverStream::new(read).map(|line: Line| Ok::<Bytes, Infallible>(line.write()));
    let response = json::with_header(Response::new(Body::from_stream(lines)), CONTENT_TYPE, "application/x-ndjson");
    Ok(json::with_header(response, CACHE_CONTROL, "no-store"))
}

/// One line of the answer. Written when it is sent: until then it shares the roster.
enum Line {
    Roster(Username, LoadedRoster, u64),
    Failed { user: String, error: String, retry: bool },
    Done { same: usize, sent: usize, failed: usize, seq: u64, epoch: Arc<str> },
}

impl Line {
    fn write(&self) -> Bytes {
        let mut line = match self {
            Self::Roster(user, found, seq) => written(&Roster::new(user.as_str(), found, Some(*seq))),
            Self::Failed { user, error, retry } => written(&Failed { user, error, retry: *retry }),
            Self::Done { same, sent, failed, seq, epoch } => written(&json!({
                "done": true, "same": same, "sent": sent, "failed": failed, "seq": seq, "epoch": **epoch,
            })),
        };
        line.push(b'\n');
        line.into()
    }
}

struct Task {
    node: Arc<Node>,
    number: u64,
    lines: mpsc::Sender<Line>,
    stop: CancellationToken,
}

#[derive(Default)]
struct Counts {
    same: AtomicUsize,
    sent: AtomicUsize,
    failed: AtomicUsize,
}

impl Task {
    async fn run(self, named: Vec<Named>) {
        let (counts, total) = (Counts::default(), named.len());
        let Some(arrivals) = self.note(named, &counts).await else { return };
        self.node.leave_unnamed(self.number).await;
        // Whatever was told up to here is in the rosters that follow.
        let seq = self.node.standing().seq;
        // As many as all syncs may ask for, each in this task: one that waits for the reader holds no turn.
        stream::iter(arrivals)
            .for_each_concurrent(SIDE_BY_SIDE, async |(arrival, version)| {
                let Some(line) = self.one(arrival, version, &counts).await else { return };
                // Nobody reads any more: those that are left end at once.
                let _ = self.lines.send(line).await;
            })
            .await;
        if self.is_over() {
            return;
        }
        let [same, sent, failed] = [&counts.same, &counts.sent, &counts.failed].map(|of| of.load(Ordering::Relaxed));
        info!(node = %self.node.name, users = total, same, sent, failed, "the node has synchronised");
        let epoch = self.node.epoch();
        let _ = self.lines.send(Line::Done { same, sent, failed, seq, epoch }).await;
    }

    /// Everybody is there from now on. None: a newer sync has begun, or nobody reads.
    async fn note(&self, named: Vec<Named>, counts: &Counts) -> Option<Vec<(Arrival, Option<u64>)>> {
        let mut arrivals = HashMap::with_capacity(named.len());
        for (index, Named { user, version }) in named.into_iter().enumerate() {
            if index % AT_ONCE == AT_ONCE - 1 {
                tokio::task::yield_now().await;
            }
            if self.is_over() {
                return None;
            }
            let refusal = match Username::new(&user) {
                // The last one counts.
                Ok(name) => match self.node.arrive(&name) {
                    Ok(arrival) => {
                        arrivals.insert(name, (arrival, version));
                        continue;
                    }
                    Err(error) => Refusal::of_arrival(error, self.node.max_users),
                },
                Err(error) => error.into(),
            };
            counts.failed.fetch_add(1, Ordering::Relaxed);
            self.lines.send(Line::Failed { user, error: refusal.to_string(), retry: false }).await.ok()?;
        }
        Some(arrivals.into_values().collect())
    }

    fn is_over(&self) -> bool {
        self.stop.is_cancelled() || self.lines.is_closed() || !self.node.is_last_sync(self.number)
    }

    /// What there is to say of one user; `None` if there is nothing.
    async fn one(&self, arrival: Arrival, version: Option<u64>, counts: &Counts) -> Option<Line> {
        if self.is_over() {
            return None;
        }
        let user = arrival.user.clone();
        let found = {
            // The semaphore is never closed.
            let _turn = match arrival.is_in_memory() {
                true => None,
                false => self.node.sync_turns.acquire().await.ok(),
            };
            if self.is_over() {
                return None;
            }
            tokio::select! {
                found = arrival.roster() => found,
                () = self.lines.closed() => return None,
                () = self.stop.cancelled() => return None,
            }
        };
        let (count, line) = match found {
            Ok((found, _)) if found.stale.is_none() && Some(found.snapshot.content_version()) == version => {
                (&counts.same, None)
            }
            Ok((found, seq)) => (&counts.sent, Some(Line::Roster(user, found, seq))),
            Err(error) => {
                let retry = !matches!(error, RosterError::Left | RosterError::TooManySessions { .. });
                let line = Line::Failed { user: user.as_str().to_owned(), error: error.to_string(), retry };
                (&counts.failed, Some(line))
            }
        };
        count.fetch_add(1, Ordering::Relaxed);
        line
    }
}
