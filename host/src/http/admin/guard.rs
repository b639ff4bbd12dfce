//! Who may use the admin listener.
//!
//! An address of the loopback interface keeps other machines out, but not the browser of somebody who works on this
//! one. A page can make a name of its own resolve to 127.0.0.1 (DNS rebinding) and read what is answered: its requests
//! carry that name in `Host`, so without a token only `localhost` and IP addresses are accepted there. And a page can
//! send requests without reading the answer: a browser puts `Origin` into every request that could change something.

use std::net::Ipv6Addr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::Method;
use http::header::ORIGIN;

use super::{Admin, AdminError};
use crate::http::auth;
use crate::http::virtual_hosts::host_of;

/// The middleware.
pub(super) async fn guard(State(admin): State<Arc<Admin>>, request: Request, next: Next) -> Response {
    match check(&admin, &request) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

fn check(admin: &Admin, request: &Request) -> Result<(), AdminError> {
    if !auth::passes(admin.token.as_ref(), request.headers()) {
        return Err(AdminError::Unauthorized);
    }
    if admin.token.is_none()
        && let Some(host) = host_of(request)
        && !cannot_be_rebound(&host)
    {
        return Err(AdminError::ForeignHost(host.chars().take(256).collect()));
    }
    let looks = matches!(*request.method(), Method::GET | Method::HEAD);
    if !looks && request.headers().contains_key(ORIGIN) {
        return Err(AdminError::Origin);
    }
    Ok(())
}

/// `localhost` always is this machine, and an IP address is not looked up at all.
fn cannot_be_rebound(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::Ipv4Addr>().is_ok()
        || bare.is_some_and(|bare| bare.parse::<Ipv6Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_localhost_and_addresses_cannot_be_rebound() {
        for (host, expected) in [
            ("localhost", true),
            ("LOCALHOST.", true),
            ("127.0.0.1", true),
            ("192.0.2.7", true),
            ("[::1]", true),
            ("localhost.attacker.example", false),
            ("127.0.0.1.attacker.example", false),
            ("attacker.example", false),
            ("[::1", false),
            ("", false),
        ] {
            assert_eq!(cannot_be_rebound(host), expected, "{host:?}");
        }
    }
}
