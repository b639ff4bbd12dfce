//! A user's contacts, page after page.
//!
//! The first page carries the `ETag` of the whole list. With the one from the time before in `If-None-Match`, a list that
//! has not changed costs one request and no body. Every later page has to carry the same one: if it does not, the list
//! has changed while it was being read, and is read again from the start.
//!
//! The plugin keeps nothing between two pages: what has been read so far travels with the request for the next one.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::contact::Contact;
use crate::page::Page;
use crate::settings::Settings;

/// Pages of one list at most. The host has its own limit, `limits.max_requests_per_call`.
pub const MOST_PAGES: usize = 64;
/// How often a list that changes while it is read is begun.
const TRIES: u32 = 3;
/// Warnings at most; then they are counted.
const MOST_WARNINGS: usize = 20;
/// An `ETag` longer than this is not kept, bytes.
const LONGEST_ETAG: usize = 1024;

/// Why there is no list (`fetch-error` of the WIT; what came of no response, the host says itself).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchError {
    /// A status that is not a success.
    Status(u16),
    /// More pages than are read.
    TooLarge,
    /// Not what the protocol says.
    Malformed(String),
}

/// What to ask: a `GET` of this URL, with this `If-None-Match` if there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Absolute.
    pub url: String,
    /// The `ETag` of the list that the host holds.
    pub if_none_match: Option<String>,
}

/// What the application answered to one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The value of `ETag`, if there is exactly one.
    pub etag: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// All contacts of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    /// In the application's order, each JID once.
    pub contacts: Vec<Contact>,
    /// The `ETag`, if there is one that can be sent back.
    pub tag: Option<Vec<u8>>,
    /// What was left out, one line each.
    pub warnings: Vec<String>,
}

/// What a response means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The list is the one that the tag came with.
    Unchanged,
    /// This is the list now.
    List(List),
    /// There is more to ask, and what to hand back with the response.
    Next(Request, Vec<u8>),
}

/// What to ask first. `tag`: what came with the list that the host holds.
pub fn first(settings: &Settings, user: &str, tag: Option<&[u8]>) -> Request {
    let etag = tag.and_then(|tag| std::str::from_utf8(tag).ok()).filter(|etag| is_etag(etag));
    Request { url: settings.url(user, None), if_none_match: etag.map(str::to_owned) }
}

/// What the response to the request for the next page means. `tag` as for [`first`]; `state`: what [`Step::Next`] said, at
/// first nothing.
///
/// # Errors
/// It is no list.
pub fn read(
    settings: &Settings,
    user: &str,
    tag: Option<&[u8]>,
    response: Response,
    state: &[u8],
) -> Result<Step, FetchError> {
    let is_conditional = state.is_empty() && first(settings, user, tag).if_none_match.is_some();
    match response.status {
        200 => {}
        304 if is_conditional => return Ok(Step::Unchanged),
        status => return Err(FetchError::Status(status)),
    }
    let mut reading = if state.is_empty() { Reading::default() } else { Reading::resume(state)? };
    let etag = response.etag.filter(|etag| is_etag(etag));
    if reading.cursors.is_empty() {
        reading.etag = etag;
    } else if reading.etag.is_some() && reading.etag != etag {
        // It has changed meanwhile.
        let tries = reading.tries + 1;
        if tries >= TRIES {
            return Err(FetchError::Malformed(format!("the list has changed {TRIES} times while it was being read")));
        }
        return next(settings, user, None, &Reading { tries, ..Reading::default() });
    }
    let owner = format!("{user}@{}", settings.domain);
    match reading.take(&response.body, &owner)? {
        None => Ok(Step::List(reading.finish())),
        Some(cursor) if reading.cursors.contains(&cursor) => {
            Err(FetchError::Malformed("a cursor leads back to a page that was read".to_owned()))
        }
        Some(_) if reading.cursors.len() + 1 >= MOST_PAGES => Err(FetchError::TooLarge),
        Some(cursor) => {
            reading.cursors.push(cursor.clone());
            next(settings, user, Some(&cursor), &reading)
        }
    }
}

fn next(settings: &Settings, user: &str, cursor: Option<&str>, reading: &Reading) -> Result<Step, FetchError> {
    let state = serde_json::to_vec(reading).map_err(|error| FetchError::Malformed(error.to_string()))?;
    Ok(Step::Next(Request { url: settings.url(user, cursor), if_none_match: None }, state))
}

/// An entity tag as RFC 9110 section 8.8.3 writes it.
fn is_etag(text: &str) -> bool {
    let opaque = text.strip_prefix("W/").unwrap_or(text);
    let opaque = opaque.strip_prefix('"').and_then(|opaque| opaque.strip_suffix('"'));
    text.len() <= LONGEST_ETAG
        && opaque.is_some_and(|opaque| opaque.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x7E | 0x80..)))
}

/// The list as far as it was read.
#[derive(Default, Deserialize, Serialize)]
struct Reading {
    /// How often it was begun again.
    tries: u32,
    etag: Option<String>,
    /// Of the pages asked for.
    cursors: Vec<String>,
    contacts: Vec<Contact>,
    warnings: Vec<String>,
    /// Warnings that were only counted.
    more: usize,
    /// Where each JID is among the contacts.
    #[serde(skip)]
    places: HashMap<String, usize>,
}

impl Reading {
    fn resume(state: &[u8]) -> Result<Self, FetchError> {
        let mut reading: Self =
            serde_json::from_slice(state).map_err(|error| FetchError::Malformed(format!("the state: {error}")))?;
        let jids = reading.contacts.iter().map(|contact| contact.jid.clone());
        reading.places = jids.enumerate().map(|(at, jid)| (jid, at)).collect();
        Ok(reading)
    }

    /// Adds one page; returns where the list goes on.
    fn take(&mut self, body: &[u8], owner: &str) -> Result<Option<String>, FetchError> {
        let page = Page::decode(body).map_err(FetchError::Malformed)?;
        for item in page.items {
            let address = item.get("address").and_then(Value::as_str).unwrap_or_default().escape_debug().to_string();
            let mut odd = Vec::new();
            match Contact::of(&item, owner, |field| odd.push(field)) {
                Ok(contact) => self.keep(contact),
                Err(fault) => self.warn(format!("left out the contact \"{address}\": {fault}")),
            }
            for field in odd {
                self.warn(format!("contact \"{address}\": its {field} cannot be used as it is"));
            }
        }
        Ok(page.next.filter(|next| !next.is_empty()))
    }

    /// The last of several items with one JID counts, in the place of the first.
    fn keep(&mut self, contact: Contact) {
        match self.places.get(&contact.jid).and_then(|place| self.contacts.get_mut(*place)) {
            Some(earlier) => {
                let warning = format!("the contact {} is there twice; the last counts", contact.jid);
                *earlier = contact;
                self.warn(warning);
            }
            None => {
                self.places.insert(contact.jid.clone(), self.contacts.len());
                self.contacts.push(contact);
            }
        }
    }

    fn warn(&mut self, line: String) {
        if self.warnings.len() < MOST_WARNINGS {
            self.warnings.push(line);
        } else {
            self.more += 1;
        }
    }

    fn finish(mut self) -> List {
        if self.more > 0 {
            self.warnings.push(format!("and {} more", self.more));
        }
        List { contacts: self.contacts, tag: self.etag.map(String::into_bytes), warnings: self.warnings }
    }
}
