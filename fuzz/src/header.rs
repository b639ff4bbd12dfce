//! Any values of a stream's header, with zero bytes between them: what is written is read as the same, in both framings; and a
//! version is supported exactly if it is two numbers of which the first is 1 or more.

use roster_xmpp::stream::header::Reply;
use roster_xmpp::stream::{Framing, Header, StanzaLimits, StreamEvent, StreamParser};

pub(crate) fn target(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let mut values = text.split('\0');
    let mut next = || values.next().unwrap_or_default();
    let reply = Reply { from: next(), to: Some(next()), id: next(), lang: next() };
    for framing in [Framing::Document, Framing::Messages] {
        let mut written = String::new();
        reply.write(&mut written, framing);
        let mut parser = StreamParser::new(framing, StanzaLimits { bytes: 1 << 20, depth: 4 });
        // What XML cannot carry is replaced.
        let kept = |value: &str| {
            let fits =
                |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
            (!value.is_empty()).then(|| value.chars().map(|c| if fits(c) { c } else { '\u{fffd}' }).collect())
        };
        let expected = Header {
            to: kept(reply.to.unwrap_or_default()),
            from: kept(reply.from),
            version: Some("1.0".to_owned()),
            lang: kept(reply.lang),
        };
        match parser.next(&mut written.as_bytes()) {
            Ok(Some(StreamEvent::Open(header))) => assert_eq!(header, expected, "{written}"),
            // A value longer than the parser takes.
            Err(error) if text.len() * 6 > 8192 => drop(error),
            other => panic!("{written}: {other:?}"),
        }
    }
    let header = Header { version: Some(text.to_owned()), ..Header::default() };
    let mut numbers = text.splitn(2, '.').map(|part| {
        let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        part.trim_start_matches('0').len().le(&9).then_some(digits.then(|| part.parse::<u64>().ok())?)?
    });
    if let (Some(major), Some(minor)) = (numbers.next().flatten(), numbers.next().flatten()) {
        assert_eq!(header.is_supported_version(), major >= 1, "{text:?} {minor}");
    } else {
        let long = text.split('.').any(|part| part.len() > 9);
        assert!(long || !header.is_supported_version(), "{text:?}");
    }
}
