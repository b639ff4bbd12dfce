//! A user connected or left: how a server without rosters of its own drives the host. And the operator ends sessions.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use tokio::time::timeout;
use tracing::info;

use super::rosters::show;
use super::target::Target;
use super::{Admin, AdminError};
use crate::http::LONGEST_FETCH;
use crate::rosters::{SessionId, Via};

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

/// `DELETE /sessions/{user}`: the session has left, or is to; without `?resource=`, all of them. The stream of an XMPP client
/// ends, and its session with it. What an attached server or another node says is there is not ended here:
/// it would not know.
pub(super) async fn disconnect(State(admin): State<Arc<Admin>>, target: Target) -> Result<StatusCode, AdminError> {
    let Target { rosters, user, params } = target;
    let session = params.session()?;
    let dismissed = admin.clients.as_ref().map_or(0, |dismiss| dismiss(rosters.domain(), &user, session.as_ref()));
    let left = match &session {
        Some(session) if dismissed > 0 || session.via().is_elsewhere() => 0,
        Some(session) => usize::from(rosters.disconnect(&user, session)),
        // Those of clients go when their streams have ended.
        None => rosters.disconnect_but(&user, |session| session.via() != Via::Admin),
    };
    if dismissed + left > 0 {
        let session = session.as_ref().map_or("(all)", SessionId::as_str);
        info!(domain = %rosters.domain(), %user, session, streams = dismissed, "the operator ended sessions");
        return Ok(StatusCode::NO_CONTENT);
    }
    let there = rosters.look_up(&user).map(|known| known.sessions).unwrap_or_default();
    let meant = |id: &SessionId| session.as_ref().is_none_or(|session| session == id);
    match there.iter().any(|one| one.id.via().is_elsewhere() && meant(&one.id)) {
        true => Err(AdminError::Elsewhere(user)),
        false => Err(AdminError::NoSession(user)),
    }
}
