//! Standard error: the log, and nothing else once the host is up.

use serde_json::{Value, json};

use crate::support::client::{connect, refresh, request};
use crate::support::setup::{Setup, one_host};
use crate::support::web_app::WebApp;

fn with_plugin(app: &WebApp, plugin: &str, top: &str) -> Setup {
    let plugin = format!("plugin = '{plugin}'\n[host.settings]");
    Setup::with(&format!("{top}\n{}", one_host(&app.roster_url()).replace("[host.settings]", &plugin)))
}

/// The lines of a JSON log.
fn objects(log: &str) -> Vec<Value> {
    let parsed = log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}")));
    let objects: Vec<Value> = parsed.collect();
    for object in &objects {
        for key in ["timestamp", "level", "target", "message"] {
            assert!(object[key].is_string(), "{key}: {object}");
        }
    }
    objects
}

#[test]
fn as_json_every_line_is_an_object() {
    let app = WebApp::start();
    // Warnings about the configuration are part of the log.
    let setup = Setup::new(&app, "http.listen = 'off'", "");
    let host = setup.start(&["--log-json", "--log", "info,roster_host=debug"]);
    let listening = host.listening();
    let (http, admin) = (listening.http.unwrap(), listening.admin.unwrap());
    connect(admin, "john");
    app.answer("john", 200, "no JSON\n\u{1b}[1mat all", std::time::Duration::ZERO);
    refresh(http, &["john", "a\nb"]);
    request(http, "POST", "/roster_admin/refresh", &[], "[\n\n");
    let ended = host.stop();
    let log = objects(&ended.stderr);
    let with = |text: &str| log.iter().filter(|line| line["message"].as_str().unwrap().contains(text)).count();
    assert!(with("http.listen") == 1 && with("roster-host is up") == 1 && with("stopping") == 1, "{}", ended.stderr);
    let about_john = |level: &str| log.iter().find(|line| line["span"]["user"] == "john" && line["level"] == level);
    let warning = about_john("WARN").unwrap_or_else(|| panic!("{}", ended.stderr));
    assert_eq!(warning["spans"][0]["name"], "request", "by whom it was asked for: {warning}");
    assert!(about_john("DEBUG").is_some(), "{}", ended.stderr);
}

#[test]
fn the_lines_of_a_plugin_say_whose_call_wrote_them() {
    let app = WebApp::start();
    let setup = with_plugin(&app, test_guests::HOSTILE, "");
    let host = setup.start(&["--log-json"]);
    connect(host.listening().admin.unwrap(), "chatter");
    let ended = host.stop();
    let log = objects(&ended.stderr);
    let guest: Vec<&Value> = log.iter().filter(|line| line["target"] == "roster_host::guest").collect();
    assert!(guest.len() > 10, "{}", ended.stderr);
    for (n, line) in guest.iter().enumerate().take(10) {
        assert_eq!(
            (&line["message"], &line["domain"], &line["hook"], &line["user"]),
            (&json!(format!("line {n}")), &json!("example.com"), &json!("read-response"), &json!("chatter"))
        );
    }
    assert!(ended.stderr.contains("max_log_per_call"), "what is lost is told: {}", ended.stderr);
}

#[test]
fn as_text_a_plugin_that_fails_is_one_line_that_names_hook_and_user() {
    let app = WebApp::start();
    let setup = with_plugin(&app, test_guests::HOSTILE, "log.filter = 'info,roster_host::guest=off'");
    let host = setup.start(&[]);
    let listening = host.listening();
    let response = request(listening.admin.unwrap(), "PUT", "/sessions/trap", &[], "");
    assert!(response.status >= 500, "{response:?}");
    let ended = host.stop();
    let lines: Vec<&str> = ended.stderr.lines().filter(|line| line.contains(" WARN ")).collect();
    assert_eq!(lines.len(), 1, "{}", ended.stderr);
    assert!(["trap", "read-response", "example.com"].iter().all(|part| lines[0].contains(part)), "{}", lines[0]);
    assert!(ended.stderr.lines().all(|line| line.contains(" WARN ") || line.contains(" INFO ")), "{}", ended.stderr);
}

#[test]
fn the_latest_warnings_are_told_to_the_operator_whatever_the_log_shows() {
    for (arguments, about) in [
        (&["--log", "info"][..], "user=john"),
        (&["--log", "roster_host=debug"], "user=john"),
        (&["--log", "info", "--log-json"], "\"user\":\"john\""),
        (&["--log", "roster_host=info,off"], ""),
    ] {
        let app = WebApp::start();
        let setup = Setup::new(&app, "", "");
        let host = setup.start(arguments);
        let listening = host.listening();
        let admin = listening.admin.unwrap();
        connect(admin, "john");
        app.answer("john", 500, "no", std::time::Duration::ZERO);
        refresh(listening.http.unwrap(), &["john"]);
        let errors = request(admin, "GET", "/errors", &[], "").json()["errors"].clone();
        assert!(!errors.to_string().contains("update ended"), "no warning: {errors}");
        let line = errors.as_array().unwrap().iter().find(|line| line["text"].as_str().unwrap().contains("status 500"));
        let line = line.unwrap_or_else(|| panic!("{arguments:?}: {errors}"));
        assert_eq!(line["level"], "warn", "{line}");
        assert!(
            line["at"].as_u64().unwrap() > 1_600_000_000 && line["target"].as_str().unwrap().starts_with("roster_host")
        );
        assert!(line["text"].as_str().unwrap().contains(about), "{arguments:?}: {line}");
        host.stop();
    }
}
