#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;

use super::super::cost::{HELD, WRITTEN};
use super::super::writer::{Length, write_element};
use super::*;

const LIMITS: StanzaLimits = StanzaLimits { bytes: 2000, depth: 5 };
const ROOT: &str =
    "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0' to='x'>";

/// All events, or those before the error and the error.
fn read(framing: Framing, bytes: &[u8], chunk: usize) -> (Vec<StreamEvent>, Option<StreamCondition>) {
    let mut parser = StreamParser::new(framing, LIMITS);
    let mut events = Vec::new();
    for mut piece in bytes.chunks(chunk) {
        loop {
            match parser.next(&mut piece) {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(error) => return (events, Some(error.condition)),
            }
        }
    }
    (events, None)
}

fn after_root(text: &str) -> (Vec<StreamEvent>, Option<StreamCondition>) {
    let all = format!("{ROOT}{text}");
    let (mut whole, error) = read(Framing::Document, all.as_bytes(), all.len());
    for chunk in [1, 3, 64] {
        assert_eq!(
            read(Framing::Document, all.as_bytes(), chunk),
            (clone(&whole), error),
            "in pieces of {chunk}: {text}"
        );
    }
    assert!(matches!(whole.remove(0), StreamEvent::Open(_)));
    (whole, error)
}

fn clone(events: &[StreamEvent]) -> Vec<StreamEvent> {
    events
        .iter()
        .map(|event| match event {
            StreamEvent::Open(header) => StreamEvent::Open(header.clone()),
            StreamEvent::Element(element) => StreamEvent::Element(element.clone()),
            StreamEvent::Close => StreamEvent::Close,
        })
        .collect()
}

#[test]
fn a_stream_is_its_header_its_elements_and_its_end() {
    let (events, error) = after_root(
        "  <presence/>\n<message a='1' xml:lang='de'><body>x<![CDATA[<y>]]>&amp;&#x7a;</body><q xmlns='urn:q'/></message> </stream:stream>",
    );
    assert_eq!(error, None);
    let expected: Vec<Element> = [
        "<presence xmlns='jabber:client'/>",
        "<message xmlns='jabber:client' a='1' xml:lang='de'><body>x&lt;y&gt;&amp;z</body><q xmlns='urn:q'/></message>",
    ]
    .map(|xml| xml.parse().unwrap())
    .into();
    let mut expected: Vec<StreamEvent> = expected.into_iter().map(StreamEvent::Element).collect();
    expected.push(StreamEvent::Close);
    assert_eq!(events, expected);
}

#[test]
fn white_space_before_a_header_is_skipped() {
    let text = format!(" \r\n\t<?xml version='1.0'?>\n{ROOT}");
    let (events, error) = read(Framing::Document, text.as_bytes(), 1);
    assert_eq!((events.len(), error), (1, None));
}

#[test]
fn white_space_between_stanzas_is_not_the_beginning_of_one() {
    let mut parser = StreamParser::new(Framing::Document, LIMITS);
    let mut input = ROOT.as_bytes();
    assert!(parser.next(&mut input).unwrap().is_some());
    for _ in 0..10 * LIMITS.bytes {
        assert_eq!(parser.next(&mut &b" "[..]).unwrap(), None);
        assert!(!parser.is_partial());
    }
    assert_eq!(parser.next(&mut &b"<"[..]).unwrap(), None);
    assert!(parser.is_partial());
}

#[test]
fn what_is_not_restricted_xml_or_beyond_a_limit_is_refused_by_its_condition() {
    let deep = |n: usize| format!("{}{}", "<a>".repeat(n), "</a>".repeat(n));
    let long = |n: usize| format!("<a>{}</a>", "x".repeat(n - 7));
    let declared: String = (0..200).map(|n| format!(" xmlns:a{n}='b'")).collect();
    let cases: Vec<(String, Option<StreamCondition>)> = vec![
        (deep(5), None),
        (deep(6), Some(StreamCondition::PolicyViolation)),
        (long(2000), None),
        (long(2001), Some(StreamCondition::PolicyViolation)),
        (format!("<a{declared}/>"), Some(StreamCondition::PolicyViolation)),
        ("<!-- x -->".into(), Some(StreamCondition::RestrictedXml)),
        ("<a><!-- x --></a>".into(), Some(StreamCondition::RestrictedXml)),
        ("<?php x?>".into(), Some(StreamCondition::RestrictedXml)),
        ("<!DOCTYPE x>".into(), Some(StreamCondition::RestrictedXml)),
        ("<a><!ENTITY x 'y'></a>".into(), Some(StreamCondition::RestrictedXml)),
        ("<a>&x;</a>".into(), Some(StreamCondition::RestrictedXml)),
        ("<a b='&x;'/>".into(), Some(StreamCondition::RestrictedXml)),
        ("<a>&#0;</a>".into(), Some(StreamCondition::NotWellFormed)),
        ("<a>\u{1}</a>".into(), Some(StreamCondition::NotWellFormed)),
        ("<a b='1' b='2'/>".into(), Some(StreamCondition::NotWellFormed)),
        ("<a xmlns:p='q' xmlns:r='q' p:b='1' r:b='2'/>".into(), Some(StreamCondition::NotWellFormed)),
        ("<a xmlns='b' xmlns='c'/>".into(), Some(StreamCondition::NotWellFormed)),
        ("<p:a/>".into(), Some(StreamCondition::NotWellFormed)),
        ("<a></b>".into(), Some(StreamCondition::NotWellFormed)),
        ("<a b=c/>".into(), Some(StreamCondition::NotWellFormed)),
        ("<a b='<'/>".into(), Some(StreamCondition::NotWellFormed)),
        ("x".into(), Some(StreamCondition::BadFormat)),
        ("<a xmlns:xmlns='b'/>".into(), Some(StreamCondition::NotWellFormed)),
    ];
    for (text, expected) in cases {
        assert_eq!(after_root(&text).1, expected, "{}", text.chars().take(80).collect::<String>());
    }
}

