//! Passwords and tokens are in nothing that the program writes, however much it is asked to say.

use std::fs;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::client::{Response, request};
use crate::support::setup::Setup;
use crate::support::web_app::WebApp;

const REFRESH_TOKEN: &str = "c4tFlap-refresh";
const ADMIN_TOKEN: &str = "w1ndMill-admin";
const PASSWORD: &str = "t0adStool-password";
const APP_TOKEN: &str = "b1rdBath-app";

/// Everything but the compiler's thoughts about the plugin: gigabytes in a debug build, and it sees no configuration. Libraries
/// that a secret passes through have to be named.
const EVERYTHING: &str = "trace,axum=trace,h2=trace,hyper=trace,hyper_util=trace,mio=trace,rustls=trace,tokio=trace,\
                          tokio_rustls=trace,tokio_util=trace,tower=trace,tungstenite=trace,want=trace,\
                          wasmtime_wasi=trace,wasmtime_wasi_http=trace";

/// Requests with the right token, a wrong one, none, and an application that fails: each branch that could talk.
fn talk_about_everything(app: &WebApp, setup: &Setup) -> String {
    let host = setup.start(&["--log", EVERYTHING]);
    let listening = host.listening();
    let (http, admin) = (listening.http.unwrap(), listening.admin.unwrap());
    let (refresh, admin_token) =
        (format!("authorization: Bearer {REFRESH_TOKEN}"), format!("Authorization: bearer {ADMIN_TOKEN}"));
    let post =
        |headers: &[&str], body: &str| -> Response { request(http, "POST", "/roster_admin/refresh", headers, body) };
    let put = |headers: &[&str], user: &str| request(admin, "PUT", &format!("/sessions/{user}"), headers, "").status;

    assert_eq!(put(&[&admin_token], "john"), 200);
    // Each with the other's token: a mix-up that happens, and the token is as secret as before.
    for headers in [&[][..], &["authorization: Basic %%%"], &[&refresh]] {
        assert_eq!(put(headers, "john"), 401, "{headers:?}");
    }
    assert_eq!(post(&[&admin_token], r#"["john"]"#).status, 401);
    assert_eq!(post(&[&refresh], r#"["john"]"#).status, 200);
    app.answer("john", 401, "who are you?", Duration::ZERO);
    assert_eq!(post(&[&refresh], r#"["john"]"#).status, 500);
    assert_eq!(post(&[&refresh], "[").status, 400);
    let ended = host.stop();
    assert_eq!(ended.code, Some(0));
    assert!(ended.stderr.contains(" TRACE "), "the log says as much as it can");
    format!("{}\n{}", ended.stdout, ended.stderr)
}

fn assert_silent_about(written: &str, secrets: &[&str]) {
    for secret in secrets {
        let line = written.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} was written");
    }
}

#[test]
fn basic_authentication_and_tokens_in_the_configuration() {
    let app = WebApp::start();
    let top = format!("http.token = '{REFRESH_TOKEN}'\nadmin.token = '{ADMIN_TOKEN}'\nsinks.json_lines.path = '-'");
    let client = format!("[host.client]\nusername = 'roster-host'\npassword = '{PASSWORD}'");
    let setup = Setup::new(&app, &top, &client);
    let encoded = STANDARD.encode(format!("roster-host:{PASSWORD}"));

    let written = talk_about_everything(&app, &setup);
    let requests = app.requests("john");
    assert!(requests.iter().all(|head| head.contains(&format!("Basic {encoded}\r\n"))), "{requests:?}");
    assert_silent_about(&written, &[REFRESH_TOKEN, ADMIN_TOKEN, PASSWORD, &encoded]);
}

#[test]
fn tokens_in_files() {
    let app = WebApp::start();
    let setup = Setup::new(
        &app,
        "http.token_file = 'refresh'\nadmin.token_file = 'admin'",
        "[host.client]\nbearer_token_file = 'app'",
    );
    for (file, token) in [("refresh", REFRESH_TOKEN), ("admin", ADMIN_TOKEN), ("app", APP_TOKEN)] {
        fs::write(setup.path(file), format!("{token}\n")).unwrap();
    }

    let written = talk_about_everything(&app, &setup);
    let requests = app.requests("john");
    assert!(requests.iter().all(|head| head.contains(&format!("Bearer {APP_TOKEN}\r\n"))), "{requests:?}");
    assert_silent_about(&written, &[REFRESH_TOKEN, ADMIN_TOKEN, APP_TOKEN]);
}

#[test]
fn neither_the_check_nor_its_faults_show_them() {
    let app = WebApp::start();
    let top = format!("http.token = '{REFRESH_TOKEN}'\nadmin.token = '{ADMIN_TOKEN}'");
    let good = format!("[host.client]\nusername = 'roster-host'\npassword = '{PASSWORD}'\n");
    for (name, more, code) in [
        ("good", String::new(), 0),
        ("twice", format!("bearer_token = '{APP_TOKEN}'\n"), 2),
        ("never closed", format!("bearer_token = '{APP_TOKEN}\n"), 2),
        ("no token", format!("bearer_token = '{APP_TOKEN} and more'\n"), 2),
        ("not a text", format!("bearer_token = ['{APP_TOKEN}']\n"), 2),
        ("unknown", format!("baerer_token = '{APP_TOKEN}'\n"), 2),
    ] {
        let ended = Setup::new(&app, &top, &format!("{good}{more}")).run(&["--check-config", "--log", EVERYTHING]);
        assert_eq!(ended.code, Some(code), "{name}: {ended:?}");
        let written = ended.stdout + &ended.stderr;
        assert!(!written.is_empty(), "{name}");
        assert_silent_about(&written, &[REFRESH_TOKEN, ADMIN_TOKEN, PASSWORD, APP_TOKEN]);
    }
}
