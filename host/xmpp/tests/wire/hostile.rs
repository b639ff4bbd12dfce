//! About a hundred streams no honest client sends. Each is answered by the RFC, the server stays up, and nothing is left of
//! any of them.

use std::time::Duration;

use crate::support::client::HEADER;
use crate::support::server::{config, until};
use crate::support::{Client, Server};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// How far an honest client has got when it turns.
#[derive(Clone, Copy, Debug, PartialEq)]
enum At {
    /// Connected.
    Start,
    /// The server's header and features were read.
    Open,
    /// Logged in, the stream not restarted.
    Authenticated,
    /// Restarted.
    LoggedIn,
    /// With a resource.
    Bound,
}

/// What has to come back.
enum Then {
    /// A stream error, and the stream's end.
    Error(&'static str),
    /// A SASL failure; the stream goes on.
    Sasl(&'static str),
    /// The stream's end, with this in what was said before.
    Ends(&'static str),
    /// The stream goes on, with this in what was said.
    Goes(&'static str),
}

use At::{Authenticated, Bound, LoggedIn, Open, Start};
use Then::{Ends, Error, Goes, Sasl};

async fn at(server: &Server, at: At) -> Client {
    let mut client = Client::connect_tls(server.tls, &server.trust).await;
    if at == Start {
        return client;
    }
    client.open().await;
    match at {
        Start | Open => {}
        Authenticated => {
            let secret = STANDARD.encode("\0john\0john's secret");
            client.send(&auth("PLAIN", &secret)).await;
            client.expect("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>").await;
        }
        LoggedIn => client.plain("john").await,
        Bound => {
            client.plain("john").await;
            client.bind("x").await;
        }
    }
    client
}

fn auth(mechanism: &str, data: &str) -> String {
    format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='{mechanism}'>{data}</auth>")
}

fn response(data: &str) -> String {
    format!("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{data}</response>")
}

fn header(change: (&str, &str)) -> String {
    let changed = HEADER.replace(change.0, change.1);
    assert_ne!(changed, HEADER);
    changed
}

/// Each case on a stream of its own, then an honest client: it is served, and nothing is left of the others.
async fn play(server: &Server, cases: Vec<(At, Vec<u8>, Then)>) {
    for (place, bytes, then) in cases {
        let name = format!("{place:?}: {}", String::from_utf8_lossy(&bytes).chars().take(120).collect::<String>());
        let mut client = at(server, place).await;
        client.try_send(&bytes).await;
        match then {
            Error(condition) => {
                let rest = client.rest().await;
                assert!(rest.contains(&format!("<stream:error><{condition} ")), "{name}\n{condition}: {rest}");
                assert!(rest.ends_with("</stream:error></stream:stream>"), "{name}\n{rest}");
                assert!(place != Start || rest.starts_with("<?xml version='1.0'?><stream:stream "), "{name}\n{rest}");
                assert_eq!(rest.matches("<stream:error").count(), 1, "{name}\n{rest}");
            }
            Sasl(condition) => {
                let answer = client.expect("</failure>").await;
                assert!(answer.ends_with(&format!("'><{condition}/></failure>")), "{name}\n{condition}: {answer}");
                client.plain("john").await;
            }
            Ends(wanted) => {
                let rest = client.rest().await;
                assert!(rest.contains(wanted), "{name}\n{wanted}: {rest}");
            }
            Goes(wanted) => {
                client.expect(wanted).await;
                client.send("</stream:stream>").await;
                let rest = client.rest().await;
                assert!(rest.ends_with("</stream:stream>") && !rest.contains("error"), "{name}\n{rest}");
            }
        }
    }
    let mut honest = at(server, Bound).await;
    honest.ping("p").await;
    honest.log_out().await;
    server.is_empty().await;
    assert!(server.friends.connected.lock().is_empty());
}

fn text(text: impl AsRef<str>) -> Vec<u8> {
    text.as_ref().as_bytes().to_vec()
}

#[tokio::test]
async fn headers() {
    let server = Server::start().await;
    let streams = "xmlns:stream='http://etherx.jabber.org/streams'";
    let many: String = (0..400).map(|n| format!(" a{n}='b'")).collect();
    let cases = vec![
        (Start, text("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), Error("not-well-formed")),
        (Start, text("\0\0\0\0"), Error("not-well-formed")),
        (Start, text("<html><body/></html>"), Error("invalid-namespace")),
        (Start, text("<stream:stream>"), Error("not-well-formed")),
        (Start, text(format!("<stream:stream {streams}>")), Error("invalid-namespace")),
        (Start, text(header(("jabber:client", "jabber:server"))), Error("invalid-namespace")),
        (Start, text(header(("etherx.jabber.org", "example.org"))), Error("invalid-namespace")),
        (Start, text("<stream xmlns='http://etherx.jabber.org/streams'>"), Error("bad-namespace-prefix")),
        (
            Start,
            text(HEADER.replace("stream:stream", "s:stream").replace("xmlns:stream", "xmlns:s")),
            Error("bad-namespace-prefix"),
        ),
        (Start, text(HEADER.replace("stream:stream", "stream:flow")), Error("bad-format")),
        (Start, text(header((" to='example.com'", " to='example.org'"))), Error("host-unknown")),
        (Start, text(header((" to='example.com'", " to='@@'"))), Error("host-unknown")),
        (Start, text(header((" to='example.com'", " to=''"))), Error("host-unknown")),
        (Start, text(header((" to='example.com'", ""))), Error("improper-addressing")),
        (Start, text(header((" to='example.com'", " to='EXAMPLE.com'"))), Goes("from='example.com'")),
        (Start, text(header((" version='1.0' xmlns", " xmlns"))), Error("unsupported-version")),
        (Start, text(header((" version='1.0' xmlns", " version='0.9' xmlns"))), Error("unsupported-version")),
        (Start, text(header((" version='1.0' xmlns", " version='' xmlns"))), Error("unsupported-version")),
        (Start, text(header((" version='1.0' xmlns", " version='1.7' xmlns"))), Goes(" version='1.0'")),
        (Start, text(header(("<?xml version='1.0'?>", "<?xml version='1.1'?>"))), Error("not-well-formed")),
        (
            Start,
            text(header(("<?xml version='1.0'?>", "<?xml version='1.0' encoding='iso-8859-1'?>"))),
            Error("unsupported-encoding"),
        ),
        (
            Start,
            text(header(("<?xml version='1.0'?>", "<!DOCTYPE x SYSTEM 'file:///etc/passwd'>"))),
            Error("restricted-xml"),
        ),
        (Start, text(header(("<?xml version='1.0'?>", "<!-- hello -->"))), Error("restricted-xml")),
        (Start, text(header(("<?xml version='1.0'?>", "<?php x ?>"))), Error("restricted-xml")),
        (Start, text(header(("<?xml version='1.0'?>", "\u{feff}"))), Error("not-well-formed")),
        (Start, [&b"\xff\xfe"[..], &text(HEADER)].concat(), Error("unsupported-encoding")),
        (Start, HEADER.encode_utf16().flat_map(u16::to_le_bytes).collect(), Error("not-well-formed")),
        (Start, text(header((" to=", &format!("{many} to=")))), Goes("</stream:features>")),
        (Start, text(header((" to=", &format!(" x='{}' to=", "y".repeat(9000))))), Error("policy-violation")),
        (Start, text(header((" to=", &format!(" {}='' to=", "y".repeat(9000))))), Error("policy-violation")),
        (
            Start,
            text(header((" to=", &format!("{} to=", many.repeat(2).replace("='b'", "z='b'"))))),
            Error("not-well-formed"),
        ),
        (Start, text(header((" to=", " to='example.com' to="))), Error("not-well-formed")),
        (Start, text(header((" to=", " x='&boom;' to="))), Error("restricted-xml")),
        (Start, text("<iq type='get'/>"), Error("invalid-namespace")),
        (Start, text("</stream:stream>"), Error("not-well-formed")),
        (Open, text(HEADER), Error("restricted-xml")),
        (Open, text(header(("<?xml version='1.0'?>", ""))), Error("bad-format")),
        // Half of a header, and then nothing for ever, is another test; this half is followed by the end.
        (Start, text(format!("{HEADER}</stream:stream>")), Goes("</stream:features>")),
    ];
    play(&server, cases).await;
}

#[tokio::test]
async fn xml() {
    let server = Server::start().await;
    let deep = |n: usize| format!("<message>{}{}</message>", "<a>".repeat(n), "</a>".repeat(n));
    let big = |n: usize| format!("<message to='john@example.com/x'><body>{}</body></message>", "x".repeat(n));
    let ping = "<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>";
    let laughs = "<!DOCTYPE lolz [<!ENTITY lol 'lol'><!ENTITY lol2 '&lol;&lol;&lol;'>]>";
    let spaces: String = (0..200).map(|n| format!(" xmlns:n{n}='urn:n'")).collect();
    let attributes: String = (0..30_000).map(|n| format!(" a{n}='1'")).collect();
    let cases = vec![
        (Open, text(deep(20)), Error("policy-violation")),
        (Open, text(big(10_000)), Error("policy-violation")),
        (Open, text("<a>".repeat(1_000_000)), Error("policy-violation")),
        (Open, text(laughs), Error("restricted-xml")),
        (Bound, text(laughs), Error("restricted-xml")),
        (Bound, text(deep(63) + ping), Goes("id='p'")),
        (Bound, text(deep(64)), Error("policy-violation")),
        (Bound, text("<a>".repeat(1_000_000)), Error("policy-violation")),
        (Bound, text(big(200_000) + ping), Goes("id='p'")),
        (Bound, text(big(256_000)), Error("policy-violation")),
        (Bound, text("x".repeat(1_000_000)), Error("bad-format")),
        (Bound, text("<".to_owned() + &"x".repeat(1_000_000)), Error("policy-violation")),
        (Bound, text(format!("<message a='{}'/>", "x".repeat(1_000_000))), Error("policy-violation")),
        (Bound, text(format!("<message{spaces}/>")), Error("policy-violation")),
        (Bound, text(format!("<message{attributes}/>")), Error("policy-violation")),
        (Bound, text("<message><body>&boom;</body></message>"), Error("restricted-xml")),
        (Bound, text("<message><body>&#0;</body></message>"), Error("not-well-formed")),
        (Bound, text("<message><body>&#xd800;</body></message>"), Error("not-well-formed")),
        (Bound, text("<message><body>&#x110000;</body></message>"), Error("not-well-formed")),
        (Bound, text("<message><body>\u{1}</body></message>"), Error("not-well-formed")),
        (Bound, text("<message><body>\u{ffff}</body></message>"), Error("not-well-formed")),
        (Bound, b"<message><body>\xc3\x28</body></message>".to_vec(), Error("not-well-formed")),
        (Bound, b"<message><body>\xed\xa0\x80</body></message>".to_vec(), Error("not-well-formed")),
        (Bound, b"<message><body>\xc0\xaf</body></message>".to_vec(), Error("not-well-formed")),
        (Bound, b"<message \xff='x'/>".to_vec(), Error("not-well-formed")),
        (Bound, b"<message><body>\0</body></message>".to_vec(), Error("not-well-formed")),
        (Bound, text("<!-- x -->"), Error("restricted-xml")),
        (Bound, text("<message><!-- x --></message>"), Error("restricted-xml")),
        (Bound, text("<?xml version='1.0'?>"), Error("restricted-xml")),
        (Bound, text("<?pi?>"), Error("restricted-xml")),
        (Bound, text("<message><?pi?></message>"), Error("restricted-xml")),
        (Bound, text("<![CDATA[x]]>"), Error("bad-format")),
        (Bound, text(format!("<message><body><![CDATA[<x>&y;</x>]]></body></message>{ping}")), Goes("id='p'")),
        (Bound, text("<message></presence>"), Error("not-well-formed")),
        (Bound, text("<message a='1' a='2'/>"), Error("not-well-formed")),
        (Bound, text("<message a=1/>"), Error("not-well-formed")),
        (Bound, text("<message <"), Error("not-well-formed")),
        (Bound, text("<x:message/>"), Error("not-well-formed")),
        (Bound, text("<message xmlns:xml='urn:x'/>"), Error("not-well-formed")),
        (Bound, text("<:message/>"), Error("not-well-formed")),
        (Bound, text("hello"), Error("bad-format")),
        (Bound, text(" \n\t\r ".repeat(100_000) + ping), Goes("id='p'")),
    ];
    play(&server, cases).await;
}

#[tokio::test]
async fn negotiation() {
    let server = Server::start().await;
    let ping = "<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>";
    let bind = "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>";
    let twice = "<stream:stream to='example.com' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";
    let secret = STANDARD.encode("\0john\0john's secret");
    let cases = vec![
        (Open, text(ping), Error("not-authorized")),
        (Open, text("<message/>"), Error("not-authorized")),
        (Open, text("<presence/>"), Error("not-authorized")),
        (Open, text(bind), Error("not-authorized")),
        (Open, text("<x xmlns='urn:xmpp:sm:3'/>"), Error("not-authorized")),
        (Open, text("<x xmlns='urn:x'/>"), Error("not-authorized")),
        (Open, text("<x xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"), Error("unsupported-stanza-type")),
        (Open, text("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"), Error("unsupported-stanza-type")),
        // TLS on TLS.
        (
            Open,
            text("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
            Ends("<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>"),
        ),
        (Open, text("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"), Error("not-authorized")),
        (Open, text(auth("", "")), Sasl("invalid-mechanism")),
        (Open, text(auth("DIGEST-MD5", "")), Sasl("invalid-mechanism")),
        (Open, text(auth("plain", "")), Sasl("invalid-mechanism")),
        (Open, text(auth("EXTERNAL", "=")), Sasl("invalid-mechanism")),
        (Open, text("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"), Sasl("invalid-mechanism")),
        (Open, text(auth("PLAIN", "*")), Sasl("incorrect-encoding")),
        (Open, text(auth("PLAIN", "AGpvaG4A=====")), Sasl("incorrect-encoding")),
        (Open, text(auth("PLAIN", "=")), Sasl("malformed-request")),
        (Open, text(auth("PLAIN", &STANDARD.encode("john"))), Sasl("malformed-request")),
        (Open, text(auth("PLAIN", &STANDARD.encode("\0\0"))), Sasl("malformed-request")),
        (Open, text(auth("PLAIN", &STANDARD.encode("\0john\0x\0y"))), Sasl("malformed-request")),
        (Open, text(auth("PLAIN", &STANDARD.encode(b"\0\xff\0x"))), Sasl("malformed-request")),
        (Open, text(auth("PLAIN", &STANDARD.encode("\0john\0x"))), Sasl("not-authorized")),
        (Open, text(auth("PLAIN", &STANDARD.encode("\0jo hn\0x"))), Sasl("not-authorized")),
        (
            Open,
            text(auth("PLAIN", &STANDARD.encode("marie@example.com\0john\0john's secret"))),
            Sasl("invalid-authzid"),
        ),
        (Open, text(auth("SCRAM-SHA-1", "=")), Sasl("malformed-request")),
        (Open, text(auth("SCRAM-SHA-1", &STANDARD.encode("n,,n=john"))), Sasl("malformed-request")),
        (Open, text(auth("SCRAM-SHA-1-PLUS", &STANDARD.encode("n,,n=john,r=x"))), Sasl("malformed-request")),
        (Open, text(auth("SCRAM-SHA-1", "") + &response("*")), Sasl("incorrect-encoding")),
        (Open, text(auth("SCRAM-SHA-1", &STANDARD.encode("n,,n=john,r=x")) + &response("")), Sasl("malformed-request")),
        (
            Open,
            text(
                auth("SCRAM-SHA-1", &STANDARD.encode("n,,n=john,r=x"))
                    + &response(&STANDARD.encode("c=biws,r=x,p=AAAA")),
            ),
            Sasl("malformed-request"),
        ),
        (Open, text(response("")), Sasl("malformed-request")),
        (Open, text(response(&secret)), Sasl("malformed-request")),
        (Open, text("<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"), Sasl("aborted")),
        (Open, text(auth("SCRAM-SHA-1", "") + "<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"), Sasl("aborted")),
        (Open, text(auth("EXTERNAL", "=").repeat(50)), Error("policy-violation")),
        (Open, text(auth("SCRAM-SHA-1", "").repeat(100) + "</stream:stream>"), Ends("<challenge ")),
        (Authenticated, text(ping), Error("invalid-namespace")),
        (Authenticated, text(auth("PLAIN", &secret)), Error("invalid-namespace")),
        (Authenticated, text(header((" to='example.com'", " to='example.org'"))), Error("host-unknown")),
        (Authenticated, text("</stream:stream>"), Error("not-well-formed")),
        (LoggedIn, text(auth("PLAIN", &secret)), Error("unsupported-stanza-type")),
        (LoggedIn, text("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"), Error("unsupported-stanza-type")),
        (LoggedIn, text(twice), Error("bad-format")),
        (LoggedIn, text(ping), Error("not-authorized")),
        (LoggedIn, text("<message to='marie@example.com'/>"), Error("not-authorized")),
        (LoggedIn, text("<presence/>"), Error("not-authorized")),
        (LoggedIn, text(bind.replace("'set'", "'get'")), Error("not-authorized")),
        (LoggedIn, text("<r xmlns='urn:xmpp:sm:3'/></stream:stream>"), Ends("<unexpected-request ")),
        (LoggedIn, text("<x xmlns='urn:xmpp:sm:3'/>"), Error("unsupported-stanza-type")),
        (LoggedIn, text(format!("<active xmlns='urn:xmpp:csi:0'/>{bind}")), Goes("<jid>john@example.com/")),
        (
            LoggedIn,
            text(
                "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>\u{200b}\u{ad}</resource></bind></iq></stream:stream>",
            ),
            Ends("id='b'"),
        ),
        (
            LoggedIn,
            text(format!(
                "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>{}</resource></bind></iq></stream:stream>",
                "x".repeat(2000)
            )),
            Ends("<bad-request "),
        ),
        (Bound, text(twice), Error("bad-format")),
        (Bound, text(auth("PLAIN", &secret)), Error("unsupported-stanza-type")),
        (Bound, text("<x xmlns='urn:x'/>"), Error("unsupported-stanza-type")),
        (Bound, text("<query xmlns='jabber:iq:roster'/>"), Error("unsupported-stanza-type")),
        (Bound, text("<message xmlns='jabber:server'/>"), Error("invalid-namespace")),
        (Bound, text("<iq xmlns=''/>"), Error("invalid-namespace")),
        (Bound, text("<presence from='marie@example.com'/>"), Error("invalid-from")),
        (Bound, text("<presence from='john@example.com/y'/>"), Error("invalid-from")),
        (Bound, text("<presence from='@@'/>"), Error("invalid-from")),
        (Bound, text("<stream:error/>"), Error("unsupported-stanza-type")),
        (
            Bound,
            text("<active xmlns='urn:xmpp:csi:0'/><inactive xmlns='urn:xmpp:csi:0'/>".to_owned() + ping),
            Goes("id='p'"),
        ),
        (Bound, text("<enable xmlns='urn:xmpp:sm:3'/><a xmlns='urn:xmpp:sm:3'/>"), Error("bad-format")),
        (Bound, text("<enable xmlns='urn:xmpp:sm:3'/><a xmlns='urn:xmpp:sm:3' h='-1'/>"), Error("bad-format")),
        (Bound, text("<enable xmlns='urn:xmpp:sm:3'/><a xmlns='urn:xmpp:sm:3' h='9'/>"), Error("undefined-condition")),
    ];
    play(&server, cases).await;
}

#[tokio::test]
async fn plain_connections() {
    let mut config = config();
    config.require_encryption = true;
    let server = Server::with(config).await;
    for (sent, wanted) in [
        (auth("PLAIN", "AGEAYg=="), "<encryption-required/>"),
        (auth("SCRAM-SHA-1", "="), "<encryption-required/>"),
        ("<presence/>".to_owned(), "<not-authorized "),
        // What follows in the clear could have been put there by anybody.
        (
            "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><presence/>".to_owned(),
            "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
        ),
        (
            "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>\n".to_owned(),
            "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
        ),
    ] {
        let mut client = Client::connect(server.plain).await;
        let features = client.open().await;
        assert!(features.contains("<required/>") && !features.contains("mechanism"), "{features}");
        client.send(&sent).await;
        client.expect(wanted).await;
    }
    // Not TLS after <proceed/>, and not TLS where it begins with TLS.
    let mut client = Client::connect(server.plain).await;
    client.open().await;
    client.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>").await;
    client.expect("<proceed ").await;
    client.send(HEADER).await;
    client.rest().await;
    let mut client = Client::connect(server.tls).await;
    client.send(HEADER).await;
    client.rest().await;
    server.is_empty().await;
    let mut honest = Client::start_tls(&server).await;
    honest.open().await;
    honest.plain("john").await;
}

#[tokio::test]
async fn connections_that_stop_half_way() {
    let server = Server::start().await;
    for place in [Start, Open, Authenticated, LoggedIn, Bound] {
        for bytes in [&b""[..], b"<", b"<message><body>half", b"</stream:stream", b"\xe2\x82", b"<!"] {
            for half in [false, true] {
                let mut client = at(&server, place).await;
                client.try_send(bytes).await;
                if half {
                    client.half_close().await;
                    client.rest().await;
                }
            }
        }
    }
    server.is_empty().await;
    assert!(server.friends.connected.lock().is_empty());
}

#[tokio::test]
async fn slow_bytes() {
    let mut config = config();
    config.timeouts.login = Duration::from_millis(600);
    config.timeouts.stanza = Duration::from_millis(300);
    let server = Server::with(config).await;
    // Byte by byte, and never done; connected, and silent; TLS never begun.
    let mut drip = Client::connect(server.plain).await;
    let mut silent = Client::connect(server.plain).await;
    let mut no_tls = Client::connect(server.tls).await;
    for byte in HEADER.bytes().cycle().take(120) {
        drip.try_send(&[byte]).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for client in [&mut drip, &mut silent] {
        let rest = client.rest().await;
        assert!(rest.contains("<connection-timeout "), "{rest}");
    }
    no_tls.rest().await;
    // A stanza that never ends, drop by drop; white space is no stanza.
    let mut client = at(&server, Bound).await;
    for _ in 0..40 {
        client.send(" ").await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    client.ping("p").await;
    for _ in 0..60 {
        client.try_send(b"<a>").await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let rest = client.rest().await;
    assert!(rest.contains("<connection-timeout "), "{rest}");
    until("all are gone", || server.counters.connections.get() == 0).await;
    server.is_empty().await;
}
