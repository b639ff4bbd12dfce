//! `accounts` and `http_auth_url` of `[[host]]`: who may log in to the XMPP endpoint.

use std::path::PathBuf;
use std::time::Duration;

use super::given::Given;
use super::report::At;
use super::value::SecretText;
use super::{AccountsConfig, HttpAuthConfig, OriginError, Scheme};

/// One of the two, or neither. `at` is the `[[host]]`.
pub(super) fn accounts(
    file: Given<PathBuf>,
    url: Given<SecretText>,
    cache: Given<Duration>,
    at: &At<'_>,
) -> Option<AccountsConfig> {
    if url.is_absent() && !cache.is_absent() {
        at.key("http_auth_cache").warn("there is no http_auth_url");
    }
    if !file.is_absent() && !url.is_absent() {
        at.key("http_auth_url").problem("accounts is given too; give one of the two");
        return None;
    }
    let file = at.existing_file("accounts", file).map(AccountsConfig::File);
    let application = at.get("http_auth_url", url).and_then(|url| application(&url.0, &at.key("http_auth_url")));
    let cache =
        at.wait_or_zero("http_auth_cache", cache, application.as_ref().map_or(Duration::ZERO, |http| http.cache));
    file.or_else(|| application.map(|http| AccountsConfig::Http(HttpAuthConfig { cache, ..http })))
}

fn application(url: &str, at: &At<'_>) -> Option<HttpAuthConfig> {
    match HttpAuthConfig::new(url) {
        Ok(http) => {
            if http.origin.scheme() == Scheme::Http && !http.origin.is_loopback() {
                at.warn(format!("{} is not https: passwords can be read on the way", http.origin));
            }
            Some(http)
        }
        Err(OriginError::UserInfo) => {
            at.problem("it contains a user name or password; those sent are the ones of who logs in");
            None
        }
        // The URL is not repeated: it may hold an application's key.
        Err(error) => {
            at.problem(format!("{error}; expected a URL such as \"https://app.example.org/check-password\""));
            None
        }
    }
}
