//! The application's answer: a JSON object whose keys are the contacts' JIDs.
//!
//! Decoded in one pass straight into contacts that borrow from the body. What is wrong with one contact costs that
//! contact and a warning; only what is wrong with the document as a whole is an error.
//!
//! - [`contact`], [`groups`]: what a contact is; `fields` and `group_names`: how it is read; `faults`: what can be wrong with it;
//! - [`packed`]: the roster as the host hands it over.

pub mod contact;
pub(crate) mod faults;
pub(crate) mod fields;
mod group_names;
pub mod groups;
pub mod packed;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use serde::de::{Deserializer as _, IgnoredAny, MapAccess, SeqAccess};

use self::contact::Contact;
use self::faults::Fault;
use self::fields::{ContactValue, Fields};
use crate::jid::{JidError, normalize};
use crate::json::document::{self, ARRAY, DocumentError, OBJECT};
use crate::json::lenient::{Handler, Lenient, Text};
use crate::json::text::Quoted;
use crate::json::tolerate::readable;
use xmpp_roster_plugin::Warnings;

/// Why an answer is not a roster. Says where and what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}; expected a JSON object whose keys are JIDs")]
pub struct Malformed(#[from] DocumentError);

/// Whose roster it is.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    /// The account's localpart, normalised.
    pub user: &'a str,
    /// The account's domain, normalised.
    pub domain: &'a str,
}

impl Owner<'_> {
    fn is(&self, jid: &str) -> bool {
        let local = jid.strip_suffix(self.domain).and_then(|rest| rest.strip_suffix('@'));
        local.is_some_and(|local| local == self.user)
    }
}

/// A decoded answer.
#[derive(Clone, Debug, Default)]
pub struct Roster<'a> {
    /// The contacts in the application's order. A JID may be there more than once until [`Roster::dedup`].
    pub contacts: Vec<Contact<'a>>,
    /// What was left out or mended.
    pub warnings: Warnings,
}

impl Roster<'_> {
    fn into_owned(self) -> Roster<'static> {
        Roster { contacts: self.contacts.into_iter().map(Contact::into_owned).collect(), warnings: self.warnings }
    }

    /// Leaves one contact per JID: the last, in the place of the first.
    pub fn dedup(&mut self) {
        let mut seen = HashSet::with_capacity(self.contacts.len());
        if self.contacts.iter().all(|contact| seen.insert(&*contact.jid)) {
            return;
        }
        let mut unique: Vec<Contact<'_>> = Vec::with_capacity(self.contacts.len());
        let mut places: HashMap<Cow<'_, str>, usize> = HashMap::with_capacity(self.contacts.len());
        for contact in self.contacts.drain(..) {
            match places.get(&contact.jid).and_then(|place| unique.get_mut(*place)) {
                Some(earlier) => {
                    self.warnings.push(|| format!("contact {} is there twice; the last counts", Quoted(&contact.jid)));
                    *earlier = contact;
                }
                None => {
                    places.insert(contact.jid.clone(), unique.len());
                    unique.push(contact);
                }
            }
        }
        self.contacts = unique;
    }
}

/// Decodes an answer.
///
/// `{}` and `[]` (what PHP makes of an empty map) are an empty roster. A contact is left out with a warning if its
/// JID is not valid or is the owner's, or if it is a number, a string, `true` or `false`. Of any other contact only
/// what cannot be used is left out, with a warning for each field; see `faults`. Fields that are not known are ignored.
///
/// # Errors
/// The body is not UTF-8 or not JSON, or another kind of JSON.
pub fn decode<'b>(body: &'b [u8], owner: Owner<'_>) -> Result<Roster<'b>, Malformed> {
    /// A character that no name can have, so half of a surrogate pair is mended and told like the others.
    const HALF: [u8; 6] = *br"\uffff";
    let text = document::text(body)?;
    match document::kind(text)? {
        OBJECT | ARRAY => {}
        kind => return Err(DocumentError::Found(kind).into()),
    }
    read(text, owner).or_else(|error| match readable(text, HALF) {
        Some(text) => read(&text, owner).map(Roster::into_owned),
        None => Err(error),
    })
}

fn read<'b>(text: &'b str, owner: Owner<'_>) -> Result<Roster<'b>, Malformed> {
    // A guess that is right for short contacts; growing a vector copies it.
    const SHORT_CONTACT: usize = 48;
    let mut roster = Roster { contacts: Vec::with_capacity(text.len() / SHORT_CONTACT), warnings: Warnings::default() };
    let mut json = serde_json::Deserializer::from_str(text);
    let top = TopLevel { owner, roster: &mut roster };
    json.deserialize_any(Lenient(top)).map_err(DocumentError::from)?.map_err(DocumentError::Found)?;
    json.end().map_err(DocumentError::from)?;
    Ok(roster)
}

struct TopLevel<'r, 'o, 'de> {
    owner: Owner<'o>,
    roster: &'r mut Roster<'de>,
}

impl<'de> Handler<'de> for TopLevel<'_, '_, 'de> {
    type Output = Result<(), &'static str>;

    fn wrong(self, kind: &'static str) -> Self::Output {
        Err(kind)
    }

    fn array<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Output, A::Error> {
        Ok(match items.next_element::<IgnoredAny>()? {
            None => Ok(()),
            Some(_) => {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Err("an array that is not empty")
            }
        })
    }

    fn object<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Output, A::Error> {
        let Roster { contacts, warnings } = self.roster;
        while let Some(key) = entries.next_key_seed(Text)? {
            let value = entries.next_value_seed(Lenient(ContactValue))?;
            contacts.extend(admit(key, value, self.owner, warnings));
        }
        Ok(Ok(()))
    }
}

/// Makes a contact of one entry, or leaves it out with a warning.
#[inline]
pub(crate) fn admit<'de>(
    key: Cow<'de, str>,
    value: Result<Fields<'de>, Fault>,
    owner: Owner<'_>,
    warnings: &mut Warnings,
) -> Option<Contact<'de>> {
    let (jid, fault) = match (bare(key), value) {
        (Err((key, error)), _) => (key, Fault::Jid(error)),
        (Ok(jid), _) if owner.is(&jid) => (jid, Fault::Owner),
        (Ok(jid), Err(fault)) => (jid, fault),
        (Ok(jid), Ok(fields)) => {
            for oddity in fields.oddities.iter() {
                warnings.push(|| format!("contact {}: {oddity}", Quoted(&jid)));
            }
            return Some(fields.into_contact(jid));
        }
    };
    warnings.push(|| format!("left out the contact {}: {fault}", Quoted(&jid)));
    None
}

/// The bare JID that a key stands for, or the key and what is wrong with it.
#[inline]
fn bare(key: Cow<'_, str>) -> Result<Cow<'_, str>, (Cow<'_, str>, JidError)> {
    match key {
        Cow::Borrowed(text) => normalize(text).map_err(|error| (key, error)),
        Cow::Owned(text) => bare_of_escaped(text).map(Cow::Owned).map_err(|(key, error)| (Cow::Owned(key), error)),
    }
}

/// The same of a key with escapes, which may have half of a surrogate pair among them.
#[cold]
fn bare_of_escaped(key: String) -> Result<String, (String, JidError)> {
    let key = if key.contains('\u{FFFF}') { key.replace('\u{FFFF}', "\u{FFFD}") } else { key };
    normalize(&key).map(Cow::into_owned).map_err(|error| (key, error))
}
