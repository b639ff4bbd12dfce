//! Who is connected, and what is known of one user: for the operator, and for the page in [`super::ui`].

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};

use super::rosters::{Shown, seconds};
use super::target::{Params, Target};
use super::{Admin, AdminError};
use crate::http::answers::json;
use crate::metrics::AppRequest;
use crate::rosters::{Online, Present, Via};

/// Users of one page, if the request does not say how many.
const PAGE: usize = 100;
/// The most that it may ask for.
const LARGEST_PAGE: usize = 1000;

/// `GET /sessions`: who is connected, in the order of their names, behind `?after=`, `?limit=` at most.
pub(super) async fn online(State(admin): State<Arc<Admin>>, params: Params) -> Result<Response, AdminError> {
    let rosters = params.host(&admin)?.unwrap_or(admin.hosts.default_host());
    let limit = match params.limit() {
        None => PAGE,
        Some(limit @ 1..=LARGEST_PAGE) => limit,
        Some(limit) => {
            return Err(AdminError::BadRequest(format!("limit is 1 to {LARGEST_PAGE} users, and not {limit}")));
        }
    };
    let (users, more) = rosters.online_after(params.after()?.as_ref(), limit);
    let next = users.last().filter(|_| more).map(|last| last.user.as_str().to_owned());
    let users: Vec<_> = users.iter().map(entry).collect();
    let answer = json!({ "domain": **rosters.domain(), "online": rosters.online(), "users": users, "next": next });
    Ok(json::answer(StatusCode::OK, &answer))
}

fn entry(online: &Online) -> Value {
    let roster = online.roster.as_ref().map(|roster| {
        json!({ "version": roster.version(), "age_seconds": seconds(roster.age()), "contacts": roster.contacts().len() })
    });
    json!({ "user": online.user.as_str(), "sessions": sessions(&online.sessions), "roster": roster })
}

#[derive(Serialize)]
struct Session<'a> {
    name: &'a str,
    via: Via,
    age_seconds: f64,
}

fn sessions(present: &[Present]) -> Vec<Session<'_>> {
    present
        .iter()
        .map(|one| Session { name: one.id.as_str(), via: one.id.via(), age_seconds: seconds(one.age) })
        .collect()
}

/// `GET /users/{user}`: sessions, roster, and what the application was asked for lately.
pub(super) async fn look_up(State(admin): State<Arc<Admin>>, target: Target) -> Result<Response, AdminError> {
    let Target { rosters, user, .. } = target;
    let requests = admin.metrics.activity().of(rosters.domain(), &user.clone().into());
    let known = rosters.look_up(&user);
    if known.is_none() && requests.is_empty() {
        return Err(AdminError::NothingKnown(user));
    }
    let (present, roster, failures) =
        known.map(|known| (known.sessions, known.roster, known.failures)).unwrap_or_default();
    let ids: Vec<_> = present.iter().map(|one| one.id.clone()).collect();
    let shown = roster.as_ref().map(|roster| Shown::of(rosters.domain(), &user, roster, &ids));
    let answer = LookedUp {
        domain: rosters.domain(),
        user: user.as_str(),
        sessions: sessions(&present),
        failures,
        roster: shown,
        requests: requests.iter().map(request).collect(),
    };
    Ok(json::answer(StatusCode::OK, &answer))
}

#[derive(Serialize)]
struct LookedUp<'a> {
    domain: &'a str,
    user: &'a str,
    sessions: Vec<Session<'a>>,
    /// Updates that failed one after another.
    failures: u32,
    /// Null if it is not here.
    roster: Option<Shown<'a>>,
    /// The latest first.
    requests: Vec<Value>,
}

fn request(asked: &AppRequest) -> Value {
    let (status, bytes, error) = asked.answer.parts();
    json!({
        "method": asked.method.as_ref().map(http::Method::as_str), "url": asked.url, "status": status, "bytes": bytes,
        "error": error, "milliseconds": asked.elapsed.map(|elapsed| seconds(elapsed * 1000)),
        "age_seconds": seconds(asked.at.elapsed()),
    })
}
