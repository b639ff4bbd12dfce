//! WebSocket behind a proxy that ends TLS.

use std::net::{IpAddr, SocketAddr};

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::middleware::{self, Next};
use axum::response::Response;
use http::HeaderMap;

/// `routes` for clients that come through a proxy: their address is what the proxy says it is, for else they would all
/// share the limits of one.
pub(super) fn behind_proxy(routes: Router) -> Router {
    routes.layer(middleware::from_fn(forwarded))
}

async fn forwarded(mut request: Request, next: Next) -> Response {
    if let Some(address) = last_forwarded(request.headers()) {
        request.extensions_mut().insert(ConnectInfo(SocketAddr::new(address, 0)));
    }
    next.run(request).await
}

/// The last address in `X-Forwarded-For`: the one the nearest proxy has added. What is before it a client can make up.
fn last_forwarded(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all("x-forwarded-for").iter().next_back()?;
    last.to_str().ok()?.rsplit(',').next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_address_the_nearest_proxy_has_added_is_the_clients() {
        for (lines, expected) in [
            (&["192.0.2.7"][..], Some("192.0.2.7")),
            (&["10.0.0.1, 192.0.2.7"], Some("192.0.2.7")),
            (&["192.0.2.7", "2001:db8::1"], Some("2001:db8::1")),
            (&["192.0.2.7, unknown"], None),
            (&[""], None),
            (&[], None),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-forwarded-for", line.parse().unwrap());
            }
            assert_eq!(last_forwarded(&headers), expected.map(|address| address.parse().unwrap()), "{lines:?}");
        }
    }
}
