//! Asking the application for one user's roster, in two steps: what to send ([`Exchange`]), and what the answer means
//! ([`Exchange::roster`], [`Exchange::refreshed`]). Who sends it and how is not decided here, so the same code runs
//! behind `wasi:http` and behind a native client.
//!
//! ```
//! use http_roster_admin::packed::{Packed, PackedBuf};
//! use http_roster_admin::protocol::{Exchange, Refreshed, Response};
//! use http_roster_admin::settings::Settings;
//!
//! let settings = Settings::new(Some("http://app.example.org/contacts/%s"), Some("example.com"))?;
//!
//! // A user connects.
//! let exchange = Exchange::first(&settings, "john")?;
//! assert_eq!(exchange.path_with_query(), "/contacts/john");
//! let body = br#"{"marie@example.com": {"name": "Marie"}}"#;
//! let roster = exchange.roster(&Response { status: 200, etag: Some(b"\"v1\""), body })?;
//! assert_eq!(roster.contacts[0].name.as_deref(), Some("Marie"));
//!
//! // The application says that something has changed.
//! let known = PackedBuf::pack(&roster.contacts)?;
//! let exchange = Exchange::again(&settings, "john", Some(&roster.tag))?;
//! assert_eq!(exchange.if_none_match(), Some(&b"\"v1\""[..]));
//! let answer = exchange.refreshed(&Response { status: 304, etag: None, body: b"" }, || known.as_packed())?;
//! assert_eq!(answer, Refreshed::Unchanged);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::contact::Contact;
use crate::diff::{Change, diff};
use crate::in_step;
use crate::packed::{LayoutError, Packed};
use crate::roster::{self, Malformed, Owner};
use crate::settings::{SettingError, Settings, URL_KEY};
use crate::tag::{Context, Tag};
use crate::url::UserError;

/// What the application is asked to send. As in the reference: Content-Type is not looked at either.
pub const ACCEPT: &str = "application/json, text/plain, */*";

/// Who asks.
pub const USER_AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));

/// The longest body that is read, in bytes: 10 MB, as in the reference.
pub const MAX_BODY: usize = 10 * 1024 * 1024;

/// Why a roster could not be had (`fetch-error` of `wit/types.wit`).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// No connection, a broken connection, or an address that is not allowed.
    #[error("{0}")]
    Unreachable(String),
    /// No answer in time.
    #[error("the application did not answer in time")]
    TimedOut,
    /// A status that is not a success: only 200 is, and 304 if the request was conditional.
    #[error("the application answered with status {0}")]
    Status(u16),
    /// A body over [`MAX_BODY`].
    #[error("the application's answer is longer than {MAX_BODY} bytes")]
    TooLarge,
    /// The body is not a roster.
    #[error("{0}")]
    Malformed(String),
    /// A setting is missing or wrong.
    #[error("{0}")]
    Misconfigured(String),
}

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

impl From<SettingError> for FetchError {
    fn from(error: SettingError) -> Self {
        Self::Misconfigured(error.to_string())
    }
}

impl From<UserError> for FetchError {
    fn from(error: UserError) -> Self {
        Self::Misconfigured(format!("{URL_KEY} has no address for this user: {error}"))
    }
}

/// What the application answered, as whoever sent the request has it.
pub trait Answer<'b> {
    /// The HTTP status.
    fn status(&self) -> u16;
    /// The body, all of it.
    fn body(&self) -> &'b [u8];
    /// The value of the `ETag` header, if there is exactly one. Only asked for if it matters: over `wasi:http` a look at
    /// a header is several calls to the host.
    fn etag(&self) -> Option<&'b [u8]>;
}

/// An [`Answer`] of which everything is known.
#[derive(Clone, Copy, Debug)]
pub struct Response<'b> {
    /// The HTTP status.
    pub status: u16,
    /// The value of the `ETag` header, if there is exactly one.
    pub etag: Option<&'b [u8]>,
    /// The body, all of it.
    pub body: &'b [u8],
}

impl<'b> Answer<'b> for Response<'b> {
    fn status(&self) -> u16 {
        self.status
    }

    fn body(&self) -> &'b [u8] {
        self.body
    }

    fn etag(&self) -> Option<&'b [u8]> {
        self.etag
    }
}

/// A whole roster (`roster` of `wit/types.wit`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched<'b> {
    /// The contacts in the application's order, each JID once.
    pub contacts: Vec<Contact<'b>>,
    /// What to hand back with the next refresh.
    pub tag: Vec<u8>,
    /// What was left out or mended, one line each.
    pub warnings: Vec<String>,
}

/// The result of a refresh (`refreshed` of `wit/types.wit`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refreshed<'b> {
    /// Nothing to do; the tag stays.
    Unchanged,
    /// The roster, its tag, or both have changed.
    Changed {
        /// At most one change per JID. Empty: the answer differs, the roster does not.
        changes: Vec<Change<'b>>,
        /// What to hand back with the next refresh.
        tag: Vec<u8>,
        /// What was left out or mended, one line each.
        warnings: Vec<String>,
    },
}

