//! A user connected or left: how a server without rosters of its own drives the host.

use axum::response::Response;
use http::StatusCode;
use tokio::time::timeout;

use super::AdminError;
use super::rosters::show;
use super::target::Target;
use crate::http::LONGEST_FETCH;
use crate::rosters::SessionId;

/// The session's name where the request gives none.
const DEFAULT_RESOURCE: &str = "admin";

/// `PUT /sessions/{user}`: the user has connected; answers with the roster, from memory or from the application. If it
/// cannot be had the session stays all the same, and the next refresh fetches it.
pub(super) async fn connect(target: Target) -> Result<Response, AdminError> {
    let Target { rosters, user, params } = target;
    let session = params.session()?.unwrap_or_else(|| SessionId::new(DEFAULT_RESOURCE));
    let snapshot =
        timeout(LONGEST_FETCH, rosters.connect(&user, session)).await.map_err(|_| AdminError::NotInTime)??;
    let sessions = rosters.cached(&user).map(|cached| cached.sessions).unwrap_or_default();
    Ok(show(rosters.domain(), &user, &snapshot, &sessions))
}

/// `DELETE /sessions/{user}`: the session has left; without `?resource=`, all of them.
pub(super) async fn disconnect(target: Target) -> Result<StatusCode, AdminError> {
    let Target { rosters, user, params } = target;
    let left = match params.session()? {
        Some(session) => rosters.disconnect(&user, &session),
        None => rosters.disconnect_all(&user),
    };
    if left { Ok(StatusCode::NO_CONTENT) } else { Err(AdminError::NoSession(user)) }
}