/// Each is well within the bytes a stanza may have; what it takes in memory, or becomes when it is written again, is not.
#[test]
fn what_takes_more_memory_or_becomes_longer_than_a_stanza_may_is_refused_while_it_is_read() {
    const BYTES: usize = 10_000;
    let name = "n".repeat(4_900);
    let many = |n: usize, text: &dyn Fn(usize) -> String| (0..n).map(text).collect::<String>();
    let cases: Vec<(&str, String, bool)> = vec![
        ("children that inherit a long name", format!("<a xmlns='{name}'>{}</a>", "<b/>".repeat(100)), true),
        ("too many of them", format!("<a xmlns='{name}'>{}</a>", "<b/>".repeat(1_240)), false),
        ("each called otherwise", format!("<a xmlns='{name}'>{}</a>", many(200, &|n| format!("<b{n}/>"))), false),
        ("a long name by prefix", format!("<a xmlns:p='{name}'>{}</a>", "<p:b/>".repeat(10)), false),
        ("two of them", format!("<a xmlns:p='{name}'>{}</a>", "<p:b/>".repeat(2)), true),
        ("attributes by prefix", format!("<a xmlns:p='{name}'>{}</a>", "<b p:c=''/>".repeat(10)), false),
        ("by turns", format!("<a xmlns='{name}' xmlns:p='q'>{}</a>", "<p:b/><p:c/>".repeat(10)), true),
        (
            "a long name at each turn",
            format!("<a xmlns='q' xmlns:p='{name}'>{}</a>", "<p:b><c xmlns='d'/></p:b>".repeat(10)),
            false,
        ),
        ("tiny elements", format!("<a>{}</a>", "<b/>".repeat(2_000)), false),
        ("tiny elements with attributes", format!("<a>{}</a>", "<b c=''/>".repeat(900)), false),
        ("attributes alone", format!("<a {}/>", many(1_000, &|n| format!("a{n}='' "))), false),
        ("text and elements by turns", format!("<a>{}</a>", "x<b/>".repeat(1_500)), false),
        ("text that is escaped", format!("<a><![CDATA[{}]]></a>", "<".repeat(9_000)), false),
        ("text", format!("<a>{}</a>", "x".repeat(9_900)), true),
        (
            "an ordinary message",
            format!("<message to='a@b'><body>x</body>{}</message>", "<x xmlns='y'/>".repeat(9)),
            true,
        ),
    ];
    for (what, text, fits) in cases {
        assert!(text.len() <= BYTES, "{what}");
        for framing in [Framing::Document, Framing::Messages] {
            for chunk in [BYTES, 7] {
                let mut parser = StreamParser::new(framing, StanzaLimits { bytes: BYTES, depth: 16 });
                if framing == Framing::Document {
                    parser.next(&mut ROOT.as_bytes()).unwrap();
                }
                let mut most = 0;
                let mut ended = None;
                for mut piece in text.as_bytes().chunks(chunk) {
                    let event = parser.next(&mut piece);
                    most = most.max(parser.held());
                    match event {
                        Ok(None) => continue,
                        Ok(Some(event)) => ended = Some(Ok(event)),
                        Err(error) => ended = Some(Err(error.condition)),
                    }
                    break;
                }
                match ended.unwrap() {
                    Ok(StreamEvent::Element(element)) => {
                        assert!(fits, "{what} {framing:?} {chunk}");
                        let mut written = Length(0);
                        write_element(&mut written, &element, "");
                        assert!(written.0 <= WRITTEN * BYTES, "{what}: {written:?}");
                    }
                    Ok(other) => panic!("{what}: {other:?}"),
                    Err(condition) => {
                        assert_eq!((fits, condition), (false, StreamCondition::PolicyViolation), "{what} {framing:?}");
                    }
                }
                assert!(most <= (HELD + 1) * BYTES, "{what}: {most}");
            }
        }
    }
}

