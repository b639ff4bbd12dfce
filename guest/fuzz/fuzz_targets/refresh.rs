//! Any two bodies, with a zero byte between them: reading the second in step with the first gives what a thorough
//! comparison gives.
#![no_main]

use http_roster_admin::packed::PackedBuf;
use http_roster_admin::protocol::{Exchange, FetchError, Refreshed, Response};
use http_roster_admin::settings::Settings;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some(split) = input.iter().position(|byte| *byte == 0) else { return };
    let (old, new) = (&input[..split], &input[split + 1..]);
    let settings = Settings::new(Some("http://app/%s"), Some("example.com")).expect("good settings");
    let answer = |body| Response { status: 200, etag: None, body };
    let first = Exchange::first(&settings, "john").expect("a good user");
    let Ok(fetched) = first.roster(&answer(old)) else { return };
    let known = PackedBuf::pack(&fetched.contacts).expect("a body is shorter than 4 GiB");
    if old == new {
        return;
    }
    let changes = |tag| -> Result<_, FetchError> {
        let exchange = Exchange::again(&settings, "john", tag)?;
        let Refreshed::Changed { mut changes, warnings, .. } =
            exchange.refreshed(&answer(new), || known.as_packed())?
        else {
            panic!("another body is not unchanged");
        };
        changes.sort_by(|a, b| a.jid().cmp(b.jid()));
        Ok((changes, warnings))
    };
    // Without a tag the comparison is always the thorough one.
    assert_eq!(changes(Some(&fetched.tag)), changes(None));
});
