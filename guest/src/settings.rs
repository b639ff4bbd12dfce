//! The plugin's settings, checked once.

use xmpp_roster_plugin::settings::DOMAIN;
use xmpp_roster_plugin::{ConfigError, UrlTemplate};

use crate::jid::normalize_domain;

/// The key of the URL template.
pub const URL_KEY: &str = "http_roster_url";

/// The key of the URL that is asked for many users at once. May be left out.
pub const BULK_URL_KEY: &str = "http_roster_bulk_url";

/// Settings that can work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub(crate) url: UrlTemplate,
    pub(crate) bulk_url: Option<String>,
    pub(crate) domain: String,
}

impl Settings {
    /// Checks what the operator wrote.
    ///
    /// # Errors
    /// The first setting that is missing or cannot work.
    pub fn read(settings: &xmpp_roster_plugin::Settings) -> Result<Self, ConfigError> {
        let url = settings.url_template(URL_KEY)?;
        let domain = settings.domain()?;
        let domain =
            normalize_domain(&domain).map_err(|_| ConfigError::new(DOMAIN, "is not a domain such as example.com"))?;
        Ok(Self { url, bulk_url: settings.url(BULK_URL_KEY)?, domain: domain.into_owned() })
    }

    /// Where rosters are fetched from.
    #[must_use]
    pub const fn url(&self) -> &UrlTemplate {
        &self.url
    }

    /// Where the rosters of many users are fetched from.
    #[must_use]
    pub fn bulk_url(&self) -> Option<&str> {
        self.bulk_url.as_deref()
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

    fn read(url: Option<&str>, domain: &str) -> Result<Settings, String> {
        let url = url.map(|url| (URL_KEY, url));
        let given = xmpp_roster_plugin::Settings::of(url.into_iter().chain([(DOMAIN, domain)]));
        Settings::read(&given).map_err(|error| format!("{} {}", error.key, error.reason))
    }

    #[test]
    fn good_settings_are_normalised() {
        let settings = read(Some("http://app/%s"), "Example.COM").unwrap();
        assert_eq!((settings.url().source(), settings.domain()), ("http://app/%s", "example.com"));
    }

    #[test]
    fn an_error_names_the_setting() {
        let url = Some("http://app/%s");
        for (url, domain, error) in [
            (None, "a", "http_roster_url is missing; expected a URL with %s for the username"),
            (Some("http://app"), "a", "http_roster_url has no %s to put the username into"),
            (Some("gopher://app/%s"), "a", "http_roster_url does not begin with http:// or https://"),
            (url, "", "domain is not a domain such as example.com"),
            (url, "a@b", "domain is not a domain such as example.com"),
            (url, "a/b", "domain is not a domain such as example.com"),
        ] {
            assert_eq!(read(url, domain).unwrap_err(), error);
        }
    }
}
