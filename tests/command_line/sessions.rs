//! The operator looks at the sessions of real clients, and ends them.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::client::request;
use crate::support::program::{TIMEOUT, run_with_input};
use crate::support::setup::{Setup, one_host};
use crate::support::stream::Stream;
use crate::support::web_app::WebApp;

const TOP: &str = "[xmpp]\nlisten = '127.0.0.1:0'\ntls_listen = 'off'\nrequire_encryption = false\n\
                   allow_unencrypted_plain_auth = true\n";
const OPEN: &str = "<stream:stream to='example.com' version='1.0' xmlns='jabber:client' \
                    xmlns:stream='http://etherx.jabber.org/streams'>";

/// A client that is logged in and has its roster.
fn log_in(address: SocketAddr, resource: &str) -> Stream {
    let mut stream = Stream::open(address);
    assert!(stream.plain("john", "hunter2").contains("<success"));
    stream.ask(OPEN, &["</stream:features>"]);
    let bind = format!(
        "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>{resource}</resource></bind></iq>"
    );
    assert!(stream.ask(&bind, &["</iq>"]).contains(&format!("/{resource}<")));
    stream
        .ask("<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>", &["</iq>", "'/></iq>", "\"/></iq>"]);
    stream
}

#[test]
fn the_operator_ends_sessions_and_their_clients_are_told_why() {
    let app = WebApp::start();
    app.answer("john", 200, r#"{"marie@example.com": {}}"#, Duration::ZERO);
    let host = one_host(&app.roster_url()).replace("[host.settings]", "accounts = 'a.txt'\n[host.settings]");
    let setup = Setup::with(&format!("{TOP}{host}"));
    let added = run_with_input(["account", "add", "john", "--file", setup.path("a.txt").to_str().unwrap()], "hunter2");
    assert_eq!(added.code, Some(0), "{added:?}");
    let host = setup.start(&[]);
    let listening = host.listening();
    let (admin, address) = (listening.admin.unwrap(), listening.xmpp.unwrap());
    let (mut phone, mut desk) = (log_in(address, "phone"), log_in(address, "desk"));

    let look = || request(admin, "GET", "/users/john", &[], "").json();
    let known = look();
    let sessions: Vec<Value> = known["sessions"].as_array().unwrap().clone();
    assert!(sessions.len() == 2 && sessions.iter().all(|session| session["via"] == "xmpp"), "{known}");
    let asked = &known["requests"][0];
    assert_eq!((&asked["method"], &asked["status"], &asked["error"]), (&json!("GET"), &json!(200), &json!(null)));
    assert!(
        asked["url"].as_str().unwrap().ends_with("/john") && asked["milliseconds"].as_f64().unwrap() > 0.0,
        "{asked}"
    );

    let end = |query: &str| request(admin, "DELETE", &format!("/sessions/john{query}"), &[], "").status;
    let gone = |left: usize| {
        let began = Instant::now();
        let there = || look()["sessions"].as_array().unwrap().len();
        while there() != left {
            assert!(began.elapsed() < TIMEOUT, "{} sessions, not {left}", there());
            thread::sleep(Duration::from_millis(10));
        }
    };
    let names = sessions.iter().map(|session| session["name"].as_str().unwrap());
    let name = names.into_iter().find(|name| name.starts_with("xmpp/phone#")).unwrap();
    let phones = format!("?resource={}", name.replace('/', "%2F").replace('#', "%23"));
    assert_eq!(end(&phones), 204);
    let why = phone.ask("", &["</stream:stream>"]);
    assert!(why.contains("policy-violation") && why.contains("the operator has ended the session"), "{why}");
    gone(1);
    assert_eq!(end(&phones), 404);
    let ping = "<iq type='get' id='ping' to='example.com'><ping xmlns='urn:xmpp:ping'/></iq>";
    assert!(desk.ask(ping, &["id='ping'", "id=\"ping\""]).contains("result"), "the other one stays");

    assert_eq!(end(""), 204);
    assert!(desk.ask("", &["</stream:stream>"]).contains("policy-violation"));
    gone(0);
    assert_eq!(request(admin, "GET", "/sessions", &[], "").json()["users"], json!([]));
    assert_eq!(end(""), 404);
    log_in(address, "phone");
    let ended = host.stop();
    assert_eq!(ended.stderr.matches("the operator ended sessions").count(), 2, "{}", ended.stderr);
}
