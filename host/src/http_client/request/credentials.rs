//! The host's credentials as a header.

use base64::prelude::{BASE64_STANDARD, Engine};
use http::HeaderValue;

use crate::config::ClientAuth;
use crate::http_client::build_error::ClientBuildError;

/// The value of `Authorization`. Marked sensitive: shown in no `Debug`, never put into an HPACK table.
pub(crate) fn authorization(auth: &ClientAuth) -> Result<HeaderValue, ClientBuildError> {
    let text = match auth {
        ClientAuth::Basic { username, password } => basic(username, password.reveal())?,
        ClientAuth::Bearer(token) => bearer(token.reveal())?,
    };
    let mut value =
        HeaderValue::try_from(text).map_err(|_| ClientBuildError::Auth { reason: "it does not fit a header" })?;
    value.set_sensitive(true);
    Ok(value)
}

/// RFC 7617: no colon in the user-id, no control characters, UTF-8.
fn basic(username: &str, password: &str) -> Result<String, ClientBuildError> {
    if username.contains(':') {
        return Err(ClientBuildError::Auth { reason: "a user name for HTTP Basic cannot contain a colon" });
    }
    if username.chars().chain(password.chars()).any(char::is_control) {
        return Err(ClientBuildError::Auth { reason: "the user name or password contains a control character" });
    }
    Ok(format!("Basic {}", BASE64_STANDARD.encode(format!("{username}:{password}"))))
}

/// RFC 6750 section 2.1: `b64token`.
fn bearer(token: &str) -> Result<String, ClientBuildError> {
    let body = token.trim_end_matches('=');
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    if body.is_empty() || !body.bytes().all(allowed) {
        return Err(ClientBuildError::Auth {
            reason: "a bearer token consists of letters, digits and -._~+/ (RFC 6750 section 2.1)",
        });
    }
    Ok(format!("Bearer {token}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

    use super::*;
    use crate::config::Secret;

    fn basic_auth(username: &str, password: &str) -> ClientAuth {
        ClientAuth::Basic { username: username.into(), password: Secret::new(password) }
    }

    #[test]
    fn credentials_become_a_sensitive_header() {
        for (auth, expected) in [
            (basic_auth("Aladdin", "open sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
            // RFC 7617 section 2.1.
            (basic_auth("test", "123£"), "Basic dGVzdDoxMjPCow=="),
            (basic_auth("a", "b:c"), "Basic YTpiOmM="),
            (ClientAuth::Bearer(Secret::new("mF_9.B5f-4.1JqM=")), "Bearer mF_9.B5f-4.1JqM="),
        ] {
            let value = authorization(&auth).unwrap();
            assert_eq!(value.to_str().unwrap(), expected);
            assert_eq!(format!("{value:?}"), "Sensitive");
        }
    }

    #[test]
    fn credentials_that_cannot_be_sent_are_refused_without_showing_them() {
        for auth in [
            basic_auth("a:b", "hush"),
            basic_auth("a", "hush\n"),
            ClientAuth::Bearer(Secret::new("hush hush")),
            ClientAuth::Bearer(Secret::new("hüsh")),
            ClientAuth::Bearer(Secret::new("")),
        ] {
            let error = authorization(&auth).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("hush") && !shown.contains("hüsh"), "{shown}");
        }
    }
}
