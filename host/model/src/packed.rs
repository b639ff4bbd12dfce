//! The contacts of one roster in two allocations.
//!
//! A roster as a list of records of strings takes some 200 bytes and four allocations a contact; packed it takes
//! little more than its text, and is handed to a plugin with two memory copies. The layout is that of
//! `packed-contacts` in `wit/types.wit`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use roster_jid::bare_jid;

use super::contact::GroupsRef;
use super::{Change, Contact, ContactRef, Subscription};

/// Numbers a contact takes in the layout, its groups aside.
const FIXED: usize = 4;

/// The contacts of one roster, in order, JIDs unique. A clone shares them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contacts {
    text: Arc<str>,
    layout: Arc<[u32]>,
    count: usize,
}

/// A plugin gave a roster that cannot be kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRoster {
    /// Two contacts with one JID.
    #[error("two contacts have the JID {0:?}")]
    Duplicate(String),
    /// A JID that is not bare and normalised, or a text with characters XML cannot carry.
    #[error("the contact {0:?} has no normalised bare JID, or a name or group that XMPP cannot carry")]
    Unusable(String),
    /// More contacts than `store.max_contacts`.
    #[error("{found} contacts are more than the {limit} that store.max_contacts allows")]
    TooMany {
        /// Contacts found.
        found: usize,
        /// Contacts allowed.
        limit: usize,
    },
    /// More text than four gigabytes.
    #[error("the roster's text is too long")]
    TooLong,
}

impl Contacts {
    /// Packs `contacts`, at most `limit` of them.
    pub fn pack(contacts: &[Contact], limit: usize) -> Result<Self, InvalidRoster> {
        if contacts.len() > limit {
            return Err(InvalidRoster::TooMany { found: contacts.len(), limit });
        }
        let mut seen = HashSet::with_capacity(contacts.len());
        let mut packer = Packer::default();
        for contact in contacts {
            check(contact)?;
            if !seen.insert(contact.jid.as_str()) {
                return Err(InvalidRoster::Duplicate(shortened(&contact.jid)));
            }
            packer.push(contact)?;
        }
        Ok(packer.finish())
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.count
    }

    /// No contact at all.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// All strings, see `packed-contacts.text`.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// All lengths, see `packed-contacts.layout`.
    pub fn layout(&self) -> &Arc<[u32]> {
        &self.layout
    }

    /// Heap memory taken, bytes.
    pub fn bytes(&self) -> usize {
        self.text.len() + size_of_val(&*self.layout)
    }

    /// The contacts in order.
    pub fn iter(&self) -> impl Iterator<Item = ContactRef<'_>> {
        Iter { text: &self.text, layout: &self.layout }
    }

    /// The contacts in order, for whoever cannot borrow them as long as it takes.
    pub fn cursor(&self) -> Cursor {
        Cursor { contacts: self.clone(), text: 0, layout: 0 }
    }

    /// The contact with this JID.
    pub fn get(&self, jid: &str) -> Option<ContactRef<'_>> {
        self.iter().find(|contact| contact.jid == jid)
    }

    /// The roster after `changes`, and those of them that do change something: a changed contact keeps its place, a
    /// new one comes last.
    pub fn apply(&self, changes: Vec<Change>, limit: usize) -> Result<(Self, Vec<Change>), InvalidRoster> {
        let mut open: HashMap<&str, (usize, &Change)> = HashMap::with_capacity(changes.len());
        for (index, change) in changes.iter().enumerate() {
            if let Change::Put(contact) = change {
                check(contact)?;
            }
            if open.insert(change.jid(), (index, change)).is_some() {
                return Err(InvalidRoster::Duplicate(shortened(change.jid())));
            }
        }
        let mut effective = vec![false; changes.len()];
        let mut mark = |index: usize| {
            if let Some(flag) = effective.get_mut(index) {
                *flag = true;
            }
        };
        let mut packer = Packer::default();
        packer.text.reserve(self.text.len());
        packer.layout.reserve(self.layout.len());
        for old in self.iter() {
            match open.remove(old.jid) {
                None => packer.push_ref(&old)?,
                Some((index, Change::Remove(_))) => mark(index),
                Some((index, Change::Put(new))) => {
                    packer.push(new)?;
                    if *new != old.to_contact() {
                        mark(index);
                    }
                }
            }
        }
        for (index, change) in changes.iter().enumerate() {
            if let (Change::Put(new), true) = (change, open.contains_key(change.jid())) {
                packer.push(new)?;
                mark(index);
            }
        }
        if packer.count > limit {
            return Err(InvalidRoster::TooMany { found: packer.count, limit });
        }
        let effective =
            changes.into_iter().zip(effective).filter_map(|(change, keep)| keep.then_some(change)).collect();
        Ok((packer.finish(), effective))
    }
}

