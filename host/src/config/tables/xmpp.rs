//! `[xmpp]`: the endpoint that people's clients log in to.

use std::net::SocketAddr;
use std::path::PathBuf;

use url::Url;

use super::http::is_loopback;
use super::{ClientLimits, HttpConfig, LoginLimits, Resumption, Timeouts};
use crate::config::Secret;
use crate::config::mistakes::place::At;
use crate::config::table::{Entry, Kind, inner, otherwise, table};
use crate::config::values::kind::{Scalar, count, flag, listen, string};
use crate::config::values::kind_secret::Pair;

/// What XMPP clients are shown to prove that this is their server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum XmppCertificate {
    /// That of `[http.tls]`, if there is one.
    #[default]
    OfHttp,
    /// `certificate` and `key`: PEM files, the chain with the leaf first. They are looked at every 5 s for a change.
    Files {
        /// The chain.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// One that is given and not read. There is no key for it: for the demo, and for programs that embed the host.
    Inline {
        /// PKCS #8, in PEM form.
        key: Secret,
        /// The leaf and what signed it, in PEM form.
        chain: String,
    },
}

/// `certificate` and `key`.
struct CertificateKeys;

impl Kind for CertificateKeys {
    type Value = XmppCertificate;

    fn read(&self, at: &At<'_>, field: &'static str, default: XmppCertificate) -> XmppCertificate {
        let files = Pair.read(at, field, None);
        files.map_or(default, |(certificate, key)| XmppCertificate::Files { certificate, key })
    }

    fn entries(&self, field: &'static str, about: &'static str, value: &XmppCertificate) -> Vec<Entry> {
        let files = match value {
            XmppCertificate::Files { certificate, key } => Some((certificate.clone(), key.clone())),
            XmppCertificate::OfHttp | XmppCertificate::Inline { .. } => None,
        };
        Pair.entries(field, about, &files)
    }
}

table! {
    /// The endpoint that people's clients log in to. Each `[[host]]` says who may. Off without this table.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct XmppConfig {
        /// Where clients begin without TLS and go on with STARTTLS.
        listen: Option<SocketAddr> = Some(SocketAddr::from(([127, 0, 0, 1], 5222))), listen();
        /// Where clients begin with TLS (XEP-0368).
        tls_listen: Option<SocketAddr> = Some(SocketAddr::from(([127, 0, 0, 1], 5223))), listen();
        /// Only who is on TLS may log in.
        require_encryption: bool = true, flag();
        /// A password may cross a connection without TLS (mechanism PLAIN): for tests, on loopback.
        allow_unencrypted_plain_auth: bool = false, flag();
        /// Clients may come over WebSocket (RFC 7395) too: `/xmpp-websocket` on the listeners of `[http]`, and
        /// `/.well-known/host-meta`.
        websocket: bool = true, flag();
        /// `http.listen`, which has to be on loopback, is reached only through a proxy that ends TLS: a WebSocket there counts as
        /// encrypted, and as coming from the last address in `X-Forwarded-For`.
        websocket_behind_tls: bool = false, flag();
        /// What `/.well-known/host-meta` says (XEP-0156), such as `wss://chat.example.org/xmpp-websocket`.
        websocket_url: Option<String> = None,
            otherwise(websocket_url().or_none(), "the domain, the one that was asked if it is a virtual host, else the first");
        /// What proves to clients that this is their server: a PEM file, the chain with the leaf first. It and its key are looked
        /// at every 5 s for a change.
        certificate: XmppCertificate = XmppCertificate::OfHttp, otherwise(CertificateKeys, "that of `[http.tls]`");
        /// Sessions one user may have at once. With one more, the one goes whose client has been away for longest; if all clients
        /// are here, it is refused.
        max_sessions_per_user: usize = 20, count(1..=MOST_SESSIONS, "sessions");
        /// `[xmpp.limits]`: what one client, and all together, may take.
        limits: ClientLimits = ClientLimits::default(), inner();
        /// `[xmpp.timeouts]`
        timeouts: Timeouts = Timeouts::default(), inner();
        /// `[xmpp.login]`: how often a login may fail.
        login: LoginLimits = LoginLimits::default(), inner();
        /// `[xmpp.resumption]`: stream management.
        resumption: Resumption = Resumption::default(), inner();
    }
}

/// What `rosters` keeps of one user.
const MOST_SESSIONS: u64 = 100;

fn websocket_url() -> Scalar<String> {
    string().becomes(|text| match Url::parse(&text) {
        Ok(url) if matches!(url.scheme(), "ws" | "wss") && url.has_host() => Ok(url.to_string()),
        _ => Err("expected a URL such as \"wss://chat.example.org/xmpp-websocket\"".into()),
    })
}

/// Without a certificate of its own it has that of `http`.
pub(super) fn beside_http(xmpp: &XmppConfig, http: &HttpConfig, at: &At<'_>) {
    // If one of them is at fault, that is told, and not that they are missing.
    let has_certificate = at.has("certificate") || at.has("key");
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
}
