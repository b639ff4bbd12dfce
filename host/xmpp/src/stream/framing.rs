//! How a stream is put into what carries it.

/// How a stream is put on the transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// One long document (RFC 6120).
    Document,
    /// One element per message (RFC 7395): `<open/>`, stanzas, `<close/>`.
    Messages,
}
