//! A plugin that does as the test says.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::Semaphore;

use crate::model::{Change, Contact, Snapshot, Subscription, Username};
use crate::plugin::{BadRequest, CallError, Delta, FetchError, FetchedRoster, Outcome, Refreshed, Reply, RosterPlugin};

/// Users by name: `failing` never has a roster, `hanging` and `hanging2` wait for [`Scripted::release`] when they are
/// refreshed, `large` changes by [`LARGE`] bytes, everybody else has one contact whose name changes with every refresh. A body `!trap`, `!timeout`, `!cpu`,
/// `!busy` is that error, `!hang` never returns; else it is a JSON array of usernames.
pub(super) struct Scripted {
    /// Users that were fetched or refreshed, in order.
    pub(super) asked: Mutex<Vec<String>>,
    /// What the summary is, if not what it should be.
    pub(super) answer: Mutex<Option<Reply>>,
    hanging: Semaphore,
}

impl Default for Scripted {
    fn default() -> Self {
        Self { asked: Mutex::default(), answer: Mutex::default(), hanging: Semaphore::new(0) }
    }
}

impl Scripted {
    /// Lets one hanging refresh go on.
    pub(super) fn release(&self) {
        self.hanging.add_permits(1);
    }

    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().clone()
    }

    /// Waits until `count` users have been asked for.
    pub(super) async fn asked_for(&self, count: usize) {
        while self.asked.lock().len() < count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn ask(&self, user: &Username) -> Result<usize, CallError> {
        let mut asked = self.asked.lock();
        asked.push(user.to_string());
        if user.as_str() == "failing" { Err(FetchError::Status(500).into()) } else { Ok(asked.len()) }
    }
}

/// More than is between the host and a client that does not read.
pub(super) const LARGE: usize = 48 << 20;

fn contact(turn: usize) -> Contact {
    Contact {
        jid: "marie@example.com".into(),
        name: Some(format!("Marie {turn}")),
        subscription: Subscription::Both,
        ask: false,
        groups: vec!["Work".into()],
    }
}

#[async_trait]
impl RosterPlugin for Scripted {
    async fn fetch(&self, user: &Username) -> Result<FetchedRoster, CallError> {
        let turn = self.ask(user)?;
        Ok(FetchedRoster { contacts: vec![contact(turn)], tag: Some(vec![0x0a, 0xff].into()), warnings: Vec::new() })
    }

    async fn changed_users(&self, body: Bytes) -> Result<Result<Vec<String>, BadRequest>, CallError> {
        let (hook, limit) = ("changed-users", Duration::from_secs(1));
        match &*body {
            b"!trap" => Err(CallError::Trap { hook, reason: "unreachable".into() }),
            b"!timeout" => Err(CallError::TimedOut { hook, limit }),
            b"!cpu" => Err(CallError::CpuTime { hook, limit }),
            b"!busy" => Err(CallError::Busy { limit }),
            b"!panic" => panic!("as the test says"),
            b"!hang" => std::future::pending().await,
            body => Ok(serde_json::from_slice(body).map_err(|error| BadRequest { message: error.to_string() })),
        }
    }

    async fn refresh(&self, user: &Username, _: Arc<Snapshot>) -> Result<Refreshed, CallError> {
        let turn = self.ask(user)?;
        if user.as_str().starts_with("hanging") {
            self.hanging.acquire().await.unwrap().forget();
        }
        let mut changed = contact(turn);
        if user.as_str() == "large" {
            changed.name = Some("x".repeat(LARGE));
            changed.jid = format!("{turn}@example.com");
        }
        Ok(Refreshed::Changed(Delta { changes: vec![Change::Put(changed)], tag: None, warnings: Vec::new() }))
    }

    async fn summary(&self, outcome: Outcome) -> Result<Reply, CallError> {
        if let Some(answer) = self.answer.lock().clone() {
            return Ok(answer);
        }
        let (status, body) = match outcome {
            Outcome::Batch { updated, errors, .. } => {
                (200, json!({ "status": "ok", "updated": updated, "errors": errors }))
            }
            Outcome::Single(true) => (200, json!({ "status": "ok" })),
            Outcome::Single(false) => (500, json!({ "status": "error" })),
            Outcome::Refused(BadRequest { message }) => {
                (400, json!({ "status": "error", "message": message, "updated": 0, "errors": 0 }))
            }
        };
        Ok(Reply { status, content_type: "application/json".into(), body: body.to_string().into_bytes() })
    }
}
