//! Browsers: whether a request comes from a page of this listener itself, and whether the page's name can be somebody else's.
//!
//! A page of another site can send requests to an address of this machine, and a browser puts its `Origin` into each that
//! could change something. A page can also make a name of its own resolve to 127.0.0.1 (DNS rebinding): it carries that
//! name in `Host`.

use std::net::{Ipv4Addr, Ipv6Addr};

use http::header::{HOST, ORIGIN};
use http::{HeaderMap, Uri};

/// Whether a page of another origin has sent the request. Without `Origin` no page has.
pub(crate) fn is_foreign(uri: &Uri, headers: &HeaderMap) -> bool {
    let mut origins = headers.get_all(ORIGIN).iter();
    let Some(origin) = origins.next() else { return false };
    let here = uri.authority().map(|authority| authority.as_str().as_bytes());
    let here = here.or_else(|| headers.get(HOST).map(|host| host.as_bytes()));
    // Behind a proxy the page has TLS, and what comes here has not.
    let page = [&b"http://"[..], b"https://"].into_iter().find_map(|scheme| origin.as_bytes().strip_prefix(scheme));
    let ours = page.zip(here).is_some_and(|(page, here)| !page.is_empty() && page.eq_ignore_ascii_case(here));
    !ours || origins.next().is_some()
}

/// `localhost` always is this machine, and an IP address is not looked up at all. `host` is without a port.
pub(crate) fn cannot_be_rebound(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<Ipv4Addr>().is_ok()
        || bare.is_some_and(|bare| bare.parse::<Ipv6Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_pages_from_here_are_not_foreign() {
        for (host, origins, foreign) in [
            ("127.0.0.1:5282", &[][..], false),
            ("127.0.0.1:5282", &["http://127.0.0.1:5282"], false),
            ("Admin.example", &["https://admin.example"], false),
            ("[::1]:5282", &["http://[::1]:5282"], false),
            ("127.0.0.1:5282", &["http://127.0.0.1:5283"], true),
            ("127.0.0.1:5282", &["http://localhost:5282"], true),
            ("127.0.0.1:5282", &["http://127.0.0.1"], true),
            ("127.0.0.1:5282", &["ftp://127.0.0.1:5282"], true),
            ("127.0.0.1:5282", &["null"], true),
            ("127.0.0.1:5282", &[""], true),
            ("127.0.0.1:5282", &["http://attacker.example", "http://127.0.0.1:5282"], true),
            ("127.0.0.1:5282", &["http://127.0.0.1:5282", "http://attacker.example"], true),
            ("", &["http://"], true),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, host.parse().unwrap());
            for origin in origins {
                headers.append(ORIGIN, origin.parse().unwrap());
            }
            assert_eq!(is_foreign(&Uri::from_static("/rosters"), &headers), foreign, "{host} {origins:?}");
        }
        let mut http2 = HeaderMap::new();
        http2.insert(ORIGIN, "http://127.0.0.1:5282".parse().unwrap());
        assert!(!is_foreign(&Uri::from_static("http://127.0.0.1:5282/rosters"), &http2));
        assert!(is_foreign(&Uri::from_static("/rosters"), &http2), "nobody says what this is");
    }

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
