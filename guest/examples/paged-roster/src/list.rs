//! A user's contacts, page after page.
//!
//! The first page carries the `ETag` of the whole list. With the one from the time before in `If-None-Match`, a list that
//! has not changed costs one request and no body. Every later page has to carry the same one: if it does not, the list
//! has changed while it was being read, and is read again from the start.

use std::collections::HashMap;

use serde_json::Value;

use crate::contact::Contact;
use crate::page::Page;
use crate::settings::Settings;

/// Pages of one list at most. The host has its own limit, `limits.max_requests_per_call`.
pub const MOST_PAGES: usize = 64;
/// How often a list that changes while it is read is begun.
const TRIES: usize = 3;
/// Warnings at most; then they are counted.
const MOST_WARNINGS: usize = 20;
/// An `ETag` longer than this is not kept, bytes.
const LONGEST_ETAG: usize = 1024;

/// Why there is no list (`fetch-error` of the WIT).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchError {
    /// No connection, or a broken one.
    Unreachable(String),
    /// No answer in time.
    TimedOut,
    /// A status that is not a success.
    Status(u16),
    /// Too long.
    TooLarge,
    /// Not what the protocol says.
    Malformed(String),
    /// A setting is wrong.
    Misconfigured(String),
}

/// What the application answered to one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The value of `ETag`, if there is exactly one.
    pub etag: Option<Vec<u8>>,
    /// The body.
    pub body: Vec<u8>,
}

/// Whoever sends a `GET` to a path of the API. With `wasi:http` in the component, with a list of answers in tests.
pub trait Get {
    /// Sends the request, with `If-None-Match` if there is an `ETag`.
    ///
    /// # Errors
    /// There is no answer.
    fn get(&mut self, path: &str, etag: Option<&[u8]>) -> Result<Response, FetchError>;
}

/// All contacts of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    /// In the application's order, each JID once.
    pub contacts: Vec<Contact>,
    /// What to give back with the next request for this user: see [`known_etag`].
    pub tag: Option<Vec<u8>>,
    /// What was left out, one line each.
    pub warnings: Vec<String>,
}

/// What came of asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The list is the one that `tag` came with.
    Unchanged,
    /// This is the list now.
    List(List),
}

/// Asks for the contacts of `user`. `tag`: what came with the list that the host holds.
///
/// # Errors
/// There is no answer, or it is no list.
pub fn ask(http: &mut impl Get, settings: &Settings, user: &str, tag: Option<&[u8]>) -> Result<Asked, FetchError> {
    let mut etag = known_etag(tag, settings, user);
    for _ in 0..TRIES {
        let first = http.get(&settings.path(user, None), etag)?;
        match (first.status, etag) {
            (304, Some(_)) => return Ok(Asked::Unchanged),
            (200, _) => {}
            (status, _) => return Err(FetchError::Status(status)),
        }
        if let Some(list) = read(http, settings, user, first)? {
            return Ok(Asked::List(list));
        }
        etag = None;
    }
    Err(FetchError::Malformed(format!("the list has changed {TRIES} times while it was being read")))
}

/// Reads the list that begins with `first`. `None`: it has changed meanwhile.
fn read(http: &mut impl Get, settings: &Settings, user: &str, first: Response) -> Result<Option<List>, FetchError> {
    let etag = first.etag.filter(|etag| is_etag(etag));
    let mut reading = Reading::new(user, &settings.domain);
    let mut next = reading.take(&first.body)?;
    let mut cursors: Vec<String> = Vec::new();
    while let Some(cursor) = next {
        if cursors.contains(&cursor) {
            return Err(FetchError::Malformed("a cursor leads back to a page that was read".to_owned()));
        }
        if cursors.len() + 1 >= MOST_PAGES {
            return Err(FetchError::TooLarge);
        }
        let page = http.get(&settings.path(user, Some(&cursor)), None)?;
        if page.status != 200 {
            return Err(FetchError::Status(page.status));
        }
        if etag.is_some() && page.etag != etag {
            return Ok(None);
        }
        cursors.push(cursor);
        next = reading.take(&page.body)?;
    }
    let tag = etag.map(|etag| [settings.path(user, None).as_bytes(), b"\n", &etag].concat());
    Ok(Some(List { tag, ..reading.finish() }))
}

/// The `ETag` within a tag, if the tag is of the same address: after a change of `api_url` it says nothing.
fn known_etag<'t>(tag: Option<&'t [u8]>, settings: &Settings, user: &str) -> Option<&'t [u8]> {
    tag?.strip_prefix(settings.path(user, None).as_bytes())?.strip_prefix(b"\n").filter(|etag| is_etag(etag))
}

/// An entity tag as RFC 9110 section 8.8.3 writes it.
fn is_etag(text: &[u8]) -> bool {
    let opaque = text.strip_prefix(b"W/").unwrap_or(text);
    let opaque = opaque.strip_prefix(b"\"").and_then(|opaque| opaque.strip_suffix(b"\""));
    text.len() <= LONGEST_ETAG
        && opaque.is_some_and(|opaque| opaque.iter().all(|byte| matches!(byte, 0x21 | 0x23..=0x7E | 0x80..)))
}

/// The list as far as it was read.
struct Reading {
    owner: String,
    list: List,
    places: HashMap<String, usize>,
    more: usize,
}

impl Reading {
    fn new(user: &str, domain: &str) -> Self {
        Self { owner: format!("{user}@{domain}"), list: List::default(), places: HashMap::new(), more: 0 }
    }

    /// Adds one page; returns where the list goes on.
    fn take(&mut self, body: &[u8]) -> Result<Option<String>, FetchError> {
        let page = Page::decode(body).map_err(FetchError::Malformed)?;
        for item in page.items {
            let address = item.get("address").and_then(Value::as_str).unwrap_or_default().escape_debug().to_string();
            let mut odd = Vec::new();
            match Contact::of(&item, &self.owner, |field| odd.push(field)) {
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
        match self.places.get(&contact.jid).and_then(|place| self.list.contacts.get_mut(*place)) {
            Some(earlier) => {
                let warning = format!("the contact {} is there twice; the last counts", contact.jid);
                *earlier = contact;
                self.warn(warning);
            }
            None => {
                self.places.insert(contact.jid.clone(), self.list.contacts.len());
                self.list.contacts.push(contact);
            }
        }
    }

    fn warn(&mut self, line: String) {
        if self.list.warnings.len() < MOST_WARNINGS {
            self.list.warnings.push(line);
        } else {
            self.more += 1;
        }
    }

    fn finish(mut self) -> List {
        if self.more > 0 {
            self.list.warnings.push(format!("and {} more", self.more));
        }
        self.list
    }
}
