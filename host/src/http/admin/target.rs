//! Which virtual host and which user a request is about.

use std::sync::Arc;

use axum::extract::{FromRequestParts, MatchedPath, Path, Query};
use http::request::Parts;
use serde::Deserialize;

use super::{Admin, AdminError};
use crate::http::requests::paths;
use crate::model::Username;
use crate::rosters::{Rosters, SessionId};

/// The longest resource part of a JID, bytes (RFC 7622 section 3.4).
const LONGEST_RESOURCE: usize = 1023;

/// The query of a request. Every route takes what it knows and ignores the rest.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Params {
    domain: Option<String>,
    user: Option<String>,
    resource: Option<String>,
    last_event_id: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
}

impl Params {
    /// `?domain=`: the virtual host, if one is asked for.
    pub(super) fn host(&self, admin: &Admin) -> Result<Option<Arc<Rosters>>, AdminError> {
        let Some(domain) = &self.domain else { return Ok(None) };
        admin.hosts.by_domain(domain).map(Some).ok_or_else(|| AdminError::UnknownDomain(domain.clone()))
    }

    /// `?user=`
    pub(super) fn user(&self) -> Result<Option<Username>, AdminError> {
        Ok(self.user.as_deref().map(Username::new).transpose()?)
    }

    /// `?after=`: the last user of the page before.
    pub(super) fn after(&self) -> Result<Option<Username>, AdminError> {
        Ok(self.after.as_deref().map(Username::new).transpose()?)
    }

    /// `?limit=`
    pub(super) fn limit(&self) -> Option<usize> {
        self.limit
    }

    /// `?last_event_id=`, for tools that cannot send the header.
    pub(super) fn last_event_id(&self) -> Option<&str> {
        self.last_event_id.as_deref().filter(|id| !id.is_empty())
    }

    /// `?resource=`
    pub(super) fn session(&self) -> Result<Option<SessionId>, AdminError> {
        let Some(resource) = &self.resource else { return Ok(None) };
        if resource.is_empty() || resource.len() > LONGEST_RESOURCE {
            let text = format!("a resource has 1 to {LONGEST_RESOURCE} bytes, this one has {}", resource.len());
            return Err(AdminError::BadRequest(text));
        }
        Ok(Some(SessionId::new(resource)))
    }
}

impl FromRequestParts<Arc<Admin>> for Params {
    type Rejection = AdminError;

    async fn from_request_parts(parts: &mut Parts, admin: &Arc<Admin>) -> Result<Self, AdminError> {
        let query = Query::from_request_parts(parts, admin).await;
        query.map(|Query(params)| params).map_err(|error| AdminError::BadRequest(error.body_text()))
    }
}

/// The user in the path, and the virtual host in the query or else the default one.
pub(super) struct Target {
    pub(super) rosters: Arc<Rosters>,
    pub(super) user: Username,
    pub(super) params: Params,
}

impl FromRequestParts<Arc<Admin>> for Target {
    type Rejection = AdminError;

    async fn from_request_parts(parts: &mut Parts, admin: &Arc<Admin>) -> Result<Self, AdminError> {
        let params = Params::from_request_parts(parts, admin).await?;
        let user = match MatchedPath::from_request_parts(parts, admin).await {
            // A user may have the name of a route.
            Ok(route) if route.as_str() == paths::ROSTERS_REFRESH => "refresh".to_owned(),
            _ => {
                let user = Path::from_request_parts(parts, admin).await.map(|Path(user)| user);
                let text = "the username in the path is not UTF-8 once percent-decoded";
                user.map_err(|_| AdminError::BadRequest(text.into()))?
            }
        };
        let rosters = params.host(admin)?.unwrap_or_else(|| admin.hosts.default_host());
        Ok(Self { rosters, user: Username::new(&user)?, params })
    }
}
