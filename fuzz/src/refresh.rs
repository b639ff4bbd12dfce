//! Any two bodies, with a zero byte between them: reading the second in step with the first gives what a thorough
//! comparison gives.

use http_roster_admin::packed::PackedBuf;
use http_roster_admin::protocol::{Exchange, FetchError, Refreshed, Response};
use http_roster_admin::settings::Settings;

use crate::halves;

pub(crate) fn target(data: &[u8]) {
    let (old, new) = halves(data);
    let settings = Settings::new(Some("http://app/%s"), Some("example.com")).expect("good settings");
    let answer = |body| Response { status: 200, etag: None, body };
    let first = Exchange::first(&settings, "john").expect("a good user");
    let Ok(fetched) = first.roster(&answer(old)) else { return };
    let known = PackedBuf::pack(&fetched.contacts).expect("a body is shorter than 4 GiB");
    let refreshed = |tag, body| {
        let exchange = Exchange::again(&settings, "john", tag).expect("a good user");
        exchange.refreshed(&answer(body), || known.as_packed())
    };
    assert!(matches!(refreshed(Some(&fetched.tag), old), Ok(Refreshed::Unchanged)), "the same body is unchanged");
    if old == new {
        return;
    }
    let changes = |tag| -> Result<_, FetchError> {
        let Refreshed::Changed { mut changes, warnings, .. } = refreshed(tag, new)? else {
            panic!("another body is not unchanged");
        };
        changes.sort_by(|a, b| a.jid().cmp(b.jid()));
        Ok((changes, warnings))
    };
    // Without a tag the comparison is always the thorough one.
    assert_eq!(changes(Some(&fetched.tag)), changes(None));
}
