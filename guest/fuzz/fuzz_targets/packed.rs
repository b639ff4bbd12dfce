//! Any layout over any text: reading does not panic, and what is read packs to the same value again.
#![no_main]

use http_roster_admin::packed::{Packed, PackedBuf};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (String, Vec<u32>)| {
    let (text, layout) = input;
    // Small numbers are the ones that mean something.
    for layout in [layout.clone(), layout.iter().map(|number| number % 8).collect()] {
        let read: Result<Vec<_>, _> =
            Packed::new(&text, &layout).iter().map(|contact| contact.map(|contact| contact.to_contact())).collect();
        if let Ok(contacts) = read {
            let again = PackedBuf::pack(&contacts).expect("it was packed before");
            assert_eq!((again.text.as_str(), again.layout.as_slice()), (text.as_str(), layout.as_slice()));
        }
    }
});
