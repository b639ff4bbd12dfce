//! What ends a stream with an error (RFC 6120 section 4.9).

use std::fmt;

use minidom::Element;

/// The defined conditions of RFC 6120 section 4.9.3 that this server has a use for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamCondition {
    /// XML that cannot be processed, where no closer condition fits.
    BadFormat,
    /// A prefix other than `stream:` on the stream's root.
    BadNamespacePrefix,
    /// Another stream has taken this one's place.
    Conflict,
    /// The client was silent for too long.
    ConnectionTimeout,
    /// The domain is no longer served here.
    HostGone,
    /// The domain is not served here.
    HostUnknown,
    /// An address that is missing, or is none.
    ImproperAddressing,
    /// The server is at fault.
    InternalServerError,
    /// A stanza's `from` is not the client's address.
    InvalidFrom,
    /// The root or the content of the stream is in a wrong namespace.
    InvalidNamespace,
    /// The client did something before it had logged in.
    NotAuthorized,
    /// Not XML, or not in the encoding the stream has.
    NotWellFormed,
    /// A limit of the server's, or a rule of its operator.
    PolicyViolation,
    /// The stream has to be made anew.
    Reset,
    /// The server has no room for this.
    ResourceConstraint,
    /// A comment, a processing instruction, a document type or an entity.
    RestrictedXml,
    /// The server is shutting down.
    SystemShutdown,
    /// None of the others; the text says what.
    UndefinedCondition,
    /// Not UTF-8.
    UnsupportedEncoding,
    /// A feature the server requires or is asked for is not there.
    UnsupportedFeature,
    /// A child of the stream that is not known here.
    UnsupportedStanzaType,
    /// A version of XMPP before 1.0.
    UnsupportedVersion,
}

impl StreamCondition {
    /// The element's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::BadFormat => "bad-format",
            Self::BadNamespacePrefix => "bad-namespace-prefix",
            Self::Conflict => "conflict",
            Self::ConnectionTimeout => "connection-timeout",
            Self::HostGone => "host-gone",
            Self::HostUnknown => "host-unknown",
            Self::ImproperAddressing => "improper-addressing",
            Self::InternalServerError => "internal-server-error",
            Self::InvalidFrom => "invalid-from",
            Self::InvalidNamespace => "invalid-namespace",
            Self::NotAuthorized => "not-authorized",
            Self::NotWellFormed => "not-well-formed",
            Self::PolicyViolation => "policy-violation",
            Self::Reset => "reset",
            Self::ResourceConstraint => "resource-constraint",
            Self::RestrictedXml => "restricted-xml",
            Self::SystemShutdown => "system-shutdown",
            Self::UndefinedCondition => "undefined-condition",
            Self::UnsupportedEncoding => "unsupported-encoding",
            Self::UnsupportedFeature => "unsupported-feature",
            Self::UnsupportedStanzaType => "unsupported-stanza-type",
            Self::UnsupportedVersion => "unsupported-version",
        }
    }

    /// With a text for people.
    pub fn because(self, text: impl Into<String>) -> StreamError {
        StreamError { condition: self, text: Some(text.into()), detail: None }
    }
}

/// Why a stream ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamError {
    /// For programs.
    pub condition: StreamCondition,
    /// For people; English.
    pub text: Option<String>,
    /// A condition of a protocol on top (RFC 6120 section 4.9.4).
    pub detail: Option<Box<Element>>,
}

impl From<StreamCondition> for StreamError {
    fn from(condition: StreamCondition) -> Self {
        Self { condition, text: None, detail: None }
    }
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.condition.name())?;
        match &self.text {
            Some(text) => write!(f, " ({text})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for StreamError {}
