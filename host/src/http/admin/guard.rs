//! Who may use the admin listener.
//!
//! An address of the loopback interface keeps other machines out, but not the browser of somebody who works on this
//! one. A page can make a name of its own resolve to 127.0.0.1 (DNS rebinding) and read what is answered: its requests
//! carry that name in `Host`, so without a token only `localhost` and IP addresses are accepted there. And a page can
//! send requests without reading the answer: a browser puts `Origin` into every request that could change something, and only
//! the operator's own page ([`super::ui`]) comes from here.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::Method;

use super::{Admin, AdminError};
use crate::http::access::auth;
use crate::http::access::same_origin::{cannot_be_rebound, is_foreign};
use crate::http::access::virtual_hosts::host_of;

/// The middleware.
pub(super) async fn guard(State(admin): State<Arc<Admin>>, request: Request, next: Next) -> Response {
    match check(&admin, &request) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

fn check(admin: &Admin, request: &Request) -> Result<(), AdminError> {
    let settings = admin.settings.current();
    let token = settings.admin_token.as_ref();
    if !auth::passes(token, request.headers()) {
        return Err(AdminError::Unauthorized);
    }
    if token.is_none()
        && let Some(host) = host_of(request)
        && !cannot_be_rebound(&host)
    {
        return Err(AdminError::ForeignHost(host.chars().take(256).collect()));
    }
    let looks = matches!(*request.method(), Method::GET | Method::HEAD);
    if !looks && is_foreign(request.uri(), request.headers()) {
        return Err(AdminError::Origin);
    }
    Ok(())
}
