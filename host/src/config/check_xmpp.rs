//! `[xmpp]`: the endpoint that people's clients log in to.

use std::path::PathBuf;

use serde::de::DeserializeOwned;
use url::Url;

use super::check_listeners::is_loopback;
use super::given::Given;
use super::raw::{RawXmpp, Table};
use super::report::At;
use super::{HttpConfig, XmppCertificate, XmppConfig, check_xmpp_limits};

/// What `rosters` keeps of one user.
const MOST_SESSIONS: u64 = 100;

/// Checks the table; without a certificate of its own it has that of `http`.
pub(super) fn xmpp(raw: RawXmpp, http: &HttpConfig, at: &At<'_>) -> XmppConfig {
    let defaults = XmppConfig::default();
    // If one of them is at fault, that is told, and not that they are missing.
    let has_certificate = !raw.certificate.is_absent() || !raw.key.is_absent();
    let xmpp = XmppConfig {
        listen: at.get("listen", raw.listen).map_or(defaults.listen, |listen| listen.0),
        tls_listen: at.get("tls_listen", raw.tls_listen).map_or(defaults.tls_listen, |listen| listen.0),
        require_encryption: at.get("require_encryption", raw.require_encryption).unwrap_or(defaults.require_encryption),
        allow_unencrypted_plain_auth: at
            .get("allow_unencrypted_plain_auth", raw.allow_unencrypted_plain_auth)
            .unwrap_or(defaults.allow_unencrypted_plain_auth),
        websocket: at.get("websocket", raw.websocket).unwrap_or(defaults.websocket),
        websocket_behind_tls: at
            .get("websocket_behind_tls", raw.websocket_behind_tls)
            .unwrap_or(defaults.websocket_behind_tls),
        max_sessions_per_user: at.count(
            "max_sessions_per_user",
            raw.max_sessions_per_user,
            defaults.max_sessions_per_user,
            1..=MOST_SESSIONS,
        ),
        limits: check_xmpp_limits::limits(table("limits", at, raw.limits), &at.key("limits")),
        timeouts: check_xmpp_limits::timeouts(table("timeouts", at, raw.timeouts), &at.key("timeouts")),
        login: check_xmpp_limits::login(table("login", at, raw.login), &at.key("login")),
        resumption: check_xmpp_limits::resumption(table("resumption", at, raw.resumption), &at.key("resumption")),
        certificate: certificate(raw.certificate, raw.key, at),
        websocket_url: websocket_url(at.get("websocket_url", raw.websocket_url), &at.key("websocket_url")),
    };
    if http.tls.is_none() && !has_certificate && xmpp.require_encryption {
        at.problem(
            "needs certificate and key, or those of [http.tls]; to do without encryption, set require_encryption to false",
        );
    }
    if !xmpp.require_encryption && xmpp.listen.is_some_and(|address| !is_loopback(&address)) {
        at.key("require_encryption").warn("off: messages cross the network for everybody to read");
    }
    if xmpp.websocket_behind_tls && http.listen.is_some_and(|address| !is_loopback(&address)) {
        at.key("websocket_behind_tls").problem(
            "http.listen is not a loopback address: clients could reach it without the proxy, and without TLS",
        );
    }
    xmpp
}

fn table<T: DeserializeOwned + Default>(key: &str, at: &At<'_>, given: Table<T>) -> T {
    at.key(key).section(given).unwrap_or_default()
}

fn certificate(certificate: Given<PathBuf>, key: Given<PathBuf>, at: &At<'_>) -> XmppCertificate {
    if certificate.is_absent() != key.is_absent() {
        let missing = if key.is_absent() { "key" } else { "certificate" };
        at.key(missing).problem("is missing; certificate and key go together");
    }
    let certificate = at.existing_file("certificate", certificate);
    let key = at.existing_file("key", key);
    match (certificate, key) {
        (Some(certificate), Some(key)) => XmppCertificate::Files { certificate, key },
        _ => XmppCertificate::OfHttp,
    }
}

fn websocket_url(given: Option<String>, at: &At<'_>) -> Option<String> {
    let given = given?;
    match Url::parse(&given) {
        Ok(url) if matches!(url.scheme(), "ws" | "wss") && url.has_host() => Some(url.to_string()),
        _ => {
            at.problem("expected a URL such as \"wss://chat.example.org/xmpp-websocket\"");
            None
        }
    }
}
