//! Wherever the program prints the SHA-256 of a file, it is the one that `sha256sum` prints.

use std::fs;
use std::path::Path;
use std::process::Command;

use roster_host::plugin::BUILT_IN;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::support::client::{refresh, request};
use crate::support::program::run;
use crate::support::setup::Setup;
use crate::support::web_app::WebApp;

/// Of the file's bytes and nothing else.
fn sha256(path: &Path) -> String {
    Sha256::digest(fs::read(path).unwrap()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Every 64 hexadecimal digits in a text, and every 12 that are shown for them.
fn digests(text: &str) -> Vec<&str> {
    let is_digest = |word: &&str| matches!(word.len(), 12 | 64) && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    text.split(|c: char| !c.is_ascii_alphanumeric()).filter(is_digest).collect()
}

#[test]
fn the_sha256_of_these_tests_is_that_of_sha256sum() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("abc");
    fs::write(&path, "abc").unwrap();
    assert_eq!(sha256(&path), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    // Not everywhere; where it is, it has the last word.
    if let Ok(said) = Command::new("sha256sum").arg(&path).output() {
        assert!(String::from_utf8(said.stdout).unwrap().starts_with(&sha256(&path)));
    }
}

#[test]
fn every_digest_that_is_shown_is_what_sha256sum_says_of_the_file() {
    let app = WebApp::start();
    let url = app.roster_url();
    let setup = Setup::with(&format!(
        "plugin_cache = 'cache'\nplugin_state = 'state'\nadmin.token = 'hunter2'\n[[host]]\ndomain = 'example.com'\n\
         plugin = 'my.wasm'\n[host.settings]\nhttp_roster_url = '{url}'\n[host.swap]\ncanary_calls = 2\n",
    ));
    let (mine, other) = (setup.path("my.wasm"), setup.path("other.wasm"));
    fs::write(&mine, BUILT_IN).unwrap();
    fs::write(&other, [BUILT_IN, &[0, 3, 1, b'x', 7]].concat()).unwrap();
    let (first, second) = (sha256(&mine), sha256(&other));
    let shown = |what: &str, text: &str, expected: &[&str]| {
        let found = digests(text);
        assert!(!found.is_empty(), "{what}: no digest in {text}");
        assert!(found.iter().all(|found| expected.iter().any(|whole| whole.starts_with(found))), "{what}: {text}");
    };

    let file = mine.to_str().unwrap();
    for (what, arguments) in [
        ("check", &["plugin", "check", file, "--protocol", "none"][..]),
        ("check --json", &["plugin", "check", file, "--protocol", "none", "--json"]),
        ("inspect", &["plugin", "inspect", file]),
        ("inspect --json", &["plugin", "inspect", file, "--json"]),
        ("fetch", &["fetch", "john", "--config", setup.config().to_str().unwrap()]),
    ] {
        let ended = run(arguments);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{what}");
        shown(what, &ended.stdout, &[&first]);
        assert!(ended.stdout.contains(&first), "{what}: {}", ended.stdout);
    }

    let host = setup.start(&[]);
    let listening = host.listening();
    let admin = listening.admin.unwrap();
    let token = setup.path("token");
    fs::write(&token, "hunter2").unwrap();
    let url = format!("http://{admin}");
    let common = ["--admin", &url, "--token-file", token.to_str().unwrap()];
    let plugin = |arguments: &[&str]| run([&["plugin"], arguments, &common].concat()).stdout;
    let get = |path: &str| request(admin, "GET", path, &["authorization: Bearer hunter2"], "");

    shown("status", &plugin(&["status"]), &[&first]);
    let connected = request(admin, "PUT", "/sessions/john", &["authorization: Bearer hunter2"], "");
    assert_eq!(connected.status, 200, "{connected:?}");
    for _ in 0..3 {
        assert_eq!(refresh(listening.http.unwrap(), &["john"]).status, 200);
    }
    host.stderr.wait("the log names what is kept", |log| {
        let line = log.lines().find(|line| line.contains("is kept for a start"))?;
        line.contains(&format!("digest={first}")).then_some(())
    });

    shown("receipt of swap", &plugin(&["swap", other.to_str().unwrap()]), &[&first, &second]);
    let status = get("/plugin").json();
    assert_eq!(
        (status["serves"]["digest"].as_str(), status["kept"][0]["digest"].as_str()),
        (Some(&*second), Some(&*first))
    );
    let receipt: &Value = &status["history"][0];
    assert_eq!((receipt["old"]["digest"].as_str(), receipt["new"]["digest"].as_str()), (Some(&*first), Some(&*second)));
    shown("status --json", &plugin(&["status", "--json"]), &[&first, &second]);
    let metrics = get("/metrics").body;
    let labels: Vec<&str> = metrics.split("digest=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(labels.iter().any(|label| second.starts_with(label)), "{labels:?}");
    assert!(labels.iter().all(|label| label.len() == 8 && (first.starts_with(label) || second.starts_with(label))));
    for cached in fs::read_dir(setup.path("cache")).unwrap() {
        let name = cached.unwrap().file_name().into_string().unwrap();
        assert!(name.starts_with(&first) || name.starts_with(&second), "{name}");
    }
    assert_eq!(host.stop().code, Some(0));
}
