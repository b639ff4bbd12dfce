//! What breaks WebSocket (RFC 6455), or XMPP over it (RFC 7395), frame by frame: the client is told by both protocols, and its
//! session is over. It could only resume to send the same again.

use crate::support::server::{LONG, config, until};
use crate::support::{Client, Server};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const OPEN: &str = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='example.com' version='1.0'/>";
const CLOSE: &str = "<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>";
const ENABLE: &str = "<enable xmlns='urn:xmpp:sm:3' resume='true'/>";

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSING: u8 = 8;
const PING: u8 = 9;
const FIN: u8 = 0x80;

/// One frame; `first` is its first byte.
fn frame(first: u8, masked: bool, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    let mask_bit = if masked { 0x80 } else { 0 };
    match payload.len() {
        length @ 0..126 => frame.push(mask_bit | u8::try_from(length).unwrap()),
        length @ 126..65_536 => {
            frame.push(mask_bit | 126);
            frame.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            frame.push(mask_bit | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    if masked {
        let mask = [1, 2, 3, 4];
        frame.extend(mask);
        frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    } else {
        frame.extend(payload);
    }
    frame
}

/// A client that is on speaking terms with TCP only.
struct Raw(TcpStream);

impl Raw {
    /// Nothing but the WebSocket.
    async fn connect(server: &Server) -> Self {
        let mut raw = Self(TcpStream::connect(server.web_encrypted).await.unwrap());
        let request = "GET /xmpp-websocket HTTP/1.1\r\nhost: x\r\nconnection: keep-alive, Upgrade\r\nupgrade: websocket\r\n\
                       sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                       sec-websocket-protocol: xmpp\r\n\r\n";
        raw.0.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(raw.0.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 101 ") && head.contains("s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");
        assert!(head.contains("sec-websocket-protocol: xmpp\r\n"), "{head}");
        raw
    }

    /// Logged in as john with stream management; the id to resume with.
    async fn log_in(server: &Server) -> (Self, String) {
        let mut raw = Self::connect(server).await;
        let secret = STANDARD.encode("\0john\0john's secret");
        let auth = format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{secret}</auth>");
        let bind = "<iq xmlns='jabber:client' type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>";
        let mut last = String::new();
        for (text, answers) in [(OPEN, 2), (&auth, 1), (OPEN, 2), (bind, 1), (ENABLE, 1)] {
            raw.send(&frame(FIN | TEXT, true, text.as_bytes())).await;
            for _ in 0..answers {
                let (opcode, payload) = raw.next().await.unwrap();
                assert_eq!(opcode, TEXT);
                last = String::from_utf8(payload).unwrap();
            }
        }
        let id = last.split("id='").nth(1).unwrap_or_else(|| panic!("{last}")).split('\'').next().unwrap().to_owned();
        (raw, id)
    }

    async fn send(&mut self, bytes: &[u8]) {
        // The server may have heard enough before the end.
        let _ = timeout(LONG, self.0.write_all(bytes)).await.expect("the server reads");
    }

    /// The next frame's opcode and payload. None at an orderly end of the connection.
    async fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        let next = async {
            let mut first = [0];
            if self.0.read(&mut first).await.expect("no reset") == 0 {
                return None;
            }
            let length = match self.0.read_u8().await.unwrap() {
                126 => usize::from(self.0.read_u16().await.unwrap()),
                127 => usize::try_from(self.0.read_u64().await.unwrap()).unwrap(),
                length => usize::from(length),
            };
            let mut payload = vec![0; length];
            self.0.read_exact(&mut payload).await.unwrap();
            Some((first[0] & 0x0f, payload))
        };
        timeout(LONG, next).await.expect("an answer")
    }
}

#[tokio::test]
async fn what_breaks_the_protocol_is_told_by_both_protocols_and_ends_the_session() {
    let message = |body: &str| format!("<message xmlns='jabber:client'><body>{body}</body></message>").into_bytes();
    let long = message(&"x".repeat(300_000));
    let deep = ["<a>".repeat(100), "</a>".repeat(100)].concat();
    let text = |payload: &[u8]| frame(FIN | TEXT, true, payload);
    let ping = b"<iq xmlns='jabber:client' type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>";
    let cases: Vec<(&str, Vec<u8>, &str, u16)> = vec![
        ("a long stanza", text(&long), "policy-violation", 1009),
        (
            "a long stanza in pieces",
            [frame(TEXT, true, &long[..200_000]), frame(FIN, true, &long[200_000..])].concat(),
            "policy-violation",
            1009,
        ),
        ("the beginning of an endless one", text(&long)[..20].to_vec(), "policy-violation", 1009),
        (
            "a length of 63 bits",
            vec![FIN | TEXT, 0xff, 0x7f, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4],
            "policy-violation",
            1009,
        ),
        ("a deep stanza", text(&message(&deep)), "policy-violation", 1008),
        ("not UTF-8", text(b"<message xmlns='jabber:client'>\xff\xfe</message>"), "not-well-formed", 1007),
        ("UTF-8 cut off", text(b"<message xmlns='jabber:client'>\xe2\x82"), "not-well-formed", 1007),
        ("a surrogate", text(b"<message xmlns='jabber:client'>\xed\xa0\x80</message>"), "not-well-formed", 1007),
        (
            "bad UTF-8 in pieces",
            [frame(TEXT, true, b"<message xmlns='jabber:client'>\xc3"), frame(FIN, true, b"(</message>")].concat(),
            "not-well-formed",
            1007,
        ),
        ("not XML", text(b"{\"type\": \"message\"}"), "not-well-formed", 1007),
        ("half an element", text(b"<message xmlns='jabber:client'>"), "not-well-formed", 1007),
        ("two elements", text(&[&ping[..], ping].concat()), "not-well-formed", 1007),
        ("a comment", text(b"<!-- x -->"), "restricted-xml", 1007),
        ("RSV1", frame(FIN | 0x40 | TEXT, true, ping), "bad-format", 1002),
        ("RSV2", frame(FIN | 0x20 | TEXT, true, ping), "bad-format", 1002),
        ("RSV3", frame(FIN | 0x10 | TEXT, true, ping), "bad-format", 1002),
        ("RSV1 on a ping", frame(FIN | 0x40 | PING, true, b""), "bad-format", 1002),
        ("no mask", frame(FIN | TEXT, false, ping), "bad-format", 1002),
        ("no mask on a ping", frame(FIN | PING, false, b""), "bad-format", 1002),
        ("a reserved opcode", frame(FIN | 3, true, ping), "bad-format", 1002),
        ("another", frame(FIN | 7, true, b""), "bad-format", 1002),
        ("a reserved control opcode", frame(FIN | 0x0b, true, b""), "bad-format", 1002),
        ("another", frame(FIN | 0x0f, true, b""), "bad-format", 1002),
        ("a large ping", frame(FIN | PING, true, &[0; 126]), "bad-format", 1002),
        ("a ping in pieces", frame(PING, true, b"x"), "bad-format", 1002),
        ("a close in pieces", frame(CLOSING, true, b""), "bad-format", 1002),
        ("a close with half a code", frame(FIN | CLOSING, true, &[3]), "bad-format", 1002),
        ("a continuation of nothing", frame(FIN, true, ping), "bad-format", 1002),
        ("a text within a text", [frame(TEXT, true, b"<"), text(ping)].concat(), "bad-format", 1002),
        ("binary", frame(FIN | BINARY, true, ping), "bad-format", 1003),
    ];
    let mut config = config();
    config.timeouts.close = std::time::Duration::from_secs(2);
    let server = Server::with(config).await;
    for (name, bytes, condition, code) in cases {
        let (mut john, id) = Raw::log_in(&server).await;
        john.send(&bytes).await;
        let (mut told, mut closed) = (String::new(), None::<u16>);
        while let Some((opcode, payload)) = john.next().await {
            match opcode {
                TEXT => told += &String::from_utf8(payload).unwrap(),
                CLOSING => {
                    closed = Some(u16::from_be_bytes([payload[0], payload[1]]));
                    john.send(&frame(FIN | CLOSING, true, &payload)).await;
                    john.0.shutdown().await.unwrap();
                }
                other => panic!("{name}: opcode {other}"),
            }
        }
        assert!(told.contains(&format!("<{condition} ")) && told.ends_with(CLOSE), "{name}: {told}");
        assert_eq!(closed, Some(code), "{name}: {told}");
        server.is_empty().await;
        let mut again = Client::connect_tls(server.tls, &server.trust).await;
        again.open().await;
        again.plain("john").await;
        again.send(&format!("<resume xmlns='urn:xmpp:sm:3' previd='{id}' h='0'/>")).await;
        assert!(again.expect("</failed>").await.contains("<item-not-found "), "{name}");
        again.log_out().await;
    }
}

#[tokio::test]
async fn a_close_is_answered_with_a_close_and_the_session_may_be_resumed() {
    let server = Server::start().await;
    for (sent, answered) in [
        (vec![], vec![]),
        (1000_u16.to_be_bytes().to_vec(), 1000_u16.to_be_bytes().to_vec()),
        ([&1001_u16.to_be_bytes()[..], b"leaving"].concat(), [&1001_u16.to_be_bytes()[..], b"leaving"].concat()),
    ] {
        let (mut john, id) = Raw::log_in(&server).await;
        john.send(&frame(FIN | CLOSING, true, &sent)).await;
        assert_eq!(john.next().await, Some((CLOSING, answered)));
        assert_eq!(john.next().await, None);
        until("the session waits", || server.counters.sessions_hibernating.get() == 1).await;
        let mut again = Client::connect_tls(server.tls, &server.trust).await;
        again.open().await;
        again.plain("john").await;
        again.send(&format!("<resume xmlns='urn:xmpp:sm:3' previd='{id}' h='0'/>")).await;
        again.expect("<resumed ").await;
        again.log_out().await;
        server.is_empty().await;
    }
}

#[tokio::test]
async fn the_end_of_a_stream_is_the_end_of_its_websocket() {
    let mut server = Server::start().await;
    let (mut john, _) = Raw::log_in(&server).await;
    john.send(&frame(FIN | TEXT, true, CLOSE.as_bytes())).await;
    assert_eq!(john.next().await, Some((TEXT, CLOSE.as_bytes().to_vec())));
    assert_eq!(john.next().await, Some((CLOSING, 1000_u16.to_be_bytes().to_vec())));
    drop(john);
    let (mut john, _) = Raw::log_in(&server).await;
    server.stop().await;
    assert!(String::from_utf8(john.next().await.unwrap().1).unwrap().contains("<system-shutdown "));
    assert_eq!(john.next().await, Some((TEXT, CLOSE.as_bytes().to_vec())));
    assert_eq!(john.next().await, Some((CLOSING, 1001_u16.to_be_bytes().to_vec())));
}

/// Whatever a frame is, and however little it brings, it counts: afterwards nothing is read for a while.
#[tokio::test]
async fn frames_that_bring_nothing_count_as_what_a_client_sends() {
    let ping = b"<iq xmlns='jabber:client' type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>";
    let begun = [frame(TEXT, true, &ping[..5]), frame(0, true, b"").repeat(200)].concat();
    for (what, sent, ended, stanzas, bytes) in [
        ("pings", frame(FIN | PING, true, b"").repeat(200), vec![], 1, 0),
        ("pongs", frame(FIN | 0x0a, true, b"").repeat(200), vec![], 1, 0),
        ("continuations", begun.clone(), frame(FIN, true, &ping[5..]), 1, 0),
        ("bytes of pings", frame(FIN | PING, true, &[0; 125]).repeat(200), vec![], 0, 100),
        ("nothing", vec![], vec![], 1, 100),
    ] {
        let mut config = config();
        (config.limits.stanzas_per_second, config.limits.stanzas_burst) = (stanzas, 100);
        (config.limits.bytes_per_second, config.limits.bytes_burst) = (bytes, 10_000);
        let server = Server::with(config).await;
        let (mut john, _) = Raw::log_in(&server).await;
        john.send(&sent).await;
        // Read before the rest is sent, else it may come together.
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        let ended = if ended.is_empty() { frame(FIN | TEXT, true, ping) } else { ended };
        john.send(&ended).await;
        let answered = timeout(std::time::Duration::from_secs(2), async {
            loop {
                let mut first = [0];
                john.0.read_exact(&mut first).await.unwrap();
                let length = john.0.read_u8().await.unwrap();
                john.0.read_exact(&mut vec![0; usize::from(length & 0x7f)]).await.unwrap();
                if first[0] & 0x0f == TEXT {
                    return;
                }
            }
        });
        assert_eq!(answered.await.is_ok(), what == "nothing", "{what}");
    }
}

/// Pongs do not pile up for a client that does not read them, and it is not read from: its pings do not arrive any more.
#[tokio::test]
async fn who_does_not_read_pongs_is_not_read_from() {
    let server = Server::start().await;
    let mut raw = Raw::connect(&server).await;
    let pings = frame(FIN | PING, true, &[0; 125]).repeat(1000);
    let mut sent = 0_usize;
    let stuck = loop {
        if timeout(std::time::Duration::from_secs(2), raw.0.write_all(&pings)).await.is_err() {
            break true;
        }
        sent += pings.len();
        // The buffers of two sockets hold some megabytes.
        if sent > 200_000_000 {
            break false;
        }
    };
    assert!(stuck, "{sent} bytes of pings were read of a client that does not read");
    let innocent = Client::log_in(&server, "marie", "tablet").await;
    innocent.log_out().await;
}

/// What a client may send before it has logged in is measured by frames too: before that a message is refused that is announced
/// to be longer.
#[tokio::test]
async fn before_login_messages_are_as_short_as_stanzas() {
    let server = Server::start().await;
    for sent in [
        frame(FIN | TEXT, true, &[b'x'; 10_001]),
        frame(FIN | TEXT, true, &[b'x'; 200_000])[..20].to_vec(),
        [frame(TEXT, true, &[b'x'; 9_000]), frame(0, true, &[b'x'; 2_000])[..8].to_vec()].concat(),
    ] {
        let mut raw = Raw::connect(&server).await;
        raw.send(&sent).await;
        let mut told = String::new();
        while let Some((opcode, payload)) = raw.next().await {
            if opcode == CLOSING {
                assert_eq!(payload[..2], 1009_u16.to_be_bytes());
                raw.0.shutdown().await.unwrap();
                break;
            }
            told += &String::from_utf8(payload).unwrap();
        }
        assert!(told.contains("<policy-violation "), "{told}");
    }
}
