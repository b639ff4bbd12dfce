//! What turns the roster that is kept into the one that a plugin has read whole.

use std::collections::HashMap;

use crate::model::{Change, Contact, ContactRef, Contacts};

/// At most one change for each JID: first what to put, in the order of `new`, then what to remove. `new` has each JID once.
pub(super) fn changes(known: &Contacts, new: Vec<Contact>) -> Vec<Change> {
    let mut left: HashMap<&str, ContactRef<'_>> = known.iter().map(|contact| (contact.jid, contact)).collect();
    let mut changes: Vec<Change> = new
        .into_iter()
        .filter(|contact| left.remove(contact.jid.as_str()).is_none_or(|known| !is_same(&known, contact)))
        .map(Change::Put)
        .collect();
    // In the order of what is kept: a hash table has none.
    let gone = known.iter().filter(|contact| left.contains_key(contact.jid));
    changes.extend(gone.map(|contact| Change::Remove(contact.jid.to_owned())));
    changes
}

/// The order of groups carries no meaning.
fn is_same(known: &ContactRef<'_>, new: &Contact) -> bool {
    known.name == new.name.as_deref()
        && (known.subscription, known.ask) == (new.subscription, new.ask)
        && (known.groups().eq(new.groups.iter().map(String::as_str))
            || sorted(known.groups()) == sorted(new.groups.iter().map(String::as_str)))
}

fn sorted<'a>(groups: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut groups: Vec<&str> = groups.collect();
    groups.sort_unstable();
    groups
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::model::Subscription;

    fn contact(jid: &str, name: &str, groups: &[&str]) -> Contact {
        Contact {
            jid: jid.to_owned(),
            name: Some(name.to_owned()),
            subscription: Subscription::Both,
            ask: false,
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        }
    }

    #[test]
    fn only_what_differs_is_a_change() {
        let (a, b, c) = (contact("a@x", "A", &["g", "h"]), contact("b@x", "B", &[]), contact("c@x", "C", &[]));
        let known = Contacts::pack(&[a.clone(), b.clone(), c.clone()], 9).unwrap();
        let put = |contact: &Contact| Change::Put(contact.clone());
        let (renamed, new) = (contact("c@x", "Z", &[]), contact("d@x", "D", &[]));
        let asked = Contact { ask: true, ..b.clone() };
        let following = Contact { subscription: Subscription::To, ..b.clone() };
        let nameless = Contact { name: None, ..b.clone() };
        for (now, expected) in [
            (vec![a.clone(), b.clone(), c.clone()], vec![]),
            (vec![c.clone(), b.clone(), contact("a@x", "A", &["h", "g"])], vec![]),
            (vec![contact("a@x", "A", &["g"]), b.clone(), c.clone()], vec![put(&contact("a@x", "A", &["g"]))]),
            (
                vec![new.clone(), renamed.clone(), a.clone()],
                vec![put(&new), put(&renamed), Change::Remove("b@x".into())],
            ),
            (vec![a.clone(), asked.clone(), c.clone()], vec![put(&asked)]),
            (vec![a.clone(), following.clone(), c.clone()], vec![put(&following)]),
            (vec![a.clone(), nameless.clone(), c.clone()], vec![put(&nameless)]),
            (vec![], ["a@x", "b@x", "c@x"].map(|jid| Change::Remove(jid.into())).to_vec()),
        ] {
            assert_eq!(changes(&known, now.clone()), expected, "{now:?}");
        }
    }
}
