//! `token-roster`: an example of a roster plugin that sends a request of its own. README.md beside this crate says when that
//! makes sense, and what the protocol is.
//!
//! - this file: what the requests are and what the answers mean, tested natively
//! - `component` (only on `wasm32`): the WIT world. `http`: one `GET` through `wasi:http`

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

#[cfg(target_arch = "wasm32")]
mod component;
#[cfg(target_arch = "wasm32")]
mod http;

/// The key of the URL that gives a token.
pub const TOKEN_KEY: &str = "token_url";
/// The key of the URL of a roster, with `%s` for the username.
pub const ROSTER_KEY: &str = "roster_url";

/// What may stand in a path segment as it is (RFC 3986, unreserved).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The longest token that is sent, bytes.
const LONGEST_TOKEN: usize = 4096;

/// The URL of a user's roster.
pub fn roster_url(template: &str, user: &str) -> String {
    template.replacen("%s", &utf8_percent_encode(user, ENCODED).to_string(), 1)
}

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

/// The JIDs of a roster. The host normalises them, and leaves out what is none.
///
/// # Errors
/// It is no JSON array of strings.
pub fn jids(body: &[u8]) -> Result<Vec<String>, String> {
    serde_json::from_slice(body).map_err(|error| format!("expected a JSON array of JIDs; {error}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_user_cannot_leave_his_place_in_the_url() {
        assert_eq!(roster_url("http://app/friends/%s?all", "a/b é"), "http://app/friends/a%2Fb%20%C3%A9?all");
    }

    #[test]
    fn only_a_token_is_sent() {
        assert_eq!(authorization(b" abc.DEF-1~+/=\n").unwrap(), "Bearer abc.DEF-1~+/=");
        for none in [&b""[..], b"a b", b"a\r\nx: y", b"\xff", b"\"quoted\"", &[b'x'; LONGEST_TOKEN + 1]] {
            assert!(authorization(none).is_err(), "{}", none.escape_ascii());
        }
    }

    #[test]
    fn a_roster_is_an_array_of_strings() {
        assert_eq!(jids(br#"["a@x", "b@x"]"#).unwrap(), ["a@x", "b@x"]);
        for wrong in [&b""[..], b"{}", b"[1]", b"<html>"] {
            assert!(jids(wrong).unwrap_err().contains("a JSON array of JIDs"));
        }
    }
}
