#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
use std::collections::HashMap;

use proptest::prelude::*;

use crate::{Contact, Contacts, Subscription};

fn contact(jid: &str) -> Contact {
    Contact { jid: jid.into(), name: None, subscription: Subscription::Both, ask: false, groups: Vec::new() }
}

fn version(contacts: &[Contact]) -> u64 {
    Contacts::pack(contacts, 1000).unwrap().content_version().get()
}

#[test]
fn a_version_is_the_same_in_every_release() {
    let marie = Contact { name: Some("Marie".into()), groups: vec!["Work".into(), "A".into()], ..contact("marie@x") };
    let asked = Contact { subscription: Subscription::None, ask: true, ..contact("zoé@example.com") };
    for (contacts, expected) in [
        (vec![], EMPTY),
        (vec![contact("marie@x")], ONE),
        (vec![marie.clone(), asked.clone()], TWO),
        (vec![asked, marie], TWO),
    ] {
        assert_eq!(version(&contacts), expected, "{contacts:?}");
    }
}

const EMPTY: u64 = 1_640_476_614_531_975;
const ONE: u64 = 1_004_194_962_726_747;
const TWO: u64 = 3_992_613_703_897_602;

#[test]
fn whatever_differs_in_a_contact_gives_another_version() {
    let base = contact("marie@x");
    let with = |change: fn(&mut Contact)| {
        let mut contact = base.clone();
        change(&mut contact);
        contact
    };
    let all = [
        with(|_| {}),
        with(|of| of.jid = "maries@x".into()),
        with(|of| of.name = Some(String::new())),
        with(|of| of.name = Some("a".into())),
        with(|of| of.subscription = Subscription::None),
        with(|of| of.subscription = Subscription::To),
        with(|of| of.subscription = Subscription::From),
        with(|of| of.ask = true),
        with(|of| of.groups = vec![String::new()]),
        with(|of| of.groups = vec!["a".into()]),
        with(|of| of.groups = vec!["ab".into()]),
        with(|of| of.groups = vec!["a".into(), "b".into()]),
        with(|of| of.groups = vec!["a".into(), "a".into()]),
    ];
    let mut seen = HashMap::new();
    for contact in &all {
        if let Some(other) = seen.insert(version(std::slice::from_ref(contact)), contact) {
            panic!("{contact:?} and {other:?} have one version");
        }
    }
    // What moves from one contact to the other is not lost in the sum.
    let (a, b) = (contact("a@x"), contact("b@x"));
    let named = |contact: &Contact| Contact { name: Some("n".into()), ..contact.clone() };
    assert_ne!(version(&[named(&a), b.clone()]), version(&[a, named(&b)]));
}

prop_compose! {
    fn contacts()(all in prop::collection::btree_map(
        "[a-d]{1,3}@x",
        (prop::option::of("[ab]{0,2}"), 0..4_u8, any::<bool>(), prop::collection::btree_set("[ab]{0,2}", 0..3)),
        0..8,
    )) -> Vec<Contact> {
        all.into_iter().map(|(jid, (name, subscription, ask, groups))| {
            let subscription = match subscription {
                0 => Subscription::None,
                1 => Subscription::To,
                2 => Subscription::From,
                _ => Subscription::Both,
            };
            Contact { jid, name, subscription, ask, groups: groups.into_iter().collect() }
        }).collect()
    }
}

proptest! {
    #[test]
    fn rosters_have_one_version_if_and_only_if_they_are_equal(one in contacts(), other in contacts()) {
        // Both are in the order of their JIDs and of their groups' names.
        prop_assert_eq!(version(&one) == version(&other), one == other);
    }

    #[test]
    fn the_order_of_contacts_and_of_groups_does_not_count(all in contacts(), by in any::<usize>()) {
        let expected = version(&all);
        let mut turned = all;
        let length = turned.len().max(1);
        turned.rotate_left(by % length);
        turned.iter_mut().for_each(|contact| contact.groups.reverse());
        prop_assert_eq!(version(&turned), expected);
        prop_assert!((1..1 << 53).contains(&expected));
    }

    #[test]
    fn a_delta_leads_to_the_version_of_the_whole(before in contacts(), after in contacts()) {
        let (old, new) = (Contacts::pack(&before, 100).unwrap(), Contacts::pack(&after, 100).unwrap());
        let gone = before.iter().filter(|old| !after.iter().any(|new| new.jid == old.jid));
        let mut changes: Vec<_> = gone.map(|old| crate::Change::Remove(old.jid.clone())).collect();
        changes.extend(after.into_iter().map(crate::Change::Put));
        let (applied, _) = old.apply(changes, 100).unwrap();
        prop_assert_eq!(applied.content_version(), new.content_version());
    }
}
