//! `api_url`: where the application's API begins, such as `https://app.example.org/v1`.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The key of the API's URL.
pub const URL_KEY: &str = "api_url";
/// The key of the XMPP domain served, which every host sets.
pub const DOMAIN_KEY: &str = "domain";

/// What may stand in a path segment as it is (RFC 3986, unreserved).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Why a setting cannot work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key} {reason}")]
pub struct SettingError {
    /// The setting's key.
    pub key: &'static str,
    /// What is wrong with it and what was expected.
    pub reason: &'static str,
}

/// Settings that can work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The XMPP domain.
    pub domain: String,
    /// The URL of the API, without a slash at its end.
    base: String,
}

impl Settings {
    /// Checks what the operator wrote. `None` is a setting that is missing.
    ///
    /// # Errors
    /// The first setting that is missing or cannot work.
    pub fn new(url: Option<&str>, domain: Option<&str>) -> Result<Self, SettingError> {
        let wrong = |reason| SettingError { key: URL_KEY, reason };
        let url = url.ok_or(wrong("is missing; expected a URL such as https://app.example.org/v1"))?;
        let domain = domain.ok_or(SettingError { key: DOMAIN_KEY, reason: "is missing" })?;
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        let rest = rest.ok_or(wrong("does not begin with http:// or https://"))?;
        if !rest.bytes().all(|byte| byte.is_ascii_graphic()) || rest.contains(['?', '#', '@', '\\', '"', '<', '>']) {
            return Err(wrong("has characters that an address with a path cannot have"));
        }
        if rest.is_empty() || rest.starts_with(['/', ':']) {
            return Err(wrong("has no host"));
        }
        Ok(Self {
            domain: roster_jid::domainpart(domain)
                .map_err(|_| SettingError { key: DOMAIN_KEY, reason: "is not a domain such as example.com" })?
                .into_owned(),
            base: url.trim_end_matches('/').to_owned(),
        })
    }

    /// The URL of one page of a user's contacts. `None`: the first page.
    pub fn url(&self, user: &str, cursor: Option<&str>) -> String {
        let encode = |text| utf8_percent_encode(text, ENCODED).to_string();
        // A username of dots would be a step in the path, and servers take it.
        let user = if matches!(user, "." | "..") { user.replace('.', "%2E") } else { encode(user) };
        let query = cursor.map(|cursor| format!("?cursor={}", encode(cursor))).unwrap_or_default();
        format!("{}/users/{user}/contacts{query}", self.base)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_url_is_that_of_the_user_and_the_page() {
        for (url, user, cursor, expected) in [
            ("http://app/v1", "john", None, "http://app/v1/users/john/contacts"),
            ("http://app/v1/", "john", Some("a=b&c"), "http://app/v1/users/john/contacts?cursor=a%3Db%26c"),
            ("https://app:8443", "a#b/é", None, "https://app:8443/users/a%23b%2F%C3%A9/contacts"),
            ("http://app", "..", None, "http://app/users/%2E%2E/contacts"),
        ] {
            assert_eq!(Settings::new(Some(url), Some("example.com")).unwrap().url(user, cursor), expected);
        }
    }

    #[test]
    fn a_setting_that_cannot_work_is_named() {
        let url = Some("http://app/v1");
        for (url, domain, key) in [
            (None, Some("a"), URL_KEY),
            (Some(""), Some("a"), URL_KEY),
            (Some("app/v1"), Some("a"), URL_KEY),
            (Some("ftp://app/v1"), Some("a"), URL_KEY),
            (Some("http:///v1"), Some("a"), URL_KEY),
            (Some("http://me:secret@app/v1"), Some("a"), URL_KEY),
            (Some("http://app/v1?x=y"), Some("a"), URL_KEY),
            (Some("http://app/v 1"), Some("a"), URL_KEY),
            (url, None, DOMAIN_KEY),
        ] {
            assert_eq!(Settings::new(url, domain).unwrap_err().key, key, "{url:?}");
        }
    }
}