/// What a roster must never contain, whoever made it: it would break the XML of every session it is pushed to, or be
/// nobody's address.
fn check(contact: &Contact) -> Result<(), InvalidRoster> {
    let texts = contact.name.iter().chain(&contact.groups);
    let fits = bare_jid(&contact.jid).is_ok_and(|normal| normal == contact.jid)
        && texts.into_iter().all(|text| text.chars().all(is_xml_char));
    if fits { Ok(()) } else { Err(InvalidRoster::Unusable(shortened(&contact.jid))) }
}

/// Whether XML can carry `c` (XML 1.0 production 2, `Char`).
#[must_use]
pub fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

fn shortened(jid: &str) -> String {
    jid.chars().take(80).collect()
}

#[derive(Default)]
struct Packer {
    text: String,
    layout: Vec<u32>,
    count: usize,
}

impl Packer {
    fn push(&mut self, contact: &Contact) -> Result<(), InvalidRoster> {
        let name = contact.name.as_deref();
        self.head(&contact.jid, name, contact.subscription, contact.ask, contact.groups.len())?;
        for group in &contact.groups {
            self.layout.push(number(group.len())?);
            self.text.push_str(group);
        }
        number(self.text.len()).map(|_| ())
    }

    fn push_ref(&mut self, contact: &ContactRef<'_>) -> Result<(), InvalidRoster> {
        let groups = contact.groups;
        self.head(contact.jid, contact.name, contact.subscription, contact.ask, groups.lengths.len())?;
        self.layout.extend_from_slice(groups.lengths);
        self.text.push_str(groups.text);
        number(self.text.len()).map(|_| ())
    }

    fn head(
        &mut self,
        jid: &str,
        name: Option<&str>,
        subscription: Subscription,
        ask: bool,
        groups: usize,
    ) -> Result<(), InvalidRoster> {
        let name_length = name.map_or(0, |name| name.len() + 1);
        let flags = subscription as u32 + if ask { 4 } else { 0 };
        self.layout.extend([number(jid.len())?, number(name_length)?, flags, number(groups)?]);
        self.text.push_str(jid);
        self.text.push_str(name.unwrap_or_default());
        self.count += 1;
        Ok(())
    }

    fn finish(self) -> Contacts {
        Contacts { text: self.text.into(), layout: self.layout.into(), count: self.count }
    }
}

fn number(length: usize) -> Result<u32, InvalidRoster> {
    u32::try_from(length).map_err(|_| InvalidRoster::TooLong)
}

/// Walks over contacts, which it shares.
pub struct Cursor {
    contacts: Contacts,
    text: usize,
    layout: usize,
}

impl Cursor {
    /// The next contact.
    pub fn advance(&mut self) -> Option<ContactRef<'_>> {
        let Contacts { text, layout, .. } = &self.contacts;
        let mut rest = Iter { text: text.get(self.text..)?, layout: layout.get(self.layout..)? };
        let contact = rest.next()?;
        self.text = text.len() - rest.text.len();
        self.layout = layout.len() - rest.layout.len();
        Some(contact)
    }
}

struct Iter<'a> {
    text: &'a str,
    layout: &'a [u32],
}

impl<'a> Iter<'a> {
    fn take_text(&mut self, length: u32) -> Option<&'a str> {
        let (taken, rest) = self.text.split_at_checked(length as usize)?;
        self.text = rest;
        Some(taken)
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = ContactRef<'a>;

    fn next(&mut self) -> Option<ContactRef<'a>> {
        let (fixed, rest) = self.layout.split_first_chunk::<FIXED>()?;
        let [jid, name, flags, groups] = *fixed;
        let (lengths, rest) = rest.split_at_checked(groups as usize)?;
        self.layout = rest;
        let jid = self.take_text(jid)?;
        let name = match name.checked_sub(1) {
            Some(length) => Some(self.take_text(length)?),
            None => None,
        };
        let text = self.take_text(lengths.iter().sum())?;
        let subscription = match flags & 3 {
            0 => Subscription::None,
            1 => Subscription::To,
            2 => Subscription::From,
            _ => Subscription::Both,
        };
        Some(ContactRef { jid, name, subscription, ask: flags & 4 != 0, groups: GroupsRef { text, lengths } })
    }
}

#[cfg(test)]
#[path = "packed_tests.rs"]
mod tests;
