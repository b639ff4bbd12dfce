//! Roster events as JSON lines.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::client::{connect, refresh, request};
use crate::support::program::TIMEOUT;
use crate::support::setup::Setup;
use crate::support::web_app::WebApp;

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

#[test]
fn a_file_that_was_renamed_is_opened_anew_at_hangup_and_by_the_next_event() {
    let app = WebApp::start();
    let setup = Setup::new(&app, "sinks.json_lines.path = 'events.jsonl'", "");
    let host = setup.start(&[]);
    let admin = host.listening().admin.unwrap();
    let (path, moved) = (setup.path("events.jsonl"), setup.path("events.jsonl.1"));
    let until = |what: &str, condition: &dyn Fn() -> bool| {
        let began = Instant::now();
        while !condition() {
            assert!(began.elapsed() < TIMEOUT, "never: {what}; {}", host.stderr.text());
            thread::sleep(Duration::from_millis(5));
        }
    };
    let has = |path: &Path, user: &str| fs::read_to_string(path).is_ok_and(|text| text.contains(user));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    connect(admin, "john");
    until("john's line", &|| has(&path, "john"));
    fs::rename(&path, &moved).unwrap();
    host.signal("HUP");
    until("a new file without any event", &|| path.exists());
    connect(admin, "marie");
    until("marie's line", &|| has(&path, "marie"));
    fs::rename(&path, &moved).unwrap();
    connect(admin, "michael");
    until("michael's line", &|| has(&path, "michael"));
    assert!(has(&moved, "marie") && !has(&moved, "michael"));
    assert_eq!(host.stop().code, Some(0));
}

#[test]
fn lines_that_a_full_disk_does_not_take_are_counted_and_logged_once() {
    let app = WebApp::start();
    let setup = Setup::new(&app, "sinks.json_lines.path = '/dev/full'", "");
    let host = setup.start(&[]);
    let admin = host.listening().admin.unwrap();
    let metrics = || request(admin, "GET", "/metrics", &[], "").body;
    let lost = |sink: &str, number: usize| format!("roster_host_events_lost_total{{sink=\"{sink}\"}} {number}\n");
    // From the start, of every sink.
    let page = metrics();
    assert!(page.contains(&lost("json-lines", 0)) && page.contains(&lost("event-stream", 0)), "{page}");
    for user in USERS {
        connect(admin, user);
    }
    let began = Instant::now();
    while !metrics().contains(&lost("json-lines", USERS.len())) {
        assert!(began.elapsed() < TIMEOUT, "{}", metrics());
        thread::sleep(Duration::from_millis(20));
    }
    let ended = host.stop();
    assert_eq!(ended.stderr.matches("roster events are lost").count(), 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("/dev/full"), "{}", ended.stderr);
}
