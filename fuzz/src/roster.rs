//! Any roster: what is accepted is valid and no more than the body has room for, the changes that make it of nothing are itself,
//! and compared with itself nothing has changed.

use http_roster_admin::changes::diff::{Change, diff};
use http_roster_admin::jid::normalize;
use http_roster_admin::roster::packed::{Packed, pack};
use http_roster_admin::roster::{Owner, decode};

pub(crate) fn target(body: &[u8]) {
    let Ok(mut roster) = decode(body, Owner { user: "john", domain: "example.com" }) else { return };
    assert!(roster.contacts.len() <= body.len() / 5, "an entry is at least \"a\":{{}}");
    for contact in &roster.contacts {
        assert_eq!(normalize(&contact.jid).as_deref(), Ok(&*contact.jid));
        assert_ne!(contact.jid, "john@example.com");
        let unfit = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{FFFE}' | '\u{FFFF}');
        assert!(contact.name.iter().chain(contact.groups.iter()).all(|text| !text.contains(unfit)));
    }
    let changes = diff(Packed::default(), &mut roster).expect("nothing is readable");
    roster.dedup();
    let put: Vec<_> = changes
        .into_iter()
        .map(|change| if let Change::Put(contact) = change { Some(contact) } else { None })
        .collect();
    assert!(put.iter().map(Option::as_ref).eq(roster.contacts.iter().map(Some)));
    let packed = pack(&roster.contacts).expect("a body is shorter than 4 GiB");
    assert_eq!(diff(Packed::from(&packed), &mut roster), Ok(Vec::new()));
    assert!(roster.warnings.into_lines().iter().all(|line| !line.contains(char::is_control)));
}
