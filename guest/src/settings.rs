//! The plugin's settings, checked once.

use crate::jid::normalize_domain;
use crate::url::UrlTemplate;

/// The key of the URL template: see [`crate::url`].
pub const URL_KEY: &str = "http_roster_url";
/// The key of the XMPP domain served, such as `example.com`. Every host sets it.
pub const DOMAIN_KEY: &str = "domain";

/// Why a setting cannot work (`config-error` of `wit/types.wit`).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key} {reason}")]
pub struct SettingError {
    /// The setting's key.
    pub key: &'static str,
    /// What is wrong with it and what was expected, to be read after the key.
    pub reason: String,
}

/// Settings that can work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub(crate) url: UrlTemplate,
    pub(crate) domain: String,
}

impl Settings {
    /// Checks what the operator wrote. `None` is a setting that is missing.
    ///
    /// # Errors
    /// The first setting that is missing or cannot work.
    pub fn new(url: Option<&str>, domain: Option<&str>) -> Result<Self, SettingError> {
        let wrong = |key, reason: &dyn ToString| SettingError { key, reason: reason.to_string() };
        let url = url.ok_or_else(|| wrong(URL_KEY, &"is missing; expected a URL with %s for the username"))?;
        let domain = domain.ok_or_else(|| wrong(DOMAIN_KEY, &"is missing; expected the XMPP domain"))?;
        Ok(Self {
            url: UrlTemplate::parse(url).map_err(|error| wrong(URL_KEY, &error))?,
            domain: normalize_domain(domain)
                .map_err(|_| wrong(DOMAIN_KEY, &"is not a domain such as example.com"))?
                .into_owned(),
        })
    }

    /// Where rosters are fetched from.
    #[must_use]
    pub const fn url(&self) -> &UrlTemplate {
        &self.url
    }

    /// The XMPP domain served, normalised.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn good_settings_are_normalised() {
        let settings = Settings::new(Some("http://app/%s"), Some("Example.COM")).unwrap();
        assert_eq!((settings.url().source(), settings.domain()), ("http://app/%s", "example.com"));
    }

    #[test]
    fn an_error_names_the_setting() {
        let url = Some("http://app/%s");
        for (url, domain, error) in [
            (None, Some("a"), "http_roster_url is missing; expected a URL with %s for the username"),
            (Some("http://app"), Some("a"), "http_roster_url has no %s to put the username into"),
            (Some("gopher://app/%s"), Some("a"), "http_roster_url does not begin with http:// or https://"),
            (url, None, "domain is missing; expected the XMPP domain"),
            (url, Some(""), "domain is not a domain such as example.com"),
            (url, Some("a@b"), "domain is not a domain such as example.com"),
            (url, Some("a/b"), "domain is not a domain such as example.com"),
        ] {
            assert_eq!(Settings::new(url, domain).unwrap_err().to_string(), error);
        }
    }
}
