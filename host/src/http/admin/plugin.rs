//! The plugin of a virtual host: what serves, and another in its place.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, Request, State};
use axum::response::Response;
use http::StatusCode;
use roster_jid::domainpart;
use serde::Deserialize;
use tokio::time::Instant;

use super::{Admin, AdminError};
use crate::http::access::auth;
use crate::http::answers::json;
use crate::http::body::{self, BodyLimits, BodyMemory};
use crate::plugin::PluginSource;
use crate::swap::{Outcome, Receipt, Swapper, Swappers};

/// How long a component may take to arrive, in all and between two pieces.
const UPLOAD_TIME: Duration = Duration::from_secs(120);
const UPLOAD_PAUSE: Duration = Duration::from_secs(15);

fn longest(swapper: &Swapper) -> usize {
    usize::try_from(swapper.longest_plugin()).unwrap_or(usize::MAX)
}

/// What uploads may take together.
pub(super) fn upload_memory(swappers: &Swappers) -> Arc<BodyMemory> {
    let longest = swappers.iter().map(|swapper| longest(&swapper)).max().unwrap_or_default();
    BodyMemory::new(longest.saturating_mul(2), longest)
}

/// `?domain=`
#[derive(Deserialize)]
pub(super) struct Which {
    domain: Option<String>,
}

impl Which {
    fn swapper(&self, admin: &Admin) -> Result<Arc<Swapper>, AdminError> {
        let found = match &self.domain {
            None => admin.swappers.iter().next(),
            Some(domain) => {
                let domain = domainpart(domain).unwrap_or_default();
                admin.swappers.iter().find(|swapper| swapper.domain() == domain)
            }
        };
        found.ok_or_else(|| AdminError::UnknownDomain(self.domain.clone().unwrap_or_default()))
    }
}

/// `GET /plugin`: what serves, what can be put back, and the latest receipts.
pub(super) async fn status(
    State(admin): State<Arc<Admin>>,
    Query(which): Query<Which>,
) -> Result<Response, AdminError> {
    Ok(json::answer(StatusCode::OK, &which.swapper(&admin)?.status()))
}

/// `POST /plugin/reload`: reads the configured file again.
pub(super) async fn reload(
    State(admin): State<Arc<Admin>>,
    Query(which): Query<Which>,
) -> Result<Response, AdminError> {
    let swapper = which.swapper(&admin)?;
    detached(async move { swapper.reload().await }).await
}

/// `?to=`
#[derive(Deserialize)]
pub(super) struct Back {
    to: Option<u64>,
}

/// `POST /plugin/rollback`: puts back the generation that served before, or the one with the number `to`.
pub(super) async fn roll_back(
    State(admin): State<Arc<Admin>>,
    Query(which): Query<Which>,
    Query(back): Query<Back>,
) -> Result<Response, AdminError> {
    let swapper = which.swapper(&admin)?;
    detached(async move { swapper.roll_back(back.to).await }).await
}

/// `PUT /plugin`: the body is the component. Only where a token is configured: whoever may do this runs code here.
pub(super) async fn upload(
    State(admin): State<Arc<Admin>>,
    Query(which): Query<Which>,
    request: Request,
) -> Result<Response, AdminError> {
    match (&admin.settings.current().admin_token, &admin.upload_token) {
        (None, None) => return Err(AdminError::TokenNeeded),
        (None, token) if !auth::passes(token.as_ref(), request.headers()) => return Err(AdminError::Unauthorized),
        _ => {}
    }
    let swapper = which.swapper(&admin)?;
    // Before the body is read, so that those who wait hold no memory.
    let permit = swapper.upload_permit().ok_or(AdminError::Uploads)?;
    let limits = BodyLimits {
        size: longest(&swapper),
        pause: UPLOAD_PAUSE,
        setting: "compile.max_component",
        memory: Arc::clone(&admin.bodies),
    };
    let body = tokio::select! {
        body = body::read(request, &limits, Instant::now() + UPLOAD_TIME) => body?,
        () = swapper.stopped() => return Err(AdminError::Stopping),
    };
    let source = PluginSource::Bytes { name: "(uploaded)".to_owned(), bytes: body.bytes[..].into() };
    drop(body);
    detached(async move {
        let _permit = permit;
        swapper.swap("upload", source).await
    })
    .await
}

/// A swap that has begun ends, also if whoever asked for it goes away.
async fn detached(swap: impl Future<Output = Receipt> + Send + 'static) -> Result<Response, AdminError> {
    let receipt = tokio::spawn(swap).await.map_err(|_| AdminError::Swap)?;
    let status = match receipt.outcome {
        Outcome::Refused if receipt.is_busy() => StatusCode::SERVICE_UNAVAILABLE,
        Outcome::Refused => StatusCode::UNPROCESSABLE_ENTITY,
        Outcome::Swapped | Outcome::Unchanged | Outcome::RolledBack => StatusCode::OK,
    };
    Ok(json::answer(status, &receipt))
}
