//! The checked configuration of the XMPP endpoint. What its limits mean, the crate `roster-xmpp` says.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use roster_xmpp::config::{ClientLimits, LoginLimits, Resumption, Timeouts};
pub use roster_xmpp::stream::StanzaLimits;

use super::{Origin, OriginError, Secret};
use crate::model::Username;

/// The application checks passwords: a `GET` with the user's name and password as Basic authentication, answered 200, or 401
/// or 403. The client's deadlines, certificates and address rules are those of `[host.client]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAuthConfig {
    /// `http_auth_url`. It may hold an application's key.
    pub url: Secret,
    /// Where that is; requests go nowhere else.
    pub origin: Origin,
    /// `http_auth_cache`: how long a right password is taken for right without asking again, default 1 min. That long an
    /// old one works after a change, too. Zero: every login asks.
    pub cache: Duration,
}

impl HttpAuthConfig {
    /// The application at `url` and the defaults for the rest.
    pub fn new(url: &str) -> Result<Self, OriginError> {
        let origin = Origin::of_url(url)?;
        Ok(Self { url: Secret::new(url), origin, cache: Duration::from_secs(60) })
    }
}

/// Who may log in to the XMPP endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountsConfig {
    /// A file that `roster-host account` writes.
    File(PathBuf),
    /// The application: `http_auth_url`.
    Http(HttpAuthConfig),
    /// Users and passwords. There is no key for it: for the demo, and for programs that embed the host.
    Fixed(Vec<(Username, Secret)>),
}

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
    Given {
        /// PKCS #8, in PEM form.
        key: Secret,
        /// The leaf and what signed it, in PEM form.
        chain: String,
    },
}

/// `[xmpp]`: the endpoint that people's clients log in to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XmppConfig {
    /// `listen`: where clients begin without TLS (STARTTLS), default 127.0.0.1:5222. `None` when it is `"off"`.
    pub listen: Option<SocketAddr>,
    /// `tls_listen`: where clients begin with TLS (XEP-0368), default 127.0.0.1:5223. `None` when it is `"off"`.
    pub tls_listen: Option<SocketAddr>,
    /// `require_encryption`: only who is on TLS may log in, default true.
    pub require_encryption: bool,
    /// `allow_unencrypted_plain_auth`: a password may cross a connection without TLS, default false.
    pub allow_unencrypted_plain_auth: bool,
    /// `websocket`: clients may come over WebSocket (RFC 7395), on the listeners of `[http]`, default true.
    pub websocket: bool,
    /// `websocket_behind_tls`: whoever reaches `http.listen` comes through a proxy that ends TLS, so that a WebSocket there
    /// counts as encrypted, and as coming from the last address in `X-Forwarded-For`. Default false.
    pub websocket_behind_tls: bool,
    /// `websocket_url`: what `/.well-known/host-meta` says (XEP-0156). `None`, the default: the domain, the one that was asked if
    /// it is one of the virtual hosts, else the first.
    pub websocket_url: Option<String>,
    /// What proves to clients that this is their server.
    pub certificate: XmppCertificate,
    /// `max_sessions_per_user`: sessions one user may have at once, default 20. With one more, the one goes whose client has
    /// been away for longest; if all clients are here, it is refused.
    pub max_sessions_per_user: usize,
    /// `[xmpp.limits]`: what one client, and all together, may take.
    pub limits: ClientLimits,
    /// `[xmpp.timeouts]`
    pub timeouts: Timeouts,
    /// `[xmpp.login]`: how often a login may fail.
    pub login: LoginLimits,
    /// `[xmpp.resumption]`: stream management.
    pub resumption: Resumption,
}

impl Default for XmppConfig {
    fn default() -> Self {
        Self {
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 5222))),
            tls_listen: Some(SocketAddr::from(([127, 0, 0, 1], 5223))),
            require_encryption: true,
            allow_unencrypted_plain_auth: false,
            websocket: true,
            websocket_behind_tls: false,
            websocket_url: None,
            certificate: XmppCertificate::OfHttp,
            max_sessions_per_user: 20,
            limits: ClientLimits::default(),
            timeouts: Timeouts::default(),
            login: LoginLimits::default(),
            resumption: Resumption::default(),
        }
    }
}
