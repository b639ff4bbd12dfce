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

use xmpp_roster_plugin::{Call, Contact, FetchError, Request, Response, Roster, Step, Warnings};

use crate::contact;
use crate::page::Page;
use crate::settings::Settings;

/// Pages of one list at most. The host has its own limit, `limits.max_requests_per_call`.
pub const MOST_PAGES: usize = 64;
/// How often a list that changes while it is read is begun.
const TRIES: u32 = 3;
/// What to ask first. `tag`: what came with the list that the host holds.
///
/// # Errors
/// The API has no URL for this user.
pub fn first(settings: &Settings, user: &str, tag: Option<&[u8]>) -> Result<Request, FetchError> {
    Ok(Request::get(settings.url(user, None)?).accept_json().if_none_match(tag))
}

/// What a response means: the list, or a request for its next page, with what has been read so far.
///
/// # Errors
/// It is no list.
pub fn read(settings: &Settings, call: &Call<'_>, response: &Response) -> Result<Step, FetchError> {
    if call.is_not_modified(response) {
        return Ok(Step::Unchanged);
    }
    let body = response.content()?;
    let mut reading = if call.state.is_empty() { Reading::default() } else { Reading::resume(call.state)? };
    let etag = response.etag();
    if reading.cursors.is_empty() {
        reading.etag = etag.map(str::to_owned);
    } else if reading.etag.is_some() && reading.etag.as_deref() != etag {
        // It has changed meanwhile.
        let tries = reading.tries + 1;
        if tries >= TRIES {
            return Err(FetchError::Malformed(format!("the list has changed {TRIES} times while it was being read")));
        }
        return next(settings, call.user, None, &Reading { tries, ..Reading::default() });
    }
    let owner = format!("{}@{}", call.user, settings.domain);
    match reading.take(body, &owner)? {
        None => Ok(reading.finish().into()),
        Some(cursor) if reading.cursors.contains(&cursor) => {
            Err(FetchError::Malformed("a cursor leads back to a page that was read".to_owned()))
        }
        Some(_) if reading.cursors.len() + 1 >= MOST_PAGES => Err(FetchError::TooLarge),
        Some(cursor) => {
            reading.cursors.push(cursor.clone());
            next(settings, call.user, Some(&cursor), &reading)
        }
    }
}

fn next(settings: &Settings, user: &str, cursor: Option<&str>, reading: &Reading) -> Result<Step, FetchError> {
    let state = serde_json::to_vec(reading).map_err(|error| FetchError::Malformed(error.to_string()))?;
    Ok(Request::get(settings.url(user, cursor)?).accept_json().next(state))
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
    warnings: Warnings,
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
            match contact::read(&item, owner, |field| odd.push(field)) {
                Ok(contact) => self.keep(contact),
                Err(fault) => self.warnings.push(|| format!("left out the contact \"{address}\": {fault}")),
            }
            for field in odd {
                self.warnings.push(|| format!("contact \"{address}\": its {field} cannot be used as it is"));
            }
        }
        Ok(page.next.filter(|next| !next.is_empty()))
    }

    /// The last of several items with one JID counts, in the place of the first.
    fn keep(&mut self, contact: Contact) {
        match self.places.get(&contact.jid).and_then(|place| self.contacts.get_mut(*place)) {
            Some(earlier) => {
                self.warnings.push(|| format!("the contact {} is there twice; the last counts", contact.jid));
                *earlier = contact;
            }
            None => {
                self.places.insert(contact.jid.clone(), self.contacts.len());
                self.contacts.push(contact);
            }
        }
    }

    fn finish(self) -> Roster {
        let tag = self.etag.map(String::into_bytes);
        Roster::of(self.contacts).with_tag(tag).with_warnings(self.warnings.into_lines())
    }
}
