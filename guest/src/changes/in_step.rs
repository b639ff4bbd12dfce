//! The hot path of a refresh: reads the new answer with the host's roster beside it.
//!
//! Most of an answer that has changed is what it was before. So each entry is first held against the contact that
//! the host has at this place: comparing is several times faster than decoding, and nothing is allocated, normalised
//! or hashed for it. Only an entry that differs is decoded.
//!
//! Whatever is out of the ordinary (another order, a JID that is there twice, a fault in the JSON) ends it without a
//! result. The caller then decodes the whole answer and compares the two rosters through a hash table
//! ([`crate::changes::diff`]). Both ways give the same result; see the property tests.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny};

use super::diff::Change;
use super::shape::{Draft, Shapes};
use crate::json::cursor::{Cursor, is_plain};
use crate::json::document;
use crate::json::lenient::{Lenient, Text};
use crate::json::text::{is_number, same};
use crate::roster::contact::{Contact, Subscription};
use crate::roster::faults::Fault;
use crate::roster::fields::{ContactValue, Fields};
use crate::roster::packed::{Packed, PackedContact, PackedIter};
use crate::roster::{Owner, admit};
use xmpp_roster_plugin::Warnings;

/// How far to look in the host's roster for an entry that is not the next: contacts before it are gone.
const LOOK_AHEAD: usize = 8;
/// How many entries in a row may match nothing before the two are taken to be in another order.
const MOST_UNMATCHED: usize = 64;

/// What the new answer changes, and the warnings. `None`: it takes another look to tell.
///
/// `known` must be what this plugin made of an earlier answer for the same owner: it is trusted to hold what
/// decoding would let pass, and no JID twice.
pub(crate) fn compare<'b>(body: &'b [u8], known: Packed<'_>, owner: Owner<'_>) -> Option<(Vec<Change<'b>>, Warnings)> {
    // A known text can then be looked for as it is. Few rosters have quotes in them.
    if !is_plain(known.text()) {
        return None;
    }
    let mut walk = Walk {
        json: Cursor::new(document::utf8(body).ok()?),
        left: known.iter(),
        owner,
        put: Vec::new(),
        added: Vec::new(),
        lost: Vec::new(),
        warnings: Warnings::default(),
    };
    walk.entries(&mut Shapes::new())?;
    walk.match_moved();
    // What is still new and yet known has a counterpart already: its JID is there twice.
    if is_twice(known, &walk.added)? {
        return None;
    }
    let put = walk.put.into_iter().chain(walk.added).map(Change::Put);
    let removed = walk.lost.into_iter().map(|known| Change::Remove(known.jid.to_owned()));
    Some((put.chain(removed).collect(), walk.warnings))
}

struct Walk<'k, 'o, 'b> {
    json: Cursor<'b>,
    left: PackedIter<'k>,
    owner: Owner<'o>,
    /// Contacts that differ from the host's.
    put: Vec<Contact<'b>>,
    /// Contacts that the host does not have, or not near.
    added: Vec<Contact<'b>>,
    /// Contacts that the application no longer has, or not near.
    lost: Vec<PackedContact<'k>>,
    warnings: Warnings,
}

