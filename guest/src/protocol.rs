//! Asking the application for one user's roster: what to send ([`Fetch::url`], [`Fetch::headers`]), and what the response
//! means ([`Fetch::roster`], [`Fetch::refreshed`]). Who sends it and how is not decided here.
//!
//! ```
//! use http_roster_admin::roster::packed::{Packed, pack};
//! use http_roster_admin::protocol::{Fetch, Refreshed, Response};
//! use http_roster_admin::settings::Settings;
//!
//! let given = [("http_roster_url", "http://app.example.org/contacts/%s"), ("domain", "example.com")];
//! let settings = Settings::read(&xmpp_roster_plugin::Settings::of(given))?;
//!
//! // A user connects.
//! let fetch = Fetch::new(&settings, "john", None);
//! assert_eq!(fetch.url()?, "http://app.example.org/contacts/john");
//! let body = br#"{"marie@example.com": {"name": "Marie"}}"#;
//! let roster = fetch.roster(&Response { status: 200, etag: Some("\"v1\""), body })?;
//! assert_eq!(roster.contacts[0].name.as_deref(), Some("Marie"));
//!
//! // The application says that something has changed.
//! let known = pack(&roster.contacts)?;
//! let fetch = Fetch::new(&settings, "john", Some(&roster.tag));
//! assert_eq!(fetch.if_none_match(), Some("\"v1\""));
//! let refreshed = fetch.refreshed(&Response { status: 304, etag: None, body: b"" }, || Packed::from(&known))?;
//! assert_eq!(refreshed, Refreshed::Unchanged);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub use xmpp_roster_plugin::FetchError;
use xmpp_roster_plugin::etag;

use crate::changes::diff::{Change, diff};
use crate::changes::in_step;
use crate::roster::contact::Contact;
use crate::roster::packed::{LayoutError, Packed};
use crate::roster::{self, Malformed, Owner};
use crate::settings::{Settings, URL_KEY};

/// What the application is asked to send. As in the reference: Content-Type is not looked at either.
pub const ACCEPT: &str = "application/json, text/plain, */*";

/// Who asks.
pub const USER_AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));

/// The longest body that is read, in bytes: 10 MB, as in the reference.
pub const MAX_BODY: usize = 10 * 1024 * 1024;

impl From<Malformed> for FetchError {
    fn from(error: Malformed) -> Self {
        Self::Malformed(error.to_string())
    }
}

impl From<LayoutError> for FetchError {
    fn from(error: LayoutError) -> Self {
        Self::Malformed(error.to_string())
    }
}

/// What the application answered.
#[derive(Clone, Copy, Debug)]
pub struct Response<'b> {
    /// The HTTP status.
    pub status: u16,
    /// The value of the `ETag` header, if there is exactly one.
    pub etag: Option<&'b str>,
    /// The body, all of it.
    pub body: &'b [u8],
}

impl<'b> Response<'b> {
    /// The body, if it may be read.
    fn readable(&self) -> Result<&'b [u8], FetchError> {
        match self.status {
            200 if self.body.len() > MAX_BODY => Err(FetchError::TooLarge),
            200 => Ok(self.body),
            status => Err(FetchError::Status(status)),
        }
    }

    /// The validator that the host keeps: the `ETag`, or nothing in it if there is none that can be sent back.
    fn tag(&self) -> &'b [u8] {
        self.etag.filter(|etag| etag::is_etag(etag)).unwrap_or_default().as_bytes()
    }
}

/// A whole roster (`roster` of `wit/types.wit`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched<'b> {
    /// The contacts in the application's order, each JID once.
    pub contacts: Vec<Contact<'b>>,
    /// What to hand back with the next request.
    pub tag: Vec<u8>,
    /// What was left out or mended, one line each.
    pub warnings: Vec<String>,
}

/// The result of a refresh (`unchanged` and `changed` of `step` in `wit/types.wit`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refreshed<'b> {
    /// Nothing to do; the tag stays.
    Unchanged,
    /// The roster, its tag, or both have changed.
    Changed {
        /// At most one change per JID. Empty: the answer differs, the roster does not.
        changes: Vec<Change<'b>>,
        /// What to hand back with the next request.
        tag: Vec<u8>,
        /// What was left out or mended, one line each.
        warnings: Vec<String>,
    },
}

/// One request for one user's roster, and what its response means.
#[derive(Clone, Copy, Debug)]
pub struct Fetch<'a> {
    settings: &'a Settings,
    user: &'a str,
    tag: Option<&'a [u8]>,
}

impl<'a> Fetch<'a> {
    /// `tag`: that of the roster which the host holds, if this plugin has read it under these settings.
    #[must_use]
    pub const fn new(settings: &'a Settings, user: &'a str, tag: Option<&'a [u8]>) -> Self {
        Self { settings, user, tag }
    }

    /// Where the request goes.
    ///
    /// # Errors
    /// [`FetchError::Misconfigured`]: the URL cannot address this user.
    pub fn url(&self) -> Result<String, FetchError> {
        let url = self.settings.url.url(self.user);
        url.map_err(|error| FetchError::Misconfigured(format!("{URL_KEY} has no address for this user: {error}")))
    }

    /// The value of `If-None-Match`, if the request is conditional.
    #[must_use]
    pub fn if_none_match(&self) -> Option<&'a str> {
        etag::condition(self.tag)
    }

    /// All headers of the request, the names in lower case.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &'a str)> {
        let condition = self.if_none_match().map(|etag| ("if-none-match", etag));
        [("accept", ACCEPT), ("user-agent", USER_AGENT)].into_iter().chain(condition)
    }

    /// What the response means for a user whose roster the host does not hold.
    ///
    /// # Errors
    /// [`FetchError::Status`], [`FetchError::TooLarge`] and [`FetchError::Malformed`].
    pub fn roster<'b>(&self, response: &Response<'b>) -> Result<Fetched<'b>, FetchError> {
        let mut roster = roster::decode(response.readable()?, self.owner())?;
        roster.dedup();
        Ok(Fetched { contacts: roster.contacts, tag: response.tag().to_vec(), warnings: roster.warnings.into_lines() })
    }

    /// What the response means for the roster that the host holds. `known` is only asked for if it is not 304.
    ///
    /// # Errors
    /// As [`Fetch::roster`].
    pub fn refreshed<'b, 'k>(
        &self,
        response: &Response<'b>,
        known: impl FnOnce() -> Packed<'k>,
    ) -> Result<Refreshed<'b>, FetchError> {
        if response.status == 304 && self.if_none_match().is_some() {
            return Ok(Refreshed::Unchanged);
        }
        let body = response.readable()?;
        let known = known();
        let (changes, warnings) = self.compare(body, known)?;
        let tag = response.tag();
        if changes.is_empty() && warnings.is_empty() && self.tag == Some(tag) {
            return Ok(Refreshed::Unchanged);
        }
        Ok(Refreshed::Changed { changes, tag: tag.to_vec(), warnings })
    }

    fn compare<'b>(&self, body: &'b [u8], known: Packed<'_>) -> Result<(Vec<Change<'b>>, Vec<String>), FetchError> {
        // Without a tag of ours, what the host has was read by other rules: decode everything.
        if self.tag.is_some()
            && let Some((changes, warnings)) = in_step::compare(body, known, self.owner())
        {
            return Ok((changes, warnings.into_lines()));
        }
        let mut new = roster::decode(body, self.owner())?;
        let changes = diff(known, &mut new)?;
        Ok((changes, new.warnings.into_lines()))
    }

    fn owner(&self) -> Owner<'_> {
        Owner { user: self.user, domain: &self.settings.domain }
    }
}
