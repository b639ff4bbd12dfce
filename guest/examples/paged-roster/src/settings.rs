//! `api_url`: where the application's API begins, such as `https://app.example.org/v1`.

use roster_jid::domainpart;
use xmpp_roster_plugin::settings::DOMAIN;
use xmpp_roster_plugin::url::{UserError, encode};
use xmpp_roster_plugin::{ConfigError, UrlTemplate};

/// The key of the API's URL.
pub const URL_KEY: &str = "api_url";

/// Settings that can work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The XMPP domain.
    pub domain: String,
    /// The first page of a user's contacts.
    contacts: UrlTemplate,
}

impl Settings {
    /// Checks what the operator wrote.
    ///
    /// # Errors
    /// The first setting that is missing or cannot work.
    pub fn read(settings: &xmpp_roster_plugin::Settings) -> Result<Self, ConfigError> {
        let base = settings.required(URL_KEY, "a URL such as https://app.example.org/v1")?;
        if base.contains(['?', '%']) {
            return Err(ConfigError::new(URL_KEY, "has a query or an escape; expected a URL with a plain path"));
        }
        let contacts = UrlTemplate::parse(&format!("{}/users/%s/contacts", base.trim_end_matches('/')));
        let domain = settings.domain()?;
        Ok(Self {
            domain: domainpart(&domain)
                .map_err(|_| ConfigError::new(DOMAIN, "is not a domain such as example.com"))?
                .into_owned(),
            contacts: contacts.map_err(|error| ConfigError::new(URL_KEY, error.to_string()))?,
        })
    }

    /// The URL of one page of a user's contacts. `None`: the first page.
    ///
    /// # Errors
    /// The username cannot stand in a path.
    pub fn url(&self, user: &str, cursor: Option<&str>) -> Result<String, UserError> {
        let url = self.contacts.url(user)?;
        Ok(match cursor {
            Some(cursor) => format!("{url}?cursor={}", encode(cursor)),
            None => url,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(url: &str) -> Result<Settings, ConfigError> {
        Settings::read(&xmpp_roster_plugin::Settings::of([(URL_KEY, url)]))
    }

    #[test]
    fn the_url_is_that_of_the_user_and_the_page() {
        for (url, user, cursor, expected) in [
            ("http://app/v1", "john", None, "http://app/v1/users/john/contacts"),
            ("http://app/v1/", "john", Some("a=b&c"), "http://app/v1/users/john/contacts?cursor=a%3Db%26c"),
            ("https://app:8443", "a#b/é", None, "https://app:8443/users/a%23b%2F%C3%A9/contacts"),
        ] {
            assert_eq!(read(url).unwrap().url(user, cursor).unwrap(), expected);
        }
        assert!(read("http://app").unwrap().url("..", None).is_err());
    }

    #[test]
    fn a_setting_that_cannot_work_is_named() {
        for url in [
            "",
            "app/v1",
            "ftp://app/v1",
            "http:///v1",
            "http://me:secret@app/v1",
            "http://app/v1?x=y",
            "http://app/v 1",
        ] {
            assert_eq!(read(url).unwrap_err().key, URL_KEY, "{url:?}");
        }
        let missing = Settings::read(&xmpp_roster_plugin::Settings::of([]));
        assert_eq!(missing.unwrap_err().key, URL_KEY);
    }
}
