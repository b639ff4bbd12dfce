//! `token-roster`: an example of a roster plugin that sends a request of its own. README.md beside this crate says when that
//! makes sense, and what the protocol is.
//!
//! - this file: what a token is. `component` (only on `wasm32`, for natively there is nobody to send a request): the plugin

#[cfg(target_arch = "wasm32")]
mod component;

/// The key of the URL that gives a token.
pub const TOKEN_KEY: &str = "token_url";
/// The key of the URL of a roster, with `%s` for the username.
pub const ROSTER_KEY: &str = "roster_url";

/// The longest token that is sent, bytes.
const LONGEST_TOKEN: usize = 4096;

/// The value of `Authorization` for a token endpoint's answer.
///
/// # Errors
/// It is no token (RFC 6750 section 2.1).
pub fn authorization(body: &[u8]) -> Result<String, &'static str> {
    let token = body.trim_ascii();
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte);
    match std::str::from_utf8(token) {
        Ok(text) if !token.is_empty() && token.len() <= LONGEST_TOKEN && token.iter().all(fits) => {
            Ok(format!("Bearer {text}"))
        }
        _ => Err("the token endpoint's answer is no token"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_a_token_is_sent() {
        assert_eq!(authorization(b" abc.DEF-1~+/=\n").unwrap(), "Bearer abc.DEF-1~+/=");
        for none in [&b""[..], b"a b", b"a\r\nx: y", b"\xff", b"\"quoted\"", &[b'x'; LONGEST_TOKEN + 1]] {
            assert!(authorization(none).is_err(), "{}", none.escape_ascii());
        }
    }
}
