//! What is cached.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use serde_json::json;
use tokio::time::Instant;

use super::target::{Params, Target};
use super::{Admin, AdminError};
use crate::http::answers::json;
use crate::model::{ContactRef, Snapshot, Username};
use crate::rosters::{Cached, SessionId};

/// `GET /rosters`: numbers only, however many rosters there are.
pub(super) async fn summary(State(admin): State<Arc<Admin>>) -> Response {
    let hosts: Vec<_> = admin
        .hosts
        .iter()
        .map(|rosters| {
            let usage = rosters.usage();
            json!({
                "domain": **rosters.domain(),
                "online": rosters.online(),
                "awaiting_retry": rosters.awaiting_retry(),
                "cached": usage.users,
                "bytes": usage.bytes,
            })
        })
        .collect();
    json::answer(StatusCode::OK, &json!({ "hosts": hosts }))
}

/// How long a refresh of many may keep a request waiting. What is not done by then goes on, and counts as an error here.
const REFRESH_TIMEOUT: Duration = Duration::from_secs(60);

/// `POST /rosters/refresh`: the application is asked for every roster, those of `?domain=`, or those of `?user=`. Answers with
/// numbers when it is done.
pub(super) async fn refresh(State(admin): State<Arc<Admin>>, params: Params) -> Result<Response, AdminError> {
    let deadline = Instant::now() + REFRESH_TIMEOUT;
    let user = params.user()?;
    let hosts = match params.host(&admin)? {
        Some(one) => vec![one],
        None => admin.hosts.iter().collect(),
    };
    let refresh = hosts.into_iter().map(async |rosters| {
        let (users, errors) = rosters.refresh_known(user.as_ref(), deadline).await?;
        Ok::<_, AdminError>(json!({ "domain": **rosters.domain(), "updated": users - errors, "errors": errors }))
    });
    let hosts = futures::future::try_join_all(refresh).await?;
    Ok(json::answer(StatusCode::OK, &json!({ "hosts": hosts })))
}

/// `GET /rosters/{user}`
pub(super) async fn cached(target: Target) -> Result<Response, AdminError> {
    let Some(Cached { snapshot, sessions }) = target.rosters.cached(&target.user) else {
        return Err(AdminError::NothingCached(target.user));
    };
    Ok(show(target.rosters.domain(), &target.user, &snapshot, &sessions))
}

/// A cached roster as JSON.
#[derive(Serialize)]
pub(super) struct Shown<'a> {
    domain: &'a str,
    user: &'a str,
    /// Grows with every change.
    version: u64,
    /// How long ago the application last said that this is its roster.
    age_seconds: f64,
    sessions: Vec<&'a str>,
    /// The plugin's validator, hexadecimal; null if it gave none.
    tag: Option<String>,
    contacts: Vec<ContactRef<'a>>,
}

impl<'a> Shown<'a> {
    pub(super) fn of(domain: &'a str, user: &'a Username, snapshot: &'a Snapshot, sessions: &'a [SessionId]) -> Self {
        Self {
            domain,
            user: user.as_str(),
            version: snapshot.version(),
            age_seconds: seconds(snapshot.age()),
            sessions: sessions.iter().map(SessionId::as_str).collect(),
            tag: validator(snapshot).map(hexadecimal),
            contacts: snapshot.contacts().iter().collect(),
        }
    }
}

pub(super) fn show(domain: &str, user: &Username, snapshot: &Snapshot, sessions: &[SessionId]) -> Response {
    json::answer(StatusCode::OK, &Shown::of(domain, user, snapshot, sessions))
}

/// To the millisecond.
pub(super) fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}

/// Empty it says no more than that the plugin has read the roster.
fn validator(snapshot: &Snapshot) -> Option<&[u8]> {
    snapshot.tag()?.validator.as_deref().filter(|validator| !validator.is_empty())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
