//! Any layout over any text: what is read packs to the same value again, and is no more than the layout has room for.
//! The text ends where a byte is 0xFF, which no text has; numbers of four bytes follow.

use http_roster_admin::roster::packed::{Packed, pack};

pub(crate) fn target(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == 0xFF).unwrap_or(data.len());
    let (text, numbers) = data.split_at(end);
    let Ok(text) = str::from_utf8(text) else { return };
    let numbers = numbers.get(1..).unwrap_or_default();
    let layout: Vec<u32> = numbers.chunks_exact(4).map(|bytes| u32::from_le_bytes(bytes.try_into().unwrap())).collect();
    // Small numbers are the ones that mean something.
    for layout in [layout.clone(), layout.iter().map(|number| number % 8).collect()] {
        let read: Vec<_> =
            Packed::new(text, &layout).iter().map(|contact| contact.map(|contact| contact.to_contact())).collect();
        assert!(read.len() <= layout.len() / 4 + 1);
        if let Ok(contacts) = read.into_iter().collect::<Result<Vec<_>, _>>() {
            let again = pack(&contacts).expect("it was packed before");
            assert_eq!((again.text.as_str(), again.layout.as_slice()), (text, layout.as_slice()));
        }
    }
}
