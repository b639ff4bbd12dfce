//! `[xmpp]`: the endpoint that people's clients log in to.

use super::raw::RawXmpp;
use super::report::At;
use super::{HttpConfig, XmppConfig};

/// Checks the table; the certificate is that of `http`.
pub(super) fn xmpp(raw: RawXmpp, http: &HttpConfig, at: &At<'_>) -> XmppConfig {
    let defaults = XmppConfig::default();
    let xmpp = XmppConfig {
        listen: at.get("listen", raw.listen).map_or(defaults.listen, |listen| listen.0),
        tls_listen: at.get("tls_listen", raw.tls_listen).map_or(defaults.tls_listen, |listen| listen.0),
        require_encryption: at.get("require_encryption", raw.require_encryption).unwrap_or(defaults.require_encryption),
        allow_unencrypted_plain_auth: at
            .get("allow_unencrypted_plain_auth", raw.allow_unencrypted_plain_auth)
            .unwrap_or(defaults.allow_unencrypted_plain_auth),
    };
    if http.tls.is_none() && xmpp.require_encryption {
        at.problem("needs the certificate of [http.tls]; to do without encryption, set require_encryption to false");
    }
    if !xmpp.require_encryption && xmpp.listen.is_some_and(|address| !address.ip().to_canonical().is_loopback()) {
        at.key("require_encryption").warn("off: messages cross the network for everybody to read");
    }
    xmpp
}