#[test]
fn a_header_is_judged_by_its_namespaces() {
    let streams = "xmlns:stream='http://etherx.jabber.org/streams'";
    let cases: Vec<(String, Option<StreamCondition>)> = vec![
        (format!("<stream:stream xmlns='jabber:client' {streams}>"), None),
        (format!("<stream:stream {streams}>"), Some(StreamCondition::InvalidNamespace)),
        (format!("<stream:stream xmlns='jabber:server' {streams}>"), Some(StreamCondition::InvalidNamespace)),
        ("<stream:stream xmlns='jabber:client' xmlns:stream='x'>".into(), Some(StreamCondition::InvalidNamespace)),
        ("<stream:stream xmlns='jabber:client'>".into(), Some(StreamCondition::NotWellFormed)),
        ("<stream xmlns='http://etherx.jabber.org/streams'>".into(), Some(StreamCondition::BadNamespacePrefix)),
        (
            "<s:stream xmlns='jabber:client' xmlns:s='http://etherx.jabber.org/streams'>".into(),
            Some(StreamCondition::BadNamespacePrefix),
        ),
        (format!("<stream:x xmlns='jabber:client' {streams}>"), Some(StreamCondition::BadFormat)),
        ("<html>".into(), Some(StreamCondition::InvalidNamespace)),
        ("GET / HTTP/1.1\r\n".into(), Some(StreamCondition::NotWellFormed)),
        ("<?xml version='1.0' encoding='UTF-8'?>".into(), None),
        ("<?xml version='1.0' encoding='utf-16'?>".into(), Some(StreamCondition::UnsupportedEncoding)),
        ("<?xml version='1.1'?>".into(), Some(StreamCondition::NotWellFormed)),
        ("<!DOCTYPE x><x/>".into(), Some(StreamCondition::RestrictedXml)),
        ("\u{feff}<a/>".into(), Some(StreamCondition::NotWellFormed)),
    ];
    for (text, expected) in cases {
        assert_eq!(read(Framing::Document, text.as_bytes(), 4096).1, expected, "{text}");
        assert_eq!(read(Framing::Document, text.as_bytes(), 1).1, expected, "{text}");
    }
    for (bytes, expected) in [
        (&b"\xff\xfe<\0a\0"[..], StreamCondition::UnsupportedEncoding),
        (&b"\xfe\xff\0<\0a"[..], StreamCondition::UnsupportedEncoding),
        (&b"<\0a\0"[..], StreamCondition::NotWellFormed),
    ] {
        assert_eq!(read(Framing::Document, bytes, 1).1, Some(expected), "{bytes:?}");
        assert_eq!(read(Framing::Document, bytes, 10).1, Some(expected), "{bytes:?}");
    }
}

#[test]
fn a_version_is_one_point_zero_or_later() {
    for (version, expected) in [
        (Some("1.0"), true),
        (Some("1.1"), true),
        (Some("10.0"), true),
        (None, false),
        (Some("0.9"), false),
        (Some("1"), false),
        (Some("x.y"), false),
        (Some("1.x"), false),
        (Some("+1.0"), false),
    ] {
        let header = Header { version: version.map(str::to_owned), ..Header::default() };
        assert_eq!(header.is_supported_version(), expected, "{version:?}");
    }
}

#[test]
fn over_websocket_each_message_is_an_element() {
    let open = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='x' version='1.0'/>";
    let (events, error) = read(
        Framing::Messages,
        format!("{open}<presence xmlns='jabber:client'/><close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>")
            .as_bytes(),
        7,
    );
    assert_eq!(error, None);
    assert!(matches!(
        &events[..],
        [StreamEvent::Open(header), StreamEvent::Element(_), StreamEvent::Close] if header.to.as_deref() == Some("x")
    ));
    let (_, error) = read(Framing::Messages, format!("{ROOT}</stream:stream>").as_bytes(), 7);
    assert_eq!(error, Some(StreamCondition::BadFormat));
}

proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic_and_pieces_do_not_matter(
        bytes in proptest::collection::vec(prop_oneof![
            Just(b"<a>".to_vec()), Just(b"</a>".to_vec()), Just(b"<a b='c'/>".to_vec()), Just(b"&amp;".to_vec()),
            Just(b"<!".to_vec()), Just(b"<?".to_vec()), Just(b"]]>".to_vec()), Just(b"<![CDATA[".to_vec()),
            Just(ROOT.as_bytes().to_vec()), Just(b"</stream:stream>".to_vec()), Just(b" ".to_vec()),
            proptest::collection::vec(any::<u8>(), 0..4),
        ], 0..24).prop_map(|parts| parts.concat()),
        chunk in 1usize..9,
        rooted in any::<bool>(),
    ) {
        let bytes = if rooted { [ROOT.as_bytes(), &bytes].concat() } else { bytes };
        let whole = read(Framing::Document, &bytes, bytes.len().max(1));
        let pieces = read(Framing::Document, &bytes, chunk);
        // Pieces decide how soon it is seen that something is wrong, and of two wrong things which is seen first.
        prop_assert_eq!(whole.0, pieces.0);
    }
}
