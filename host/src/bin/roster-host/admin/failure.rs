//! Why an admin listener did not do what was asked: each in one line that says what to do next.

use http::StatusCode;
use roster_host::http_client::{ErrorKind, SendError};
use serde_json::Value;

/// How to say where to ask.
const WHERE: &str =
    "give the address of the host's admin listener (admin.listen in its configuration) with --admin URL";

/// See the module. `admin` is what `--admin` says, or its default.
#[derive(Debug, thiserror::Error)]
pub(super) enum AdminFailure {
    #[error("{admin} refuses connections: is roster-host running? If it is, {WHERE}")]
    NobodyThere { admin: String },
    #[error("{admin} cannot be reached ({source}): {WHERE}")]
    Unreachable { admin: String, source: SendError },
    #[error("{admin} does not speak TLS ({source}): an admin listener is http://, unless a proxy stands before it")]
    NoTls { admin: String, source: SendError },
    #[error("{admin} has a certificate that is not trusted: {source}")]
    Certificate { admin: String, source: SendError },
    #[error("{admin} does not answer in HTTP ({source}): it has TLS, or is some other service; {WHERE}")]
    NoHttp { admin: String, source: SendError },
    #[error("{admin} does not answer ({source}): it has TLS, is some other service, or has stopped; {WHERE}")]
    NoAnswer { admin: String, source: SendError },
    #[error(
        "{admin} wants a token (status 401): give that of admin.token with --token-file FILE or the variable {TOKEN_VARIABLE}"
    )]
    TokenMissing { admin: String },
    #[error(
        "{admin} does not take the token of {given} (status 401): it has to be that of admin.token in the host's configuration"
    )]
    TokenWrong { admin: String, given: String },
    #[error("{admin} is the host's listener for refresh requests (http.listen): {WHERE}")]
    RefreshListener { admin: String },
    #[error("{admin} is some other service, no admin listener of roster-host (status {status}): {WHERE}")]
    OtherService { admin: String, status: u16 },
    #[error("{admin}: {message} (status {status})")]
    Refused { admin: String, status: u16, message: String },
    #[error("{admin}: {source}")]
    Broken { admin: String, source: SendError },
}

/// The variable with the admin token.
pub(super) const TOKEN_VARIABLE: &str = "ROSTER_HOST_ADMIN_TOKEN";

impl AdminFailure {
    /// There is no response.
    pub(super) fn unanswered(admin: &str, source: SendError) -> Self {
        let admin = admin.to_owned();
        match source.kind() {
            ErrorKind::ConnectRefused => Self::NobodyThere { admin },
            ErrorKind::Dns | ErrorKind::Connect | ErrorKind::ConnectTimeout => Self::Unreachable { admin, source },
            ErrorKind::Tls => Self::NoTls { admin, source },
            ErrorKind::Certificate => Self::Certificate { admin, source },
            ErrorKind::Protocol => Self::NoHttp { admin, source },
            ErrorKind::Reset | ErrorKind::Incomplete | ErrorKind::FirstByteTimeout => Self::NoAnswer { admin, source },
            _ => Self::Broken { admin, source },
        }
    }

    /// The response is none that was hoped for. `token`: where the token is from that was sent.
    pub(super) fn answered(admin: &str, status: StatusCode, body: &[u8], token: Option<String>) -> Self {
        let admin = admin.to_owned();
        let value: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |key| value.get(key).and_then(Value::as_str);
        let message = text("message").filter(|_| text("status") == Some("error"));
        match (message, status) {
            // Only answers of the refresh route have it.
            (Some(_), _) if value.get("updated").is_some() => Self::RefreshListener { admin },
            (Some(_), StatusCode::UNAUTHORIZED) => match token {
                Some(given) => Self::TokenWrong { admin, given },
                None => Self::TokenMissing { admin },
            },
            (Some(message), _) => Self::Refused { admin, status: status.as_u16(), message: message.to_owned() },
            (None, _) => Self::OtherService { admin, status: status.as_u16() },
        }
    }
}
