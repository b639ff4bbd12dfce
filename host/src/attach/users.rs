//! One user of a node comes, leaves, or has a roster.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::Query;
use axum::response::{IntoResponse, Response};
use http::HeaderName;
use http::StatusCode;
use http::header::{ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH};
use serde::Deserialize;
use tokio::time::timeout;

use super::refusal::Refusal;
use super::serving::{RequestedUser, RequestingNode};
use super::write::Roster;
use crate::http::LONGEST_FETCH;
use crate::http::answers::json;
use crate::model::Username;
use crate::rosters::{LoadedRoster, RosterError, Rosters, SessionId};

/// As the field `seq`, also where there is no body.
const ROSTER_SEQ: HeaderName = HeaderName::from_static("roster-seq");

/// `PUT .../users/{user}`: the first resource has come. On an error of the application the user stays, and the roster comes as
/// an event.
pub(super) async fn arrive(
    RequestingNode(node): RequestingNode,
    RequestedUser(user): RequestedUser,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let arrival = node.arrive(&user).map_err(|error| Refusal::of_arrival(error, node.max_users))?;
    let (found, seq) = timeout(LONGEST_FETCH, arrival.roster()).await.map_err(|_| Refusal::NotInTime)??;
    let mut response = answer(&user, &found, Some(seq), &headers);
    response.headers_mut().insert(ROSTER_SEQ, seq.into());
    Ok(response)
}

/// `DELETE .../users/{user}`: the last resource has left.
pub(super) async fn leave(RequestingNode(node): RequestingNode, RequestedUser(user): RequestedUser) -> StatusCode {
    node.leave(&user);
    StatusCode::NO_CONTENT
}

/// The query of a request for a roster.
#[derive(Default, Deserialize)]
pub(super) struct Params {
    fetch: Option<String>,
}

/// `GET .../rosters/{user}`: without a session; with `?fetch=1` from the application if it is not in memory.
pub(super) async fn roster(
    RequestingNode(node): RequestingNode,
    RequestedUser(user): RequestedUser,
    Query(params): Query<Params>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let rosters = node.rosters().ok_or(Refusal::Stopping)?;
    let found = match params.fetch.as_deref() {
        Some("1" | "true") => {
            timeout(LONGEST_FETCH, fetch(&rosters, &user)).await.map_err(|_| Refusal::NotInTime)??
        }
        _ => match rosters.cached(&user) {
            Some(cached) => LoadedRoster { snapshot: cached.snapshot, stale: None },
            None => return Err(Refusal::NothingCached(user)),
        },
    };
    Ok(answer(&user, &found, None, &headers))
}

/// The roster for a session that ends with the answer.
async fn fetch(rosters: &std::sync::Arc<Rosters>, user: &Username) -> Result<LoadedRoster, RosterError> {
    static NUMBERS: AtomicU64 = AtomicU64::new(1);
    struct Brief<'a>(&'a std::sync::Arc<Rosters>, &'a Username, SessionId);
    impl Drop for Brief<'_> {
        fn drop(&mut self) {
            self.0.disconnect(self.1, &self.2);
        }
    }
    let session = SessionId::new(&format!("attach-fetch/{}", NUMBERS.fetch_add(1, Ordering::Relaxed)));
    rosters.arrive(user, session.clone())?;
    let _brief = Brief(rosters, user, session);
    rosters.current(user).await
}

/// 200 with the roster, or 304.
fn answer(user: &Username, found: &LoadedRoster, seq: Option<u64>, headers: &HeaderMap) -> Response {
    let tag = format!("\"{}\"", found.snapshot.content_version());
    let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let same = known.flat_map(|list| list.split(',')).any(|one| one.trim().trim_start_matches("W/") == tag);
    let mut response = match same {
        // What is stale is said, so that it can be in the log.
        true if found.stale.is_none() => StatusCode::NOT_MODIFIED.into_response(),
        _ => json::answer(StatusCode::OK, &Roster::new(user.as_str(), found, seq)),
    };
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}
