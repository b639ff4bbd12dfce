//! What turns the roster that the host holds into the list.

use std::collections::{HashMap, HashSet};

use crate::contact::Contact;

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The contact is new, or something about it is.
    Put(Contact),
    /// The contact with this JID is gone.
    Remove(String),
}

/// Compares: first what to put, in the list's order, then what to remove. `known` and `now` have each JID once.
pub fn between(known: Vec<Contact>, now: Vec<Contact>) -> Vec<Change> {
    let order: Vec<String> = known.iter().map(|contact| contact.jid.clone()).collect();
    let mut known: HashMap<String, Contact> = known.into_iter().map(|contact| (contact.jid.clone(), contact)).collect();
    let mut changes = Vec::new();
    for contact in now {
        match known.remove(&contact.jid) {
            Some(before) if same(&before, &contact) => {}
            _ => changes.push(Change::Put(contact)),
        }
    }
    let gone = order.into_iter().filter(|jid| known.contains_key(jid));
    changes.extend(gone.map(Change::Remove));
    changes
}

/// The order of labels does not count.
fn same(a: &Contact, b: &Contact) -> bool {
    let labels = |contact: &Contact| contact.labels.iter().cloned().collect::<HashSet<_>>();
    (&a.name, a.relation, a.pending) == (&b.name, b.relation, b.pending) && labels(a) == labels(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contact::Relation;

    fn contact(jid: &str, name: &str, labels: &[&str]) -> Contact {
        let labels = labels.iter().map(|&label| label.to_owned()).collect();
        Contact { jid: jid.to_owned(), name: Some(name.to_owned()), relation: Relation::Mutual, pending: false, labels }
    }

    #[test]
    fn only_what_differs_is_a_change() {
        let known = vec![contact("a@x", "A", &["1", "2"]), contact("b@x", "B", &[]), contact("c@x", "C", &[])];
        let now = vec![contact("d@x", "D", &[]), contact("c@x", "Z", &[]), contact("a@x", "A", &["2", "1"])];
        let expected = vec![
            Change::Put(contact("d@x", "D", &[])),
            Change::Put(contact("c@x", "Z", &[])),
            Change::Remove("b@x".to_owned()),
        ];
        assert_eq!(between(known.clone(), now), expected);
        assert_eq!(between(known.clone(), known), Vec::new());
    }
}
