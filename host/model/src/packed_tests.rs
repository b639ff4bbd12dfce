#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;

fn contact(jid: &str) -> Contact {
    Contact { jid: jid.into(), name: None, subscription: Subscription::Both, ask: false, groups: vec![] }
}

fn unpack(contacts: &Contacts) -> Vec<Contact> {
    contacts.iter().map(|c| c.to_contact()).collect()
}

fn any_contact() -> impl Strategy<Value = Contact> {
    let subscription = prop_oneof![
        Just(Subscription::None),
        Just(Subscription::To),
        Just(Subscription::From),
        Just(Subscription::Both)
    ];
    let groups = proptest::collection::vec("[a-zé ]{0,5}", 0..4);
    ("[a-f]{1,2}@x", proptest::option::of("\\PC{0,6}"), subscription, any::<bool>(), groups)
        .prop_map(|(jid, name, subscription, ask, groups)| Contact { jid, name, subscription, ask, groups })
}

fn roster() -> impl Strategy<Value = Vec<Contact>> {
    proptest::collection::vec(any_contact(), 0..12).prop_map(|mut all| {
        let mut seen = HashSet::new();
        all.retain(|c| seen.insert(c.jid.clone()));
        all
    })
}

proptest! {
    #[test]
    fn packing_keeps_every_contact(contacts in roster()) {
        let packed = Contacts::pack(&contacts, 100).unwrap();
        prop_assert_eq!(packed.len(), contacts.len());
        prop_assert_eq!(unpack(&packed), contacts);
    }

    #[test]
    fn applying_changes_gives_the_roster_they_describe(old in roster(), puts in roster(), pick in any::<u16>()) {
        let gone: Vec<_> = old.iter().enumerate().filter(|(i, _)| pick & (1 << i) != 0).map(|(_, c)| c.jid.clone())
            .filter(|jid| puts.iter().all(|p| p.jid != *jid)).collect();
        let changes: Vec<_> = puts.iter().cloned().map(Change::Put).chain(gone.iter().cloned().map(Change::Remove)).collect();
        let (new, effective) = Contacts::pack(&old, 100).unwrap().apply(changes, 100).unwrap();
        let mut expected: Vec<Contact> = old.iter().filter(|c| !gone.contains(&c.jid)).cloned()
            .map(|c| puts.iter().find(|p| p.jid == c.jid).cloned().unwrap_or(c)).collect();
        expected.extend(puts.iter().filter(|p| old.iter().all(|c| c.jid != p.jid)).cloned());
        prop_assert_eq!(unpack(&new), expected);
        for change in &effective {
            if let Change::Put(put) = change {
                prop_assert!(!old.contains(put), "a change without effect was kept: {:?}", put);
            }
        }
        prop_assert_eq!(new == Contacts::pack(&old, 100).unwrap(), effective.is_empty());
    }
}

#[test]
fn what_cannot_be_kept_is_refused_by_name() {
    let twice = [contact("a@x"), contact("a@x")];
    assert_eq!(Contacts::pack(&twice, 9), Err(InvalidRoster::Duplicate("a@x".into())));
    assert_eq!(Contacts::pack(&twice, 1), Err(InvalidRoster::TooMany { found: 2, limit: 1 }));
    let bell = Contact { name: Some("\u{7}".into()), ..contact("b@x") };
    assert_eq!(Contacts::pack(&[bell], 9), Err(InvalidRoster::Unusable("b@x".into())));
    assert_eq!(Contacts::pack(&[contact("")], 9), Err(InvalidRoster::Unusable(String::new())));
    let base = Contacts::pack(&[contact("a@x")], 9).unwrap();
    let both = vec![Change::Remove("a@x".into()), Change::Put(contact("a@x"))];
    assert_eq!(base.apply(both, 9), Err(InvalidRoster::Duplicate("a@x".into())));
    let added = vec![Change::Put(contact("b@x"))];
    assert_eq!(base.apply(added, 1), Err(InvalidRoster::TooMany { found: 2, limit: 1 }));
}

#[test]
fn removing_a_stranger_changes_nothing() {
    let base = Contacts::pack(&[contact("a@x")], 9).unwrap();
    let (same, effective) = base.apply(vec![Change::Remove("z@x".into())], 9).unwrap();
    assert_eq!((same, effective), (base, vec![]));
}
