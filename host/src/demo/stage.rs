//! What happens, as it happens, for the demo's page: what the application tells the host, what the plugin does and asks for
//! on that, and what becomes of the rosters. Each is one JSON object.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::sync::broadcast;

use crate::metrics::{Happening, Metrics};
use crate::model::Change;
use crate::sinks::{EventKind, RosterEvent, RosterSink, Undelivered};

/// What a page may be behind by.
const BEHIND: usize = 512;
/// Contacts and changes that are shown of one roster.
const MOST_SHOWN: usize = 50;

/// Tells every page that is open.
pub struct Stage {
    pages: broadcast::Sender<Arc<str>>,
    posts: AtomicU64,
}

impl Stage {
    /// Nobody looks on yet.
    #[expect(clippy::new_without_default, reason = "there is one, and it is shared")]
    pub fn new() -> Self {
        Self { pages: broadcast::channel(BEHIND).0, posts: AtomicU64::new(1) }
    }

    /// What happens from now on, one JSON object each.
    pub(super) fn watch(&self) -> broadcast::Receiver<Arc<str>> {
        self.pages.subscribe()
    }

    fn show(&self, event: &Value) {
        // An error says that no page is open.
        let _ = self.pages.send(event.to_string().into());
    }

    /// The application tells the host that contacts of `users` have changed; the number of that. `canary`: only so that a new
    /// plugin has something to do.
    pub(super) fn posted(&self, users: &[String], canary: bool) -> u64 {
        let post = self.posts.fetch_add(1, Ordering::Relaxed);
        self.show(&json!({ "kind": "post", "post": post, "users": users, "canary": canary }));
        post
    }

    /// What the host has answered, if it has.
    pub(super) fn answered(&self, post: u64, answer: Option<(u16, String)>, elapsed: Duration) {
        let (status, body) = answer.unzip();
        self.show(
            &json!({ "kind": "answer", "post": post, "status": status, "body": body, "micros": micros(elapsed) }),
        );
    }

    /// The people, or their friendships, are others.
    pub(super) fn people_changed(&self) {
        self.show(&json!({ "kind": "people" }));
    }

    /// Shows what plugins do, too, from now on.
    pub fn follow(self: &Arc<Self>, metrics: &Metrics) {
        let stage = Arc::clone(self);
        metrics.activity().watch(Box::new(move |happening| stage.show(&of_happening(happening))));
    }
}

#[async_trait]
impl RosterSink for Stage {
    fn name(&self) -> &'static str {
        "page"
    }

    async fn deliver(&self, event: Arc<RosterEvent>) -> Result<(), Undelivered> {
        self.show(&of_event(&event));
        Ok(())
    }
}

fn of_event(event: &RosterEvent) -> Value {
    let user = event.user.as_str();
    match &event.kind {
        EventKind::Loaded(snapshot) => {
            json!({ "kind": "loaded", "user": user, "version": snapshot.version(), "contacts": snapshot.contacts().len() })
        }
        EventKind::Changed { snapshot, changes, .. } => {
            let changes: Vec<_> = changes.iter().take(MOST_SHOWN).map(of_change).collect();
            json!({ "kind": "changed", "user": user, "version": snapshot.version(), "changes": changes })
        }
        EventKind::Dropped { version } => json!({ "kind": "dropped", "user": user, "version": version }),
    }
}

fn of_change(change: &Change) -> Value {
    match change {
        Change::Put(contact) => json!({ "put": contact.jid, "name": contact.name }),
        Change::Remove(jid) => json!({ "remove": jid }),
    }
}

fn of_happening(happening: &Happening) -> Value {
    match happening {
        Happening::Called { hook, user, elapsed, ok } => {
            json!({ "kind": "call", "hook": hook, "user": user, "micros": micros(*elapsed), "ok": ok })
        }
        Happening::SameResponse { user } => json!({ "kind": "same", "user": user }),
        Happening::AppRequest { user, asked } => {
            let (status, bytes, error) = asked.answer.parts();
            json!({
                "kind": "get", "user": **user, "method": asked.method.as_ref().map(http::Method::as_str), "url": asked.url,
                "status": status, "bytes": bytes, "error": error, "micros": asked.elapsed.map(micros),
            })
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Instant;

    use super::*;
    use crate::metrics::{Answer, AppRequest};
    use crate::model::Username;

    #[test]
    fn what_happens_is_one_object_each() {
        let url = "http://127.0.0.1:5283/contacts/john".to_owned();
        let asked = |answer| Happening::AppRequest {
            user: "john".into(),
            asked: AppRequest {
                method: Some(http::Method::GET),
                url: url.clone(),
                answer,
                elapsed: Some(Duration::from_micros(412)),
                at: Instant::now(),
            },
        };
        let get = |status: Option<u16>, bytes: Option<usize>, error: Option<&str>| {
            json!({ "kind": "get", "user": "john", "method": "GET", "url": url, "status": status, "bytes": bytes,
                    "error": error, "micros": 412 })
        };
        let called = Happening::Called {
            hook: "make-request",
            user: "john".into(),
            elapsed: Duration::from_nanos(31_900),
            ok: true,
        };
        for (happening, shown) in [
            (called, json!({ "kind": "call", "hook": "make-request", "user": "john", "micros": 31, "ok": true })),
            (asked(Answer::Response { status: 200, bytes: 42 }), get(Some(200), Some(42), None)),
            (asked(Answer::Failed("connection refused".into())), get(None, None, Some("connection refused"))),
            (Happening::SameResponse { user: "john".into() }, json!({ "kind": "same", "user": "john" })),
        ] {
            assert_eq!(of_happening(&happening), shown);
        }
    }

    #[tokio::test]
    async fn every_page_that_is_open_is_told_and_what_came_before_it_is_not() {
        let stage = Stage::new();
        stage.people_changed();
        let (mut one, mut other) = (stage.watch(), stage.watch());
        assert_eq!(stage.posted(&["john".into()], false), 1);
        let user = Username::new("john").unwrap();
        let event = RosterEvent { domain: "localhost".into(), user, kind: EventKind::Dropped { version: 7 } };
        stage.deliver(Arc::new(event)).await.unwrap();
        for page in [&mut one, &mut other] {
            let told: Value = serde_json::from_str(&page.recv().await.unwrap()).unwrap();
            assert_eq!(told, json!({ "kind": "post", "post": 1, "users": ["john"], "canary": false }));
            let told: Value = serde_json::from_str(&page.recv().await.unwrap()).unwrap();
            assert_eq!(told, json!({ "kind": "dropped", "user": "john", "version": 7 }));
        }
    }
}
