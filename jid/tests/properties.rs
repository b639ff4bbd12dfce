//! What holds for every text.

use std::borrow::Cow;

use proptest::prelude::*;
use roster_jid::{Jid, LONGEST_PART, bare_jid, domainpart, localpart, resourcepart};

/// Texts near the rules: ASCII that is nearly normal, characters with a rule of their own, and anything at all.
fn text() -> impl Strategy<Value = String> {
    let characters = prop::sample::select(
        "aAbzßẞſéÉﬁİıΣσςǅᾼＭ１．。@/:.-_ 0xn\u{301}\u{345}\u{AD}\u{200C}\u{200D}\u{3000}क्षאשָ1ل\u{661}\u{6F1}·l・か\u{2126}\u{212B}Ꭰꭰ😀☃\u{1100}\u{1161}\u{11A8}가"
            .chars()
            .collect::<Vec<_>>(),
    );
    prop_oneof![
        "[\\x00-\\x7F]{0,12}",
        "[a-cA@./_:0-9-]{0,16}",
        "([a-z&]{1,3}@)?[a-z0-9]{0,3}-{0,2}[a-z.]{0,6}(/[ -~]{0,3})?",
        "(xn--)?[a-z0-9-]{0,8}(\\.xn--[a-z0-9-]{0,8})?",
        prop::collection::vec(characters, 0..8).prop_map(String::from_iter),
        prop::collection::vec(any::<char>(), 0..6).prop_map(String::from_iter),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_normalised_stays_so_and_is_borrowed(text in text()) {
        for part in [localpart, domainpart, resourcepart, bare_jid] {
            if let Ok(normal) = part(&text) {
                prop_assert!(normal.len() <= 2 * LONGEST_PART + 1);
                prop_assert!(!normal.is_empty());
                match part(&normal) {
                    Ok(Cow::Borrowed(again)) => prop_assert_eq!(again, &*normal),
                    other => prop_assert!(false, "{:?} of {:?}", other, normal),
                }
            }
        }
    }

    #[test]
    fn a_bare_jid_is_that_of_its_parts(local in text(), domain in text(), resource in text()) {
        let text = format!("{local}@{domain}/{resource}");
        let whole = Jid::parse(&text);
        prop_assert_eq!(bare_jid(&text).map(Cow::into_owned), whole.as_ref().map(Jid::bare).map_err(|error| *error));
        if !local.contains(['@', '/']) && !domain.contains('/') {
            let apart = localpart(&local).and_then(|local| {
                let domain = domainpart(&domain)?;
                let resource = resourcepart(&resource)?;
                Ok(format!("{local}@{domain}/{resource}"))
            });
            prop_assert_eq!(whole.map(|jid| jid.to_string()), apart);
        }
    }

    #[test]
    fn a_normal_address_can_be_part_of_xml(text in text()) {
        if let Ok(jid) = Jid::parse(&text) {
            for c in jid.to_string().chars() {
                prop_assert!(!c.is_control() && !matches!(c, '\u{FFFE}' | '\u{FFFF}'), "{:?}", c);
            }
        }
    }

    #[test]
    fn upper_case_and_full_width_are_the_same_address(text in "[a-z]{1,8}") {
        let upper = text.to_ascii_uppercase();
        let full: String = text.chars().filter_map(|c| char::from_u32(u32::from(c) + 0xFEE0)).collect();
        for spelling in [upper, full] {
            prop_assert_eq!(localpart(&spelling).map(Cow::into_owned), Ok(text.clone()));
            prop_assert_eq!(domainpart(&spelling).map(Cow::into_owned), Ok(text.clone()));
        }
    }
}