/// One request for one user's roster.
#[derive(Clone, Debug)]
pub struct Exchange<'a> {
    settings: &'a Settings,
    user: &'a str,
    target: String,
    known: Option<Tag<'a>>,
}

impl<'a> Exchange<'a> {
    /// For a user of whom nothing is known.
    ///
    /// # Errors
    /// [`FetchError::Misconfigured`]: the URL cannot address this user.
    pub fn first(settings: &'a Settings, user: &'a str) -> Result<Self, FetchError> {
        Self::again(settings, user, None)
    }

    /// For a user whose roster the host holds, with the tag that came with it. A tag that is not from this plugin
    /// under these settings is left aside.
    ///
    /// # Errors
    /// As [`Exchange::first`].
    pub fn again(settings: &'a Settings, user: &'a str, tag: Option<&'a [u8]>) -> Result<Self, FetchError> {
        let target = settings.url.path_with_query(user)?;
        let known = tag.and_then(|tag| Tag::decode(tag, settings, user));
        Ok(Self { settings, user, target, known })
    }

    /// Where the request goes, behind the scheme and the authority of [`Settings::url`].
    #[must_use]
    pub fn path_with_query(&self) -> &str {
        &self.target
    }

    /// The value of `If-None-Match`, if the request is conditional.
    #[must_use]
    pub const fn if_none_match(&self) -> Option<&'a [u8]> {
        match &self.known {
            Some(tag) => tag.etag(),
            None => None,
        }
    }

    /// All headers of the request, the names in lower case.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &'a [u8])> {
        [("accept", ACCEPT.as_bytes()), ("user-agent", USER_AGENT.as_bytes())]
            .into_iter()
            .chain(self.if_none_match().map(|etag| ("if-none-match", etag)))
    }

    /// What the answer to a first request means.
    ///
    /// # Errors
    /// [`FetchError::Status`], [`FetchError::TooLarge`] and [`FetchError::Malformed`].
    pub fn roster<'b>(&self, answer: &impl Answer<'b>) -> Result<Fetched<'b>, FetchError> {
        let body = check(answer)?;
        let tag = self.context().tag(body, answer.etag()).encode();
        let mut roster = roster::decode(body, self.owner())?;
        roster.dedup();
        Ok(Fetched { contacts: roster.contacts, tag, warnings: roster.warnings.into_lines() })
    }

    /// What the answer means for the roster that the host holds. `known` is only asked for if the bodies differ.
    ///
    /// # Errors
    /// As [`Exchange::roster`].
    pub fn refreshed<'b, 'k>(
        &self,
        answer: &impl Answer<'b>,
        known: impl FnOnce() -> Packed<'k>,
    ) -> Result<Refreshed<'b>, FetchError> {
        if answer.status() == 304 && self.if_none_match().is_some() {
            return Ok(Refreshed::Unchanged);
        }
        let body = check(answer)?;
        let context = self.context();
        let digest = context.digest(body);
        let is_same_body = self.known.is_some_and(|known| known.is_of_body(digest));
        // An application that begins to send an ETag is noticed with the next change.
        if is_same_body && self.if_none_match().is_none() {
            return Ok(Refreshed::Unchanged);
        }
        let tag = context.tag_of_digest(digest, answer.etag());
        if is_same_body {
            return Ok(match self.known {
                Some(known) if known == tag => Refreshed::Unchanged,
                _ => Refreshed::Changed { changes: Vec::new(), tag: tag.encode(), warnings: Vec::new() },
            });
        }
        let known_roster = known();
        // Without a tag of ours, what the host has was read by other rules: decode everything.
        if self.known.is_some()
            && let Some((changes, warnings)) = in_step::compare(body, known_roster, self.owner())
        {
            return Ok(Refreshed::Changed { changes, tag: tag.encode(), warnings: warnings.into_lines() });
        }
        let mut new = roster::decode(body, self.owner())?;
        let changes = diff(known_roster, &mut new)?;
        Ok(Refreshed::Changed { changes, tag: tag.encode(), warnings: new.warnings.into_lines() })
    }

    fn owner(&self) -> Owner<'_> {
        Owner { user: self.user, domain: &self.settings.domain }
    }

    /// A known tag's seed is used again: it is what makes the digests comparable.
    fn context(&self) -> Context {
        self.known.map_or_else(|| Context::new(self.settings, self.user), |tag| tag.context())
    }
}

/// The body, if it may be read.
fn check<'b>(answer: &impl Answer<'b>) -> Result<&'b [u8], FetchError> {
    match answer.status() {
        200 if answer.body().len() > MAX_BODY => Err(FetchError::TooLarge),
        200 => Ok(answer.body()),
        status => Err(FetchError::Status(status)),
    }
}
