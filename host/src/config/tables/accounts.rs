//! Who may log in to the XMPP endpoint: `accounts` and `http_auth_url` of `[[host]]`.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::mistakes::place::At;
use crate::config::table::{Entry, Key, Kind};
use crate::config::values::kind::{existing_file, secs, wait_or_zero};
use crate::config::values::kind_secret::secret_text;
use crate::config::{Origin, OriginError, Scheme, Secret};

/// The application checks passwords: a `GET` with the user's name and password as Basic authentication, answered 200, or 401
/// or 403. The client's deadlines, certificates and address rules are those of `[host.client]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAuthConfig {
    /// `http_auth_url`. It may hold an application's key.
    pub url: Secret,
    /// Where that is; requests go nowhere else.
    pub origin: Origin,
    /// `http_auth_cache`: how long a right password is taken for right without asking again. That long an old one works after a
    /// change, too. Zero: every login asks.
    pub cache: Duration,
}

impl HttpAuthConfig {
    /// How long an answer is kept by default.
    const CACHE: Duration = secs(60);

    /// The application at `url` and the defaults for the rest.
    pub fn new(url: &str) -> Result<Self, OriginError> {
        let origin = Origin::of_url(url)?;
        Ok(Self { url: Secret::new(url), origin, cache: Self::CACHE })
    }
}

/// Who may log in to the XMPP endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountsConfig {
    /// A file that `roster-host account` writes.
    File(PathBuf),
    /// The application: `http_auth_url`.
    Http(HttpAuthConfig),
    /// Users and passwords. There is no key for it: for the demo, and for programs that embed the host.
    Fixed(Vec<(String, Secret)>),
}

/// `accounts`, or `http_auth_url` and `http_auth_cache`.
pub(super) struct AccountsKeys;

impl Kind for AccountsKeys {
    type Value = Option<AccountsConfig>;

    fn read(&self, at: &At<'_>, key: &'static str, _: Self::Value) -> Self::Value {
        if at.has("http_auth_cache") && !at.has("http_auth_url") {
            at.key("http_auth_cache").warn("there is no http_auth_url");
        }
        let cache = wait_or_zero().read(at, "http_auth_cache", HttpAuthConfig::CACHE);
        let at_url = at.key("http_auth_url");
        if at.has(key) && at_url.is_given() {
            at_url.problem("accounts is given too; give one of the two");
            return None;
        }
        let file = existing_file().or_none().read(at, key, None).map(AccountsConfig::File);
        let application = at_url.read(secret_text).and_then(|url| application(&url, &at_url));
        file.or_else(|| application.map(|http| AccountsConfig::Http(HttpAuthConfig { cache, ..http })))
    }

    fn entries(&self, key: &'static str, _: &'static str, value: &Self::Value) -> Vec<Entry> {
        let (file, http) = match value {
            Some(AccountsConfig::File(file)) => (Some(file.clone()), None),
            Some(AccountsConfig::Http(http)) => (None, Some(http)),
            _ => (None, None),
        };
        let mut entries = existing_file().or_none().entries(
            key,
            "Who may log in to the XMPP endpoint: a file that `roster-host account add john --file accounts.txt` makes. It is \
             read again when it changes. Beside it the host makes `accounts.txt.secret`, from which the salts come that names \
             without an account are asked with; if it cannot write there, it does so in `plugin_state`.",
            &file,
        );
        let url = http.map_or("none", |http| http.url.reveal());
        entries.push(Entry::Key(Key {
            secret: true,
            ..Key::new(
                "http_auth_url",
                "URL",
                url,
                "Or the application checks passwords: `GET` with the user's name and password as Basic authentication, answered \
                 200, or 401 or 403. Deadlines, certificates and address rules are those of `[host.client]`. Clients need PLAIN \
                 for it, and so TLS.",
            )
        }));
        entries.extend(wait_or_zero().entries(
            "http_auth_cache",
            "How long a right password is taken for right without asking again; that long an old one works after a change. \
             `\"0s\"`: every login asks.",
            &http.map_or(HttpAuthConfig::CACHE, |http| http.cache),
        ));
        entries
    }
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
