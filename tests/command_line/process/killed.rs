//! SIGKILL in the middle of a swap or of a write to the compile cache: the program starts again.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use roster_host::plugin::BUILT_IN;
use serde_json::json;

use crate::support::client::{connect, refresh, request};
use crate::support::program::TIMEOUT;
use crate::support::setup::Setup;
use crate::support::web_app::WebApp;

/// Another module with the same code; what is compiled of it is not in the cache yet.
fn put(folder: &Path, stamp: u8) {
    fs::write(folder.join("new"), [BUILT_IN, &[0, 3, 1, b'x', stamp]].concat()).unwrap();
    fs::rename(folder.join("new"), folder.join("my.wasm")).unwrap();
}

/// Names in the cache that end so.
fn cached(folder: &Path, end: &str) -> usize {
    let entries = fs::read_dir(folder.join("cache")).into_iter().flatten();
    entries.filter(|entry| entry.as_ref().unwrap().file_name().to_str().unwrap().ends_with(end)).count()
}

#[test]
fn killed_at_any_moment_of_a_swap_it_starts_again_with_a_valid_plugin() {
    let app = WebApp::start();
    app.set("john", "marie@example.com");
    let setup = Setup::with(&format!(
        "plugin_cache = 'cache'\n[[host]]\ndomain = 'example.com'\nplugin = 'my.wasm'\n[host.settings]\n\
         http_roster_url = '{}'\n",
        app.roster_url()
    ));
    let folder = setup.path("");
    put(&folder, 0);
    for stamp in 1..=20 {
        let host = setup.start(&[]);
        let listening = host.listening();
        connect(listening.admin.unwrap(), "john");
        let response = refresh(listening.http.unwrap(), &["john"]);
        assert_eq!((response.status, &response.json()["errors"]), (200, &json!(0)), "before kill {stamp}");
        let written = cached(&folder, ".code");
        put(&folder, stamp);
        if stamp % 2 == 0 {
            // Reading, compiling, rehearsing, whatever it is then.
            thread::sleep(Duration::from_millis(u64::from(stamp) * 15));
        } else {
            let began = Instant::now();
            while cached(&folder, ".part") == 0 && cached(&folder, ".code") == written {
                assert!(began.elapsed() < TIMEOUT, "it is never written to the cache");
            }
        }
        host.signal("KILL");
        assert_eq!(host.end().code, None, "killed");
    }
    let host = setup.start(&[]);
    let status = request(host.listening().admin.unwrap(), "GET", "/plugin", &[], "").json();
    let expected = roster_host::plugin::Digest::of(&fs::read(folder.join("my.wasm")).unwrap());
    assert_eq!(status["serves"]["digest"], expected.to_string(), "{status}");
    assert_eq!(host.stop().code, Some(0));
}

#[test]
fn a_damaged_cache_costs_a_compilation_and_a_line_in_the_log() {
    let app = WebApp::start();
    let setup = Setup::new(&app, "plugin_cache = 'cache'", "");
    let folder = setup.path("");
    let fill = || {
        let began = Instant::now();
        while cached(&folder, ".code") == 0 || cached(&folder, ".part") > 0 {
            assert!(began.elapsed() < TIMEOUT, "nothing is cached");
            thread::sleep(Duration::from_millis(5));
        }
    };
    let host = setup.start(&[]);
    host.listening();
    fill();
    host.stop();
    for entry in fs::read_dir(folder.join("cache")).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    }
    let host = setup.start(&[]);
    connect(host.listening().admin.unwrap(), "john");
    host.stderr.wait_for("it is damaged");
    fill();
    assert_eq!(host.stop().code, Some(0));
    let host = setup.start(&[]);
    host.listening();
    assert!(!host.stop().stderr.contains("damaged"), "it was replaced");
}
