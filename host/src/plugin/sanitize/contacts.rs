//! Which contacts of a plugin's roster can be kept, and in which form: the one place where that is decided.
//!
//! A plugin may forget to normalise an address, and then nothing that is compared with it ever matches: presence goes
//! nowhere, and nobody says so. So every JID that comes out of a plugin is normalised here, and what is none costs that
//! contact and a warning, as the same fault in the application's answer does. It is the same when serving, in a rehearsal, in
//! `plugin run` and in `plugin check`, because all of them call the plugin through here.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use roster_jid::{JidError, bare_jid};

use crate::model::{Change, Contact, Username, is_xml_char};

/// Warnings that are worded; of the rest there is a number.
const MOST_WARNINGS: usize = 32;
/// Characters of a text from the plugin that a warning repeats.
const LONGEST_QUOTE: usize = 64;

/// Whose roster it is.
#[derive(Clone, Copy)]
pub(in crate::plugin) struct Owner<'a> {
    pub(in crate::plugin) user: &'a Username,
    pub(in crate::plugin) domain: &'a str,
}

impl Owner<'_> {
    fn is(&self, jid: &str) -> bool {
        let local = jid.strip_suffix(self.domain).and_then(|rest| rest.strip_suffix('@'));
        local.is_some_and(|local| local == self.user.as_str())
    }
}

/// What was left out or mended.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Mended {
    lines: Vec<String>,
    more: usize,
}

impl Mended {
    fn push(&mut self, line: impl FnOnce() -> String) {
        if self.lines.len() < MOST_WARNINGS {
            self.lines.push(line());
        } else {
            self.more += 1;
        }
    }

    /// The warnings, those of the plugin after them.
    pub(in crate::plugin) fn before(self, of_plugin: Vec<String>) -> Vec<String> {
        let mut lines = self.lines;
        if self.more > 0 {
            lines.push(format!("left out or mended {} more", self.more));
        }
        lines.extend(of_plugin);
        lines
    }
}

/// Why a contact is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Jid(#[from] JidError),
    #[error("it is the user")]
    Owner,
}

/// A whole roster: each contact once, the first of several.
pub(super) fn contacts(contacts: Vec<Contact>, owner: Owner<'_>, mended: &mut Mended) -> Vec<Contact> {
    let mut admitted: Vec<Contact> = Vec::with_capacity(contacts.len());
    for mut contact in contacts {
        match normalize(&mut contact.jid, owner) {
            Ok(()) => {
                mend_texts(&mut contact, mended);
                admitted.push(contact);
            }
            Err(fault) => mended.push(|| left_out(&contact.jid, fault)),
        }
    }
    let mut seen = HashSet::with_capacity(admitted.len());
    let again: Vec<usize> = admitted
        .iter()
        .enumerate()
        .filter(|(_, contact)| !seen.insert(contact.jid.as_str()))
        .map(|(at, _)| at)
        .collect();
    if !again.is_empty() {
        let mut again = again.into_iter().peekable();
        let mut at = 0;
        admitted.retain(|contact| {
            let first = again.next_if_eq(&at).is_none();
            at += 1;
            if !first {
                mended.push(|| format!("contact {} is there twice; the first counts", Quoted(&contact.jid)));
            }
            first
        });
    }
    admitted
}

/// What has changed in a roster: each contact once. A change that puts it there counts before one that takes it away, for a
/// plugin that does not normalise has both of one contact: the old spelling is gone, the new one is new.
pub(super) fn changes(changes: Vec<Change>, owner: Owner<'_>, mended: &mut Mended) -> Vec<Change> {
    let mut admitted: Vec<Change> = Vec::with_capacity(changes.len());
    for mut change in changes {
        let normal = match &mut change {
            Change::Put(contact) => normalize(&mut contact.jid, owner),
            Change::Remove(jid) => normalize(jid, owner),
        };
        match (normal, &mut change) {
            (Ok(()), Change::Put(contact)) => mend_texts(contact, mended),
            (Ok(()), Change::Remove(_)) => {}
            (Err(fault), _) => {
                mended.push(|| left_out(change.jid(), fault));
                continue;
            }
        }
        admitted.push(change);
    }
    if admitted.len() > 1 {
        once_each(&mut admitted, mended);
    }
    admitted
}

