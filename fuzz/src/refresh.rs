//! Any two bodies, with a zero byte between them: reading the second in step with the first gives what a thorough
//! comparison gives.

use http_roster_admin::protocol::{Fetch, FetchError, Refreshed, Response};
use http_roster_admin::roster::packed::{Packed, pack};
use http_roster_admin::settings::Settings;

use crate::halves;

pub(crate) fn target(data: &[u8]) {
    let (old, new) = halves(data);
    let settings = Settings::read(&xmpp_roster_plugin::Settings::of([("http_roster_url", "http://app/%s")]))
        .expect("good settings");
    let answer = |body| Response { status: 200, etag: None, body };
    let Ok(fetched) = Fetch::new(&settings, "john", None).roster(&answer(old)) else { return };
    let known = pack(&fetched.contacts).expect("a body is shorter than 4 GiB");
    let changes = |tag, body| -> Result<_, FetchError> {
        let refreshed = Fetch::new(&settings, "john", tag).refreshed(&answer(body), || Packed::from(&known))?;
        let Refreshed::Changed { mut changes, warnings, .. } = refreshed else { return Ok(Default::default()) };
        changes.sort_by(|a, b| a.jid().cmp(b.jid()));
        Ok((changes, warnings))
    };
    let again = changes(Some(&fetched.tag), old).map(|(changes, _)| changes);
    assert_eq!(again, Ok(Vec::new()), "the same body changes nothing");
    // Without a tag the comparison is always the thorough one.
    assert_eq!(changes(Some(&fetched.tag), new), changes(None, new));
}
