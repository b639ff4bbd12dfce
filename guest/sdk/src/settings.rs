//! What the operator wrote under `[host.settings]`.

use std::collections::BTreeMap;

#[cfg(target_arch = "wasm32")]
use crate::bindings::wasi::config::store;
use crate::bindings::xmpp::roster::types::ConfigError;
use crate::url::{self, UrlTemplate};

/// The key of the XMPP domain served, such as `example.com`. Every host sets it.
pub const DOMAIN: &str = "domain";

/// The settings: the host's, or in a test those that are given.
#[derive(Clone, Debug)]
pub struct Settings(Source);

#[derive(Clone, Debug)]
enum Source {
    #[cfg(target_arch = "wasm32")]
    Host,
    Values(BTreeMap<String, String>),
}

impl Settings {
    #[cfg(target_arch = "wasm32")]
    pub(crate) const fn of_host() -> Self {
        Self(Source::Host)
    }

    /// For a test: these, and `example.com` as the domain unless it is among them.
    #[must_use]
    pub fn of<'a>(settings: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let domain = (DOMAIN, "example.com");
        let all = std::iter::once(domain).chain(settings);
        Self(Source::Values(all.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()))
    }

    /// The value of a setting, if there is one.
    ///
    /// # Errors
    /// The host could not look it up.
    pub fn get(&self, key: &str) -> Result<Option<String>, ConfigError> {
        match &self.0 {
            Source::Values(given) => Ok(given.get(key).cloned()),
            #[cfg(target_arch = "wasm32")]
            Source::Host => store::get(key).map_err(|error| match error {
                store::Error::Upstream(error) | store::Error::Io(error) => {
                    ConfigError::new(key, format!("could not be read: {error}"))
                }
            }),
        }
    }

    /// The value of a setting that has to be there.
    ///
    /// # Errors
    /// It is missing; says what was `expected`, such as `a name`.
    pub fn required(&self, key: &str, expected: &str) -> Result<String, ConfigError> {
        self.get(key)?.ok_or_else(|| ConfigError::new(key, format!("is missing; expected {expected}")))
    }

    /// The URL with a `%s` for the username that this setting has to be.
    ///
    /// # Errors
    /// It is missing or no such URL.
    pub fn url_template(&self, key: &str) -> Result<UrlTemplate, ConfigError> {
        let text = self.required(key, "a URL with %s for the username")?;
        UrlTemplate::parse(&text).map_err(|error| ConfigError::new(key, error.to_string()))
    }

    /// The URL without a `%s` that this setting is, if it is there.
    ///
    /// # Errors
    /// It is no such URL.
    pub fn url(&self, key: &str) -> Result<Option<String>, ConfigError> {
        let Some(text) = self.get(key)? else { return Ok(None) };
        url::fixed(&text).map(Some).map_err(|error| ConfigError::new(key, error.to_string()))
    }

    /// The XMPP domain served.
    ///
    /// # Errors
    /// The host has set none.
    pub fn domain(&self) -> Result<String, ConfigError> {
        self.required(DOMAIN, "the XMPP domain")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_cannot_work_is_named() {
        let settings = Settings::of([("url", "http://app/%s"), ("bad", "http://app")]);
        assert_eq!(settings.url_template("url").map(|url| url.source().to_owned()), Ok("http://app/%s".to_owned()));
        for (key, reason) in [
            ("bad", "has no %s to put the username into"),
            ("none", "is missing; expected a URL with %s for the username"),
        ] {
            assert_eq!(settings.url_template(key), Err(ConfigError::new(key, reason)));
        }
        assert_eq!(settings.url("bad"), Ok(Some("http://app/".to_owned())));
        assert_eq!(settings.url("none"), Ok(None));
        let reason = "has a %s in it; this URL is asked for many users at once";
        assert_eq!(settings.url("url"), Err(ConfigError::new("url", reason)));
        assert_eq!(
            settings.required("token", "a token").map_err(|error| error.reason),
            Err("is missing; expected a token".into())
        );
        assert_eq!(
            (settings.domain(), Settings::of([(DOMAIN, "a")]).domain()),
            (Ok("example.com".into()), Ok("a".into()))
        );
    }
}
