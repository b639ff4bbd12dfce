//! The plugin that served well is kept, and stands in at a start for one that cannot be used.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use roster_host::plugin::{BUILT_IN, Digest};
use serde_json::{Value, json};

use crate::support::client::{connect, refresh, request};
use crate::support::program::{Program, TIMEOUT};
use crate::support::setup::Setup;
use crate::support::web_app::WebApp;

fn good(stamp: u8) -> Vec<u8> {
    [BUILT_IN, &[0, 3, 1, b'x', stamp]].concat()
}

fn put(folder: &Path, bytes: &[u8]) {
    fs::write(folder.join("new"), bytes).unwrap();
    fs::rename(folder.join("new"), folder.join("my.wasm")).unwrap();
}

fn setup(app: &WebApp, top: &str) -> Setup {
    let setup = Setup::with(&format!(
        "{top}\nplugin_cache = 'cache'\n[[host]]\ndomain = 'example.com'\nplugin = 'my.wasm'\n[host.settings]\n\
         http_roster_url = '{}'\n[host.swap]\ncanary_calls = 2\n",
        app.roster_url()
    ));
    app.set("john", "marie@example.com");
    put(&setup.path(""), &good(0));
    setup
}

fn get(host: &Program, path: &str) -> Value {
    request(host.listening().admin.unwrap(), "GET", path, &[], "").json()
}

/// Serves calls until they are enough for the plugin to be kept.
fn serve_well(host: &Program) {
    let listening = host.listening();
    connect(listening.admin.unwrap(), "john");
    for _ in 0..3 {
        let response = refresh(listening.http.unwrap(), &["john"]);
        assert_eq!((response.status, &response.json()["errors"]), (200, &json!(0)));
    }
    host.stderr.wait_for("is kept for a start");
}

fn digest(bytes: &[u8]) -> String {
    Digest::of(bytes).to_string()
}

#[test]
fn a_plugin_that_cannot_be_used_at_a_start_is_stood_in_for_until_it_can() {
    let app = WebApp::start();
    let setup = setup(&app, "plugin_state = 'state'");
    let folder = setup.path("");
    let host = setup.start(&[]);
    serve_well(&host);
    host.signal("KILL");
    host.end();

    for (what, bytes, step, says) in [
        ("half a file", Some(&BUILT_IN[..BUILT_IN.len() / 2]), "compile", "cannot be used"),
        ("a core module", Some(&b"\0asm\x01\0\0\0"[..]), "compile", "core module"),
        ("another world", Some(b"\0asm\x0d\0\x01\0"), "check", "exports no xmpp:roster/hooks"),
        ("no file", None, "read", "No such file"),
    ] {
        match bytes {
            Some(bytes) => put(&folder, bytes),
            None => fs::remove_file(folder.join("my.wasm")).unwrap(),
        }
        let host = setup.start(&[]);
        let status = get(&host, "/plugin");
        assert_eq!(status["serves"]["digest"], digest(&good(0)), "{what}: {status}");
        assert!(status["stands_in"].as_str().unwrap().contains(says), "{what}: {status}");
        let receipt = status["history"].as_array().unwrap().last().unwrap();
        let found = (&receipt["trigger"], &receipt["outcome"], &receipt["step"]);
        assert_eq!(found, (&json!("start"), &json!("refused"), &json!(step)), "{what}");
        let ready = get(&host, "/readyz");
        assert_eq!(ready["status"], "ok");
        assert_eq!(ready["last_good_plugin_stands_in"][0]["reason"], status["stands_in"], "{what}");
        host.stderr.wait_for("the plugin that served well last stands in");
        connect(host.listening().admin.unwrap(), "john");
        assert_eq!(host.stop().code, Some(0));
    }

    let host = setup.start(&[]);
    host.listening();
    put(&folder, &good(1));
    let began = Instant::now();
    while get(&host, "/plugin")["serves"]["digest"] != digest(&good(1)) {
        assert!(began.elapsed() < TIMEOUT, "the file is good again and does not serve");
        thread::sleep(Duration::from_millis(20));
    }
    // It serves a moment before its receipt is written.
    while get(&host, "/readyz") != json!({"status": "ok"}) {
        assert!(began.elapsed() < TIMEOUT, "{}", get(&host, "/readyz"));
        thread::sleep(Duration::from_millis(20));
    }
    serve_well(&host);
    assert_eq!(host.stop().code, Some(0));
    put(&folder, b"nothing");
    let host = setup.start(&[]);
    assert_eq!(get(&host, "/plugin")["serves"]["digest"], digest(&good(1)), "the newer one was kept in its place");
    assert_eq!(fs::read_dir(setup.path("state")).unwrap().count(), 1);
}

#[test]
fn without_a_plugin_that_can_be_believed_the_start_fails_with_what_is_wrong() {
    let app = WebApp::start();
    for (what, top) in
        [("not kept", ""), ("never served", "plugin_state = 'state'"), ("damaged", "plugin_state = 'state'")]
    {
        let setup = setup(&app, top);
        if what == "damaged" {
            let host = setup.start(&[]);
            serve_well(&host);
            host.stop();
            let kept = fs::read_dir(setup.path("state")).unwrap().next().unwrap().unwrap().path();
            let mut bytes = fs::read(&kept).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            fs::write(kept, bytes).unwrap();
        }
        put(&setup.path(""), b"\0asm\x01\0\0\0");
        let ended = setup.run(&["--http-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
        assert_eq!(ended.code, Some(2), "{what}: {}", ended.stderr);
        let last = ended.stderr.lines().last().unwrap();
        assert!(last.contains("my.wasm") && last.contains("it is a core module"), "{what}: {last}");
        assert_eq!(ended.stderr.contains("damaged"), what == "damaged", "{}", ended.stderr);
    }
}

#[test]
fn killed_while_its_file_is_written_over_it_starts_again_every_time() {
    let app = WebApp::start();
    let setup = setup(&app, "plugin_state = 'state'");
    let folder = setup.path("");
    let host = setup.start(&[]);
    serve_well(&host);
    drop(host);
    for round in 1..=12_u8 {
        let host = setup.start(&[]);
        let listening = host.listening();
        connect(listening.admin.unwrap(), "john");
        let response = refresh(listening.http.unwrap(), &["john"]);
        assert_eq!((response.status, &response.json()["errors"]), (200, &json!(0)), "before kill {round}");
        // Not renamed into place: what is there when the host dies is part of a module.
        let whole = good(round);
        fs::write(folder.join("my.wasm"), &whole[..whole.len() * usize::from(round) / 13]).unwrap();
        thread::sleep(Duration::from_millis(u64::from(round) * 30));
        host.signal("KILL");
        assert_eq!(host.end().code, None, "killed");
    }
    let host = setup.start(&[]);
    assert_eq!(get(&host, "/plugin")["serves"]["digest"], digest(&good(0)));
    assert_eq!(host.stop().code, Some(0));
}
