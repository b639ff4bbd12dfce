//! The bearer token a listener may ask for (RFC 6750).

use http::HeaderMap;
use http::header::AUTHORIZATION;
use subtle::ConstantTimeEq;

use crate::config::Secret;

/// Whether the request may pass: no token is configured, or the request carries it. Takes as long for a token that is
/// wrong in the first character as for one that is wrong in the last.
pub(crate) fn passes(token: Option<&Secret>, headers: &HeaderMap) -> bool {
    let Some(token) = token else { return true };
    let Some((scheme, given)) = headers.get(AUTHORIZATION).and_then(|value| {
        value.as_bytes().iter().position(|b| *b == b' ').and_then(|at| value.as_bytes().split_at_checked(at))
    }) else {
        return false;
    };
    scheme.eq_ignore_ascii_case(b"bearer") && bool::from(given.trim_ascii().ct_eq(token.reveal().as_bytes()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_the_right_bearer_token_passes() {
        let token = Secret::new("s3cret");
        for (header, expected) in [
            (Some("Bearer s3cret"), true),
            (Some("bearer  s3cret "), true),
            (Some("Bearer s3cre"), false),
            (Some("Bearer s3crets"), false),
            (Some("Bearer "), false),
            (Some("Bearer"), false),
            (Some("Basic s3cret"), false),
            (Some("s3cret"), false),
            (None, false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(value) = header {
                headers.insert(AUTHORIZATION, value.parse().unwrap());
            }
            assert_eq!(passes(Some(&token), &headers), expected, "{header:?}");
            assert!(passes(None, &headers), "{header:?} where no token is configured");
        }
    }
}
