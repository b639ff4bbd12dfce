//! A roster as presence needs it: may this one see that one?

use std::sync::Arc;

use roster_model::{Change, Contacts, Snapshot, Subscription};

/// A roster and an index of its JIDs, eight bytes a contact. Never changes.
pub(in crate::domain) struct View {
    snapshot: Arc<Snapshot>,
    /// Sorted by JID.
    index: Box<[Entry]>,
}

/// Where the JID stands in the roster's text.
struct Entry {
    start: u32,
    length: u16,
    subscription: Subscription,
}

impl Entry {
    fn jid<'a>(&self, text: &'a str) -> &'a str {
        let start = self.start as usize;
        text.get(start..start + usize::from(self.length)).unwrap_or_default()
    }
}

impl View {
    pub(in crate::domain) fn new(snapshot: Arc<Snapshot>) -> Self {
        let text = &**snapshot.contacts().text();
        let mut index: Vec<Entry> = snapshot
            .contacts()
            .iter()
            .filter_map(|contact| {
                // The JID is a part of the text, so the difference of the addresses is its place.
                let start = (contact.jid.as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
                Some(Entry {
                    start: u32::try_from(start).ok()?,
                    length: u16::try_from(contact.jid.len()).ok()?,
                    subscription: contact.subscription,
                })
            })
            .collect();
        index.sort_unstable_by(|a, b| a.jid(text).cmp(b.jid(text)));
        Self { index: index.into(), snapshot }
    }

    pub(in crate::domain) fn version(&self) -> u64 {
        self.snapshot.version()
    }

    pub(in crate::domain) fn contacts(&self) -> &Contacts {
        self.snapshot.contacts()
    }

    /// The user has asked for this contact's presence (`to` or `both`). Whether it comes is up to the contact's roster.
    pub(in crate::domain) fn sees(&self, jid: &str) -> bool {
        self.subscription(jid).is_some_and(asks_to_see)
    }

    /// This contact sees the user's presence (`from` or `both`).
    pub(in crate::domain) fn seen_by(&self, jid: &str) -> bool {
        self.subscription(jid).is_some_and(may_see)
    }

    /// The JIDs of the contacts whose presence the user has asked for, each with its place in the index.
    pub(in crate::domain) fn asked_for(&self) -> impl Iterator<Item = (u32, &str)> {
        let text = &**self.contacts().text();
        let asked = (0..).zip(&*self.index).filter(|(_, entry)| asks_to_see(entry.subscription));
        asked.map(move |(place, entry)| (place, entry.jid(text)))
    }

    /// The JID at a place in the index.
    pub(in crate::domain) fn jid_at(&self, place: u32) -> &str {
        let entry = usize::try_from(place).ok().and_then(|place| self.index.get(place));
        entry.map_or("", |entry| entry.jid(self.contacts().text()))
    }

    fn subscription(&self, jid: &str) -> Option<Subscription> {
        let text = &**self.contacts().text();
        let place = self.index.binary_search_by(|entry| entry.jid(text).cmp(jid)).ok()?;
        self.index.get(place).map(|entry| entry.subscription)
    }

    /// What has to change in this roster to make it `new`, in the order of `new`, removals first.
    pub(in crate::domain) fn changes_to(&self, new: &View) -> Vec<Change> {
        let removed = self.contacts().iter().filter(|old| new.subscription(old.jid).is_none());
        let mut changes: Vec<_> = removed.map(|old| Change::Remove(old.jid.to_owned())).collect();
        let old: std::collections::HashMap<_, _> = self.contacts().iter().map(|old| (old.jid, old)).collect();
        for contact in new.contacts().iter() {
            let contact = contact.to_contact();
            if old.get(contact.jid.as_str()).is_none_or(|old| old.to_contact() != contact) {
                changes.push(Change::Put(contact));
            }
        }
        changes
    }
}

/// A contact with this subscription is one whose presence the user has asked for.
fn asks_to_see(subscription: Subscription) -> bool {
    matches!(subscription, Subscription::To | Subscription::Both)
}

/// A contact with this subscription sees the user's presence.
pub(in crate::domain) fn may_see(subscription: Subscription) -> bool {
    matches!(subscription, Subscription::From | Subscription::Both)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use roster_model::Contact;

    fn contact(jid: &str, subscription: Subscription) -> Contact {
        Contact { jid: jid.into(), name: Some("Ä".into()), subscription, ask: false, groups: vec!["é".into()] }
    }

    fn view(contacts: &[Contact]) -> View {
        View::new(Arc::new(Snapshot::new(1, None, Contacts::pack(contacts, 100).unwrap())))
    }

    #[test]
    fn the_index_knows_who_sees_whom() {
        use Subscription::{Both, From, None, To};
        let view = view(&[contact("z@x", Both), contact("a@x", To), contact("m@x", From), contact("b@x", None)]);
        for (jid, sees, seen_by) in [
            ("z@x", true, true),
            ("a@x", true, false),
            ("m@x", false, true),
            ("b@x", false, false),
            ("c@x", false, false),
            ("", false, false),
        ] {
            assert_eq!((view.sees(jid), view.seen_by(jid)), (sees, seen_by), "{jid}");
        }
    }

    #[test]
    fn the_difference_makes_one_roster_the_other() {
        use Subscription::{Both, To};
        let old = view(&[contact("a@x", Both), contact("b@x", Both), contact("c@x", Both)]);
        let new = view(&[contact("c@x", Both), contact("b@x", To), contact("d@x", Both)]);
        assert_eq!(
            old.changes_to(&new),
            [Change::Remove("a@x".into()), Change::Put(contact("b@x", To)), Change::Put(contact("d@x", Both)),]
        );
        assert!(new.changes_to(&new).is_empty());
    }
}
