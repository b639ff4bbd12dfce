//! The program with a configuration.

use std::time::Duration;

use serde_json::json;

use crate::support::client::{connect, refresh, request};
use crate::support::setup::Setup;
use crate::support::web_app::WebApp;

#[test]
fn a_refresh_fetches_from_the_application_and_says_what_came_of_it() {
    let app = WebApp::start();
    let setup = Setup::new(&app, "", "");
    let host = setup.start(&[]);
    let listening = host.listening();
    let (http, admin) = (listening.http.unwrap(), listening.admin.unwrap());
    let contacts = || request(admin, "GET", "/rosters/john", &[], "").json()["contacts"].clone();

    app.set("john", "marie@example.com");
    connect(admin, "john");
    app.set("john", "aaron@example.com");
    let response = refresh(http, &["john", "unknown"]);
    let complete = json!({"status": "ok", "message": "roster update complete", "updated": 2, "errors": 0});
    assert_eq!((response.status, response.json()), (200, complete));
    assert_eq!(contacts(), json!([{"jid": "aaron@example.com", "subscription": "both", "groups": []}]));

    app.answer("john", 503, "", Duration::ZERO);
    let response = refresh(http, &["john", "unknown"]);
    assert_eq!((response.status, &response.json()["errors"]), (200, &json!(1)));
    assert_eq!(contacts()[0]["jid"], "aaron@example.com", "a failed fetch wipes nothing");
    assert_eq!(app.requests("john").len(), 3);
    assert_eq!(app.requests("unknown").len(), 0);

    let ended = host.stop();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "standard output is for roster events");
    assert!(ended.stderr.contains("503"), "the log says why: {}", ended.stderr);
}

#[test]
fn flags_take_the_place_of_keys() {
    let app = WebApp::start();
    // Nobody could listen there: the addresses are for documentation only (RFC 5737).
    let setup = Setup::new(
        &app,
        "http.listen = '192.0.2.1:5280'\nadmin = {listen = '192.0.2.1:5282', token = 't'}\nlog.filter = 'error'",
        "",
    );
    let host = setup.start(&["--log", "info"]);
    let listening = host.listening();
    assert!(listening.http.unwrap().ip().is_loopback() && listening.admin.unwrap().ip().is_loopback());
    assert_eq!(host.stop().code, Some(0));
}
