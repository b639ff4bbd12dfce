#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::model::{Contacts, Subscription};

fn contact(jid: &str) -> Contact {
    Contact { jid: jid.into(), name: None, subscription: Subscription::Both, ask: false, groups: vec![] }
}

/// The contacts that are kept of john's roster, and the warnings.
fn admitted(all: Vec<Contact>) -> (Vec<Contact>, Vec<String>) {
    let (john, mut mended) = (Username::new("john").unwrap(), Mended::default());
    let kept = contacts(all, Owner { user: &john, domain: "example.com" }, &mut mended);
    (kept, mended.before(Vec::new()))
}

fn admitted_changes(all: Vec<Change>) -> (Vec<Change>, Vec<String>) {
    let (john, mut mended) = (Username::new("john").unwrap(), Mended::default());
    let kept = changes(all, Owner { user: &john, domain: "example.com" }, &mut mended);
    (kept, mended.before(Vec::new()))
}

#[test]
fn jids_are_normalised_or_their_contacts_left_out() {
    for (jid, expected) in [
        ("marie@example.com", Ok("marie@example.com")),
        ("Marie@Example.com/phone", Ok("marie@example.com")),
        ("straße@xn--bcher-kva.example", Ok("straße@bücher.example")),
        ("gateway.example.", Ok("gateway.example")),
        ("", Err("its domain is empty")),
        ("@", Err("its localpart (before the @) is empty")),
        ("john@", Err("its domain is empty")),
        ("a b@example.com", Err("its localpart (before the @) has the character U+0020, which is not allowed there")),
        ("a\u{AD}@x", Err("its localpart (before the @) has the character U+00AD, which is not allowed there")),
        ("x@y/", Err("its resource (after the /) is empty")),
        ("john@example.com", Err("it is the user")),
        ("JOHN@example.com./phone", Err("it is the user")),
    ] {
        let (kept, warnings) = admitted(vec![contact("first@x"), contact(jid), contact("last@x")]);
        let jids: Vec<_> = kept.iter().map(|contact| contact.jid.as_str()).collect();
        let (changed, change_warnings) = admitted_changes(vec![Change::Put(contact(jid))]);
        let (removed, remove_warnings) = admitted_changes(vec![Change::Remove(jid.into())]);
        match expected {
            Ok(normal) => {
                assert_eq!(jids, ["first@x", normal, "last@x"]);
                assert_eq!(
                    (changed, removed),
                    (vec![Change::Put(contact(normal))], vec![Change::Remove(normal.into())])
                );
                assert!(warnings.is_empty() && change_warnings.is_empty() && remove_warnings.is_empty(), "{jid}");
            }
            Err(why) => {
                let reason = warnings.first().unwrap().split_once("\": ").unwrap().1.to_owned();
                assert_eq!((jids, reason.as_str()), (vec!["first@x", "last@x"], why), "{jid}");
                assert_eq!((changed, removed), (vec![], vec![]), "{jid}");
                assert_eq!((&change_warnings, &remove_warnings), (&warnings, &warnings), "the same message everywhere");
            }
        }
    }
}

#[test]
fn of_two_spellings_the_first_counts() {
    let named = |jid: &str, name: &str| Contact { name: Some(name.into()), ..contact(jid) };
    let (kept, warnings) =
        admitted(vec![named("Marie@x", "1"), contact("z@x"), named("marie@x/phone", "2"), named("marie@x", "3")]);
    assert_eq!(kept, [named("marie@x", "1"), contact("z@x")]);
    assert_eq!(warnings, [r#"contact "marie@x" is there twice; the first counts"#; 2]);
}

#[test]
fn of_several_changes_of_a_contact_one_counts_and_rather_one_that_puts_it_there() {
    let (put, remove) = (|jid: &str| Change::Put(contact(jid)), |jid: &str| Change::Remove(jid.into()));
    let twice = [r#"contact "marie@x" changes twice; one of the changes counts"#];
    for given in [
        vec![put("Marie@x"), remove("marie@x")],
        vec![remove("marie@x"), put("Marie@x")],
        vec![put("marie@x"), put("marie@x/phone")],
    ] {
        let (kept, warnings) = admitted_changes(given);
        assert_eq!((kept, warnings.as_slice()), (vec![put("marie@x")], &twice.map(str::to_owned)[..]));
    }
    assert_eq!(admitted_changes(vec![remove("Marie@x"), remove("marie@x")]).0, [remove("marie@x")]);
    let several = vec![remove("marie@x"), put("Marie@x"), remove("MARIE@x"), put("z@x")];
    assert_eq!(admitted_changes(several).0, [put("marie@x"), put("z@x")]);
}

#[test]
fn a_text_that_xml_cannot_carry_costs_its_characters() {
    let ill = Contact {
        name: Some("a\u{7}b\tc\u{FFFE}".into()),
        groups: vec!["G\0".into(), "G ".into(), String::new()],
        ..contact("m@x")
    };
    let (kept, warnings) = admitted(vec![ill]);
    assert_eq!(kept, [Contact { name: Some("a b\tc ".into()), groups: vec!["G ".into()], ..contact("m@x") }]);
    assert_eq!(
        warnings,
        [
            r#"the name of contact "m@x" has a character that XML cannot carry; it is a space"#,
            r#"a group of contact "m@x" has a character that XML cannot carry; it is a space"#,
            r#"contact "m@x" has a group without a name, which is left out"#,
            r#"contact "m@x" has a group twice; it counts once"#,
        ]
    );
}

#[test]
fn warnings_are_bounded() {
    let (kept, warnings) =
        admitted((0..10_000).map(|number| contact(&format!("{number} {}@x", "y".repeat(1000)))).collect());
    assert_eq!((kept.len(), warnings.len()), (0, MOST_WARNINGS + 1));
    assert!(warnings.iter().all(|line| line.len() < 250), "{warnings:?}");
    assert_eq!(warnings.last().unwrap(), "left out or mended 9968 more");
}

fn any_contact() -> impl Strategy<Value = Contact> {
    let text =
        || prop::collection::vec(prop::sample::select("aAß é\u{7}\u{FFFE}\t😀".chars().collect::<Vec<_>>()), 0..4);
    let jid = prop_oneof!["[aAb]{0,1}@[xX]{0,1}\\.?(/r)?", "john@example.com", "[@a/ ]{0,3}", "\\PC{0,5}"];
    (jid, prop::option::of(text()), prop::collection::vec(text(), 0..3)).prop_map(|(jid, name, groups)| Contact {
        name: name.map(String::from_iter),
        groups: groups.into_iter().map(String::from_iter).collect(),
        ..contact(&jid)
    })
}

proptest! {
    #[test]
    fn what_is_admitted_can_be_kept_and_is_admitted_as_it_is(all in prop::collection::vec(any_contact(), 0..8)) {
        let (kept, _) = admitted(all.clone());
        let packed = Contacts::pack(&kept, 100);
        prop_assert!(packed.is_ok(), "{:?}", packed);
        prop_assert_eq!(admitted(kept.clone()), (kept, Vec::new()));
        let old = Contacts::pack(&[contact("a@x"), contact("b@x")], 100).unwrap();
        let mixed = all.into_iter().enumerate().map(|(at, contact)| match at % 2 {
            0 => Change::Put(contact),
            _ => Change::Remove(contact.jid),
        });
        let (changes, _) = admitted_changes(mixed.collect());
        prop_assert!(old.apply(changes, 100).is_ok());
    }
}
