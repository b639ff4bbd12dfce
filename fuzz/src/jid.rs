//! Any text as an address: what is normal is read as itself, the ways to read an address agree, and a letter's case makes no
//! difference.

use std::borrow::Cow;

use http_roster_admin::jid::normalize;
use roster_jid::{Jid, LONGEST_PART, bare_jid, domainpart, localpart, resourcepart};
use roster_model::Username;

pub(crate) fn target(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    for part in [localpart, domainpart, resourcepart] {
        if let Ok(normal) = part(text) {
            assert!(!normal.is_empty() && normal.len() <= LONGEST_PART);
            assert!(matches!(part(&normal), Ok(Cow::Borrowed(again)) if again == normal), "{normal:?}");
        }
    }
    let parsed = Jid::parse(text);
    let bare = bare_jid(text).map(Cow::into_owned);
    assert_eq!(bare, parsed.as_ref().map(Jid::bare).map_err(|error| *error));
    assert_eq!(normalize(text).map(Cow::into_owned), bare);
    let Ok(jid) = parsed else { return };
    let shown = jid.to_string();
    assert!(!shown.contains(|c: char| c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}')));
    assert_eq!(Jid::parse(&shown).as_ref(), Ok(&jid));
    if let Some(local) = &jid.localpart {
        assert_eq!(Username::new(local).map(|user| user.as_str().to_owned()).as_deref(), Ok(&**local));
    }
    // The rule of the middle dot asks for small letters around it as they are written.
    if text.contains('·') {
        return;
    }
    let before = text.split('/').next().unwrap_or_default();
    for other in [before.to_ascii_uppercase(), before.to_ascii_lowercase()] {
        assert_eq!(bare_jid(&other).map(Cow::into_owned), bare, "{other:?}");
    }
}
