//! Roster events as JSON lines.

use std::fs;
use std::thread;

use serde_json::{Value, json};

use super::client::{connect, refresh};
use super::setup::Setup;
use super::web_app::WebApp;

const USERS: [&str; 4] = ["john", "marie", "michael", "aaron"];
const ROUNDS: usize = 10;

/// Several users connect and change at the same time; returns what was on standard output.
fn stir(setup: &Setup, app: &WebApp) -> String {
    let host = setup.start(&[]);
    let listening = host.listening();
    let (http, admin) = (listening.http.unwrap(), listening.admin.unwrap());
    thread::scope(|scope| {
        for user in USERS {
            scope.spawn(move || {
                app.set(user, "friend-0@example.com");
                connect(admin, user);
                for round in 1..=ROUNDS {
                    app.set(user, &format!("friend-{round}@example.com"));
                    let response = refresh(http, &[user]);
                    assert_eq!((response.status, &response.json()["errors"]), (200, &json!(0)), "{user}");
                }
            });
        }
    });
    // The last refresh was answered a moment ago: its event must not be lost.
    let ended = host.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended.stdout
}

/// Complete lines, each user's events in the order of versions, none lost.
fn check(text: &str) {
    assert!(text.ends_with('\n'), "the last line is complete: {text}");
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert_eq!(events.len(), USERS.len() * (1 + ROUNDS), "{text}");
    for user in USERS {
        let own: Vec<&Value> = events.iter().filter(|event| event["user"] == user).collect();
        let versions: Vec<u64> = own.iter().map(|event| event["version"].as_u64().unwrap()).collect();
        assert!(versions.is_sorted_by(|one, next| one < next), "{user}: {versions:?}");
        assert_eq!(
            (&own[0]["event"], &own[0]["contacts"][0]["jid"]),
            (&json!("loaded"), &json!("friend-0@example.com"))
        );
        for (round, event) in own.iter().enumerate().skip(1) {
            assert_eq!((&event["event"], &event["domain"]), (&json!("changed"), &json!("example.com")), "{user}");
            let changes = event["changes"].as_array().unwrap();
            let put = json!({"jid": format!("friend-{round}@example.com"), "subscription": "both", "groups": []});
            assert!(changes.contains(&json!({ "put": put })), "{user}, round {round}: {event}");
            assert!(
                changes.contains(&json!({"remove": format!("friend-{}@example.com", round - 1)})),
                "{user}: {event}"
            );
            assert_eq!(changes.len(), 2, "{user}: {event}");
        }
    }
}

#[test]
fn on_standard_output() {
    let app = WebApp::start();
    let setup = Setup::new(&app, "sinks.json_lines.path = '-'", "");
    check(&stir(&setup, &app));
}

#[test]
fn in_a_file_beside_the_configuration_after_what_is_there_already() {
    let app = WebApp::start();
    let setup = Setup::new(&app, "sinks.json_lines.path = 'events.jsonl'", "");
    let before = "{\"event\":\"an older one\"}\n";
    fs::write(setup.path("events.jsonl"), before).unwrap();
    assert_eq!(stir(&setup, &app), "", "standard output is not for these");
    let text = fs::read_to_string(setup.path("events.jsonl")).unwrap();
    check(text.strip_prefix(before).expect("nothing is overwritten"));
}
