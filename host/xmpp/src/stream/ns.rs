//! The namespaces the wire knows. Those of payloads are the domain's affair.

/// Stanzas between client and server.
pub const CLIENT: &str = "jabber:client";
/// `<stream:stream>`, `<stream:features>`, `<stream:error>`.
pub const STREAM: &str = "http://etherx.jabber.org/streams";
/// The conditions in a `<stream:error>`.
pub const STREAM_ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-streams";
/// The conditions in a stanza's `<error>`.
pub const STANZA_ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";
/// STARTTLS, RFC 6120 section 5.
pub const TLS: &str = "urn:ietf:params:xml:ns:xmpp-tls";
/// SASL, RFC 6120 section 6.
pub const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
/// Which channel bindings are known, XEP-0440.
pub const CHANNEL_BINDING: &str = "urn:xmpp:sasl-cb:0";
/// Resource binding, RFC 6120 section 7.
pub const BIND: &str = "urn:ietf:params:xml:ns:xmpp-bind";
/// Session establishment, RFC 3921: nothing to do, and still asked for.
pub const SESSION: &str = "urn:ietf:params:xml:ns:xmpp-session";
/// Stream management, XEP-0198.
pub const SM: &str = "urn:xmpp:sm:3";
/// Client state indication, XEP-0352.
pub const CSI: &str = "urn:xmpp:csi:0";
/// `<open/>` and `<close/>` of RFC 7395.
pub const FRAMING: &str = "urn:ietf:params:xml:ns:xmpp-framing";
/// XEP-0199.
pub const PING: &str = "urn:xmpp:ping";