impl<'k, 'b> Walk<'k, '_, 'b> {
    // What is seldom needed is kept out of this loop: a small function keeps what it works with in registers.
    #[inline(never)]
    fn entries(&mut self, shapes: &mut Shapes<'b>) -> Option<()> {
        self.json.eat(b'{')?;
        let mut unmatched = 0;
        let mut more = self.json.eat(b'}').is_none();
        while more {
            if shapes.next_is_same(&mut self.json, &mut self.left).is_some() || self.next_reads_same(shapes) {
                unmatched = 0;
            } else if self.other_entry()? {
                unmatched += 1;
                if unmatched > MOST_UNMATCHED {
                    return None;
                }
            }
            more = self.json.another(b'}')?;
        }
        for known in self.left.by_ref() {
            self.lost.push(known.ok()?);
        }
        self.json.is_at_end().then_some(())
    }

    /// Is the next entry the host's next contact, unchanged? Moves both on if it is, and neither if not.
    #[inline(never)]
    fn next_reads_same(&mut self, shapes: &mut Shapes<'b>) -> bool {
        let (mut json, mut left) = (self.json, self.left.clone());
        let Some(Ok(known)) = left.next() else { return false };
        let mut draft = Draft::new(&json);
        let same = is_same(&mut json, &known, &mut draft).is_some();
        if same {
            shapes.keep(&known, &draft, &json);
            (self.json, self.left) = (json, left);
        }
        same
    }

    /// Decodes an entry that is not the host's next contact. `true`: the host's next contacts are none of it.
    #[inline(never)]
    fn other_entry(&mut self) -> Option<bool> {
        let Key(key) = self.json.value()?;
        self.json.eat(b':')?;
        let Value(value) = self.json.value()?;
        let Some(contact) = admit(key, value, self.owner, &mut self.warnings) else { return Some(true) };
        let mut ahead = self.left.clone();
        let place =
            ahead.by_ref().take(LOOK_AHEAD).position(|known| known.is_ok_and(|known| same(known.jid, &contact.jid)));
        let Some(place) = place else {
            self.added.push(contact);
            return Some(true);
        };
        for known in self.left.by_ref().take(place) {
            self.lost.push(known.ok()?);
        }
        if !contact.is_same_as(&self.left.next()?.ok()?) {
            self.put.push(contact);
        }
        Some(false)
    }

    /// Finds the contacts that only stand in another place than the host has them.
    fn match_moved(&mut self) {
        if self.added.is_empty() || self.lost.is_empty() {
            return;
        }
        let mut lost: HashMap<&str, PackedContact<'_>> = self.lost.iter().map(|known| (known.jid, *known)).collect();
        let mut moved = Vec::new();
        for contact in std::mem::take(&mut self.added) {
            match lost.remove(&*contact.jid) {
                Some(known) if contact.is_same_as(&known) => {}
                Some(_) => moved.push(contact),
                None => self.added.push(contact),
            }
        }
        self.put.append(&mut moved);
        self.lost.retain(|known| lost.contains_key(known.jid));
    }
}

/// Reads one entry of the object, if it is this contact and written without detours.
#[inline]
fn is_same<'b>(json: &mut Cursor<'b>, known: &PackedContact<'_>, draft: &mut Draft<'b>) -> Option<()> {
    json.string(known.jid)?;
    draft.string(json, known.jid);
    json.eat(b':')?;
    let (mut subscription, mut ask) = (Subscription::Both, false);
    let (mut name_fits, mut groups_fit) = (known.name.is_none(), known.groups.is_empty());
    // An empty array is how PHP writes an empty object.
    let mut more = json.literal(b"[]").is_none();
    if more {
        json.eat(b'{')?;
        more = json.eat(b'}').is_none();
    }
    while more {
        if json.literal(b"\"name\"").is_some() {
            json.eat(b':')?;
            match known.name {
                Some(name) => {
                    json.string(name)?;
                    draft.name(json, name);
                }
                None => json.literal(b"null")?,
            }
            name_fits = true;
        } else if json.literal(b"\"groups\"").is_some() {
            json.eat(b':')?;
            are_same_groups(json, known, draft)?;
            groups_fit = true;
        } else {
            let field = json.plain_string()?;
            json.eat(b':')?;
            match field {
                "subscription" => subscription = json.plain_string()?.parse().ok()?,
                "ask" => ask = json.plain_string()? == "subscribe",
                _ => skip(json)?,
            }
        }
        more = json.another(b'}')?;
    }
    (name_fits && groups_fit && subscription == known.subscription && ask == known.ask).then_some(())
}

/// Reads the groups, if they are these in this order.
#[inline]
fn are_same_groups<'b>(json: &mut Cursor<'b>, known: &PackedContact<'_>, draft: &mut Draft<'b>) -> Option<()> {
    let in_object = json.eat(b'[').is_none();
    if in_object {
        json.eat(b'{')?;
    }
    let close = if in_object { b'}' } else { b']' };
    let mut groups = known.groups.iter();
    let mut more = json.eat(close).is_none();
    while more {
        let group = groups.next()?;
        json.string(group)?;
        draft.string(json, group);
        if in_object {
            json.eat(b':')?;
            skip(json)?;
            // It takes a warning.
            if is_number(group) {
                return None;
            }
        }
        more = json.another(close)?;
    }
    groups.next().is_none().then_some(())
}

