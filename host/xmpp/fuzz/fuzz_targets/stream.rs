//! Any bytes in any pieces, as a document and as messages: reading does not panic, pieces make no difference to what is
//! read (only to how soon it is seen to be wrong), and an element
//! that was read is the same when it is written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use roster_xmpp::stream::writer::write_element;
use roster_xmpp::stream::{Framing, StanzaLimits, StreamEvent, StreamParser};

const LIMITS: StanzaLimits = StanzaLimits { bytes: 2000, depth: 8 };

fn read(framing: Framing, bytes: &[u8], piece: usize) -> Vec<StreamEvent> {
    let mut parser = StreamParser::new(framing, LIMITS);
    let mut events = Vec::new();
    for mut piece in bytes.chunks(piece) {
        loop {
            match parser.next(&mut piece) {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(_) => return events,
            }
        }
        parser.release();
    }
    events
}

fuzz_target!(|input: (u8, &[u8])| {
    let (piece, bytes) = input;
    for framing in [Framing::Document, Framing::Messages] {
        let whole = read(framing, bytes, bytes.len().max(1));
        assert_eq!(whole, read(framing, bytes, usize::from(piece).max(1)));
        for event in whole {
            let StreamEvent::Element(element) = event else { continue };
            for scope in ["", "jabber:client"] {
                let mut text = String::new();
                write_element(&mut text, &element, scope);
                let text = format!("<root xmlns='{scope}'>{text}</root>");
                let mut parser = StreamParser::new(Framing::Messages, StanzaLimits { bytes: usize::MAX, depth: 99 });
                match parser.next(&mut text.as_bytes()) {
                    Ok(Some(StreamEvent::Element(root))) => assert_eq!(root.children().next(), Some(&element), "{text}"),
                    other => panic!("{text}: {other:?}"),
                }
            }
        }
    }
});