fn once_each(changes: &mut Vec<Change>, mended: &mut Mended) {
    let mut counting: HashMap<&str, usize> = HashMap::with_capacity(changes.len());
    let mut keep = vec![true; changes.len()];
    let mut twice = Vec::new();
    for (at, change) in changes.iter().enumerate() {
        let Some(earlier) = counting.insert(change.jid(), at) else { continue };
        let replaces = matches!((changes.get(earlier), change), (Some(Change::Remove(_)), Change::Put(_)));
        let loses = if replaces { earlier } else { at };
        if !replaces {
            counting.insert(change.jid(), earlier);
        }
        if let Some(keep) = keep.get_mut(loses) {
            *keep = false;
        }
        twice.push(change.jid().to_owned());
    }
    if twice.is_empty() {
        return;
    }
    for jid in twice {
        mended.push(|| format!("contact {} changes twice; one of the changes counts", Quoted(&jid)));
    }
    let mut keep = keep.into_iter();
    changes.retain(|_| keep.next().unwrap_or(true));
}

/// Nearly every JID is normal: it is looked at and left as it is.
fn normalize(jid: &mut String, owner: Owner<'_>) -> Result<(), Fault> {
    let normal = match bare_jid(jid)? {
        Cow::Borrowed(same) if same.len() == jid.len() => None,
        other => Some(other.into_owned()),
    };
    if let Some(normal) = normal {
        *jid = normal;
    }
    if owner.is(jid) { Err(Fault::Owner) } else { Ok(()) }
}

/// A name or a group costs itself and never the contact: characters that XML cannot carry are spaces, and a group without a
/// name (RFC 6121 section 2.1.2.6), or one that is there twice, is none.
fn mend_texts(contact: &mut Contact, mended: &mut Mended) {
    let Contact { jid, name, groups, .. } = contact;
    if let Some(name) = name
        && mend(name)
    {
        mended.push(|| {
            format!("the name of contact {} has a character that XML cannot carry; it is a space", Quoted(jid))
        });
    }
    let mut ill = false;
    for group in groups.iter_mut() {
        ill |= mend(group);
    }
    if ill {
        mended.push(|| {
            format!("a group of contact {} has a character that XML cannot carry; it is a space", Quoted(jid))
        });
    }
    if groups.iter().any(String::is_empty) {
        groups.retain(|group| !group.is_empty());
        mended.push(|| format!("contact {} has a group without a name, which is left out", Quoted(jid)));
    }
    if groups.len() > 1 && has_twins(groups) {
        let mut seen = HashSet::with_capacity(groups.len());
        let first: Vec<bool> = groups.iter().map(|group| seen.insert(group.as_str())).collect();
        let mut first = first.into_iter();
        groups.retain(|_| first.next().unwrap_or(true));
        mended.push(|| format!("contact {} has a group twice; it counts once", Quoted(jid)));
    }
}

fn has_twins(groups: &[String]) -> bool {
    let mut seen = HashSet::with_capacity(groups.len());
    groups.iter().any(|group| !seen.insert(group.as_str()))
}

/// Whether there was something to mend.
fn mend(text: &mut String) -> bool {
    // XML cannot carry most of what is below the space, and two characters at the end of the first plane.
    if text.bytes().all(|byte| byte >= b' ' && byte != 0xEF) || text.chars().all(is_xml_char) {
        return false;
    }
    *text = text.chars().map(|c| if is_xml_char(c) { c } else { ' ' }).collect();
    true
}

fn left_out(jid: &str, fault: Fault) -> String {
    format!("left out the contact {}: {fault}", Quoted(jid))
}

/// A text from the plugin, short and on one line.
struct Quoted<'a>(&'a str);

impl std::fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let short: String = self.0.chars().take(LONGEST_QUOTE).collect();
        write!(f, "{short:?}{}", if short.len() < self.0.len() { "…" } else { "" })
    }
}

#[cfg(test)]
#[path = "contacts_tests.rs"]
mod tests;
