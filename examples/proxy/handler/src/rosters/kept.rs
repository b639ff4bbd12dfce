//! A roster as it is kept: JSON.

use std::collections::{HashMap, HashSet};

use roster_jid::bare_jid;
use serde::{Deserialize, Serialize};

use crate::bindings::wasi::random::random::get_random_u64;
use crate::bindings::xmpp::roster::types::{Change, Contact, Subscription};

/// The longest tag that is kept, bytes; see `tag` in `wit/types.wit`.
const LONGEST_TAG: usize = 4096;

/// A user's roster.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// Tells it from one that was kept before and lost: versions begin anew then.
    epoch: String,
    /// Grows with every change of the contacts.
    pub(crate) version: u64,
    /// Grows with every change of any kind.
    edition: u64,
    /// The plugin's validator, hexadecimal.
    pub(crate) tag: Option<String>,
    pub(crate) contacts: Vec<KeptContact>,
}

/// A contact as it is kept, and shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptContact {
    pub(crate) jid: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    pub(crate) subscription: Presence,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) ask: bool,
    pub(crate) groups: Vec<String>,
}

/// The state of the subscription.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Presence {
    None,
    To,
    From,
    Both,
}

impl Kept {
    /// The first roster of a user, without anything in it.
    fn first() -> Self {
        Self { epoch: format!("{:016x}", get_random_u64()), version: 0, edition: 0, tag: None, contacts: Vec::new() }
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        // Text as keys, and nothing else that can fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Whether this is not what was put in the place of `seen`, but came later.
    pub(super) fn replaced_more_than_once(&self, seen: &Self) -> bool {
        self.epoch == seen.epoch && self.edition > seen.edition + 1
    }

    /// As an entity tag (RFC 9110 section 8.8.3).
    pub(crate) fn etag(&self) -> String {
        format!("\"{}-{}\"", self.epoch, self.edition)
    }

    /// The tag as the plugin gave it.
    pub(super) fn validator(&self) -> Option<Vec<u8>> {
        let text = self.tag.as_deref()?.as_bytes();
        let bytes = text.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
        bytes.collect()
    }

    /// What comes after `known`.
    pub(super) fn after(known: Option<Self>, contacts: Vec<KeptContact>, tag: Option<Vec<u8>>) -> Self {
        let is_first = known.is_none();
        let mut next = known.unwrap_or_else(Self::first);
        let tag = tag.filter(|tag| tag.len() <= LONGEST_TAG);
        let tag = tag.map(|tag| tag.iter().map(|byte| format!("{byte:02x}")).collect());
        if is_first || next.contacts != contacts {
            next.version += 1;
            next.edition += 1;
        } else if next.tag != tag {
            next.edition += 1;
        }
        Self { tag, contacts, ..next }
    }

    /// `known` with what has changed.
    pub(super) fn changed(known: Self, changes: Vec<Change>, tag: Option<Vec<u8>>, owner: &str) -> Self {
        let mut contacts = known.contacts.clone();
        let mut places: HashMap<String, usize> =
            contacts.iter().enumerate().map(|(at, contact)| (contact.jid.clone(), at)).collect();
        let mut removed = HashSet::new();
        for change in changes {
            match change {
                Change::Remove(jid) => drop(removed.insert(normal(jid))),
                Change::Put(contact) => {
                    let Some(contact) = admitted(contact, owner) else { continue };
                    removed.remove(&contact.jid);
                    match places.get(&contact.jid).and_then(|at| contacts.get_mut(*at)) {
                        Some(place) => *place = contact,
                        None => {
                            places.insert(contact.jid.clone(), contacts.len());
                            contacts.push(contact);
                        }
                    }
                }
            }
        }
        contacts.retain(|contact| !removed.contains(&contact.jid));
        Self::after(Some(known), contacts, tag)
    }
}

/// The contacts that can be kept, each once: of several with one address the first counts.
pub(super) fn contacts(contacts: Vec<Contact>, owner: &str) -> Vec<KeptContact> {
    let mut seen = HashSet::with_capacity(contacts.len());
    let admitted = contacts.into_iter().filter_map(|contact| admitted(contact, owner));
    admitted.filter(|contact| seen.insert(contact.jid.clone())).collect()
}

/// The contact with its address normalised. None if that is no address, or the user's own.
fn admitted(contact: Contact, owner: &str) -> Option<KeptContact> {
    let jid = bare_jid(&contact.jid).ok()?.into_owned();
    if jid == owner {
        return None;
    }
    Some(KeptContact {
        jid,
        name: contact.name,
        subscription: match contact.subscription {
            Subscription::None => Presence::None,
            Subscription::To => Presence::To,
            Subscription::From => Presence::From,
            Subscription::Both => Presence::Both,
        },
        ask: contact.ask,
        groups: contact.groups,
    })
}

fn normal(jid: String) -> String {
    bare_jid(&jid).map(std::borrow::Cow::into_owned).unwrap_or(jid)
}

impl From<KeptContact> for Contact {
    fn from(contact: KeptContact) -> Self {
        Self {
            jid: contact.jid,
            name: contact.name,
            subscription: match contact.subscription {
                Presence::None => Subscription::None,
                Presence::To => Subscription::To,
                Presence::From => Subscription::From,
                Presence::Both => Subscription::Both,
            },
            ask: contact.ask,
            groups: contact.groups,
        }
    }
}
