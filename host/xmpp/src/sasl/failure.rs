//! Why a login failed (RFC 6120 section 6.5).

/// The defined conditions this server has a use for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaslFailure {
    /// The client gave up.
    Aborted,
    /// The mechanism needs TLS.
    EncryptionRequired,
    /// Not base64.
    IncorrectEncoding,
    /// The client wants to be somebody else.
    InvalidAuthzid,
    /// A mechanism that is not offered.
    InvalidMechanism,
    /// Not what the mechanism says.
    MalformedRequest,
    /// No such account, or not its password, or an account that may not be used: who guesses passwords must not learn that one
    /// is right.
    NotAuthorized,
    /// Nobody can say now; or too many have failed.
    TemporaryAuthFailure,
    /// As many logins as may be have begun and wait to be looked at.
    TooManyAtOnce,
}

impl SaslFailure {
    /// The element's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aborted => "aborted",
            Self::EncryptionRequired => "encryption-required",
            Self::IncorrectEncoding => "incorrect-encoding",
            Self::InvalidAuthzid => "invalid-authzid",
            Self::InvalidMechanism => "invalid-mechanism",
            Self::MalformedRequest => "malformed-request",
            Self::NotAuthorized => "not-authorized",
            Self::TemporaryAuthFailure | Self::TooManyAtOnce => "temporary-auth-failure",
        }
    }

    /// What there is to say beside the name.
    pub fn text(self) -> Option<&'static str> {
        match self {
            Self::TooManyAtOnce => Some("too many logins are waiting to be checked at once; try again in a moment"),
            _ => None,
        }
    }
}
