//! Any bytes in any pieces, as a document and as messages: pieces make no difference to what is read (only to how soon it
//! is seen to be wrong), what is held stays within the bound, and an element that was read is the same when it is written and
//! read again, and no longer than it may be.

use roster_xmpp::stream::cost::{HELD, WRITTEN};
use roster_xmpp::stream::writer::{Length, write_element};
use roster_xmpp::stream::{Framing, StanzaLimits, StreamEvent, StreamParser};

/// Of the streams that are read here.
pub const LIMITS: StanzaLimits = StanzaLimits { bytes: 2000, depth: 8 };

/// What is read when pieces have these lengths in turn. Ends at the first error.
pub fn read(framing: Framing, limits: StanzaLimits, bytes: &[u8], pieces: &[usize]) -> Vec<StreamEvent> {
    let mut parser = StreamParser::new(framing, limits);
    let mut events = Vec::new();
    let mut rest = bytes;
    for length in pieces.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (mut piece, more) = rest.split_at((*length).clamp(1, rest.len()));
        rest = more;
        loop {
            let event = parser.next(&mut piece);
            // A document's header, which is not kept, may take twice as much.
            let most = limits.bytes * HELD * if framing == Framing::Document && events.is_empty() { 2 } else { 1 };
            assert!(event.is_err() || parser.held() <= most, "{} bytes are held", parser.held());
            match event {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(_) => return events,
            }
        }
        parser.release();
    }
    events
}

/// The first byte says how the rest is cut.
pub(crate) fn target(data: &[u8]) {
    let Some((cut, bytes)) = data.split_first() else { return };
    let cut = usize::from(*cut);
    for framing in [Framing::Document, Framing::Messages] {
        let whole = read(framing, LIMITS, bytes, &[bytes.len()]);
        for pieces in [&[cut][..], &[1], &[cut % 7 + 1, cut / 7 + 1, 2]] {
            assert_eq!(whole, read(framing, LIMITS, bytes, pieces), "in pieces of {pieces:?}");
        }
        for event in whole {
            let StreamEvent::Element(element) = event else { continue };
            for scope in ["", "jabber:client"] {
                let mut text = String::new();
                write_element(&mut text, &element, scope);
                let mut length = Length::default();
                write_element(&mut length, &element, scope);
                assert_eq!(length, Length(text.len()));
                assert!(text.len() <= LIMITS.bytes * WRITTEN, "{} bytes are written", text.len());
                let text = format!("<root xmlns='{scope}'>{text}</root>");
                let mut parser =
                    StreamParser::new(Framing::Messages, StanzaLimits { bytes: usize::MAX, depth: LIMITS.depth + 1 });
                match parser.next(&mut text.as_bytes()) {
                    Ok(Some(StreamEvent::Element(root))) => {
                        assert_eq!(root.children().next(), Some(&element), "{text}")
                    }
                    other => panic!("{text}: {other:?}"),
                }
            }
        }
    }
}
