//! Any request body: decoding does not panic, and an error is one line without control characters.
#![no_main]

use http_roster_admin::summary::{Outcome, answer};
use http_roster_admin::users::decode;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| match decode(body) {
    Ok(users) => assert!(users.len() <= body.len() / 2),
    Err(error) => {
        let error = error.to_string();
        assert!(!error.contains(char::is_control));
        assert_eq!(answer(Outcome::Refused(&error)).status, 400);
    }
});