/// Reads a value that means nothing here.
#[inline]
fn skip(json: &mut Cursor<'_>) -> Option<()> {
    json.literal(b"true").or_else(|| json.value::<IgnoredAny>().map(drop))
}

/// Is a JID of the `added` contacts among the host's, or two times among themselves? `None`: the host's roster cannot
/// be read.
fn is_twice(known: Packed<'_>, added: &[Contact<'_>]) -> Option<bool> {
    /// Comparing each with each is faster than hashing for a few, and a trap for many.
    const FEW: usize = 8;
    if added.len() > FEW {
        let jids: HashSet<&str> = added.iter().map(|new| &*new.jid).collect();
        return Some(jids.len() < added.len() || any(known, |jid| jids.contains(jid))?);
    }
    let twice = added.iter().enumerate().any(|(at, new)| added.iter().take(at).any(|other| other.jid == new.jid));
    Some(twice || (!added.is_empty() && any(known, |jid| added.iter().any(|new| same(&new.jid, jid)))?))
}

fn any(known: Packed<'_>, is: impl Fn(&str) -> bool) -> Option<bool> {
    for known in known.iter() {
        if is(known.ok()?.jid) {
            return Some(true);
        }
    }
    Some(false)
}

struct Key<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Text.deserialize(deserializer).map(Self)
    }
}

struct Value<'a>(Result<Fields<'a>, Fault>);

impl<'de> Deserialize<'de> for Value<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Lenient(ContactValue).deserialize(deserializer).map(Self)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::roster::decode;
    use crate::roster::packed::{Packed, pack};

    const OWNER: Owner<'_> = Owner { user: "john", domain: "example.com" };

    fn entries(numbers: impl Iterator<Item = u32>) -> String {
        let entry = |at| format!("\"user{at}@b\": {{\"name\": \"User {at}\", \"groups\": {{\"A\": true}}}}");
        format!("{{{}}}", numbers.map(entry).collect::<Vec<_>>().join(", "))
    }

    /// The changes in short, or `None` if it takes another look.
    fn changes(new: &str) -> Option<Vec<String>> {
        let body = entries(0..300);
        let known = pack(&decode(body.as_bytes(), OWNER).unwrap().contacts).unwrap();
        let (changes, warnings) = compare(new.as_bytes(), Packed::from(&known), OWNER)?;
        assert!(warnings.is_empty());
        let short = |change| match change {
            Change::Put(contact) => format!("+{}", contact.jid),
            Change::Remove(jid) => format!("-{jid}"),
        };
        Some(changes.into_iter().map(short).collect())
    }

    #[test]
    fn ordinary_changes_need_no_second_look() {
        let all = || 0..300_u32;
        for (new, expected) in [
            (entries(all()), &[][..]),
            (entries(all().chain([900])), &["+user900@b"]),
            (entries([900].into_iter().chain(all())), &["+user900@b"]),
            (entries(all().filter(|at| *at != 7)), &["-user7@b"]),
            (entries(all().filter(|at| at % 2 > 0 || *at > 4)), &["-user0@b", "-user2@b", "-user4@b"]),
            (entries(all().filter(|at| *at != 7).chain([7])), &[]),
            (entries([299].into_iter().chain(0..299)), &[]),
            (entries(all()).replace("User 7\"", "User x\""), &["+user7@b"]),
            (entries(all()).replace("User 7\"", "Us\\u0065r 7\""), &[]),
            (entries(all()).replace("\"user7@b\"", "\"User7@b/x\""), &[]),
            (entries(all().filter(|at| *at != 7).chain([7])).replace("User 7\"", "User x\""), &["+user7@b"]),
        ] {
            assert_eq!(
                changes(&new).as_deref(),
                Some(&expected.iter().map(|jid| (*jid).to_owned()).collect::<Vec<_>>()[..])
            );
        }
    }

    #[test]
    fn what_is_out_of_the_ordinary_does() {
        let all = || 0..300_u32;
        for new in [
            entries(all().chain([7])),
            entries(all().chain([900, 900])),
            entries(all().chain(900..920).chain([910])),
            entries(all().rev()),
            entries(900..1200),
            entries(all()).replace("User 7\"", "User 7"),
            format!("{}x", entries(all())),
            "[]".to_owned(),
            String::new(),
        ] {
            assert_eq!(changes(&new), None);
        }
    }
}
