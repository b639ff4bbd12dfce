//! `plugin swap`, `reload`, `rollback` and `status`: a running host, told from the command line.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use roster_host::plugin::BUILT_IN;
use serde_json::{Value, json};

use crate::support::program::{Ended, run};
use crate::support::setup::{Setup, one_host};
use crate::support::web_app::WebApp;

/// A host with a token whose plugin is a file.
fn setup(app: &WebApp) -> Setup {
    setup_with(app, "api_url = 'http://127.0.0.1:9/v1'\n")
}

/// The same with these settings beside the built-in plugin's own.
fn setup_with(app: &WebApp, settings: &str) -> Setup {
    let host = one_host(&app.roster_url()).replace("[host.settings]", "plugin = 'plugin.wasm'\n[host.settings]");
    let setup = Setup::with(&format!("admin.token_file = 'token'\n{host}{settings}"));
    fs::write(setup.path("plugin.wasm"), BUILT_IN).unwrap();
    fs::write(setup.path("token"), "hunter2\n").unwrap();
    setup
}

#[test]
fn a_plugin_is_swapped_at_all_nodes_or_at_none() {
    let app = WebApp::start();
    // The last one lacks a setting that the other plugin needs.
    let setups = [setup(&app), setup(&app), setup_with(&app, "")];
    let hosts = setups.each_ref().map(|setup| setup.start(&[]));
    let admins = hosts.each_ref().map(|host| format!("http://{}", host.listening().admin.unwrap()));
    let token = setups[0].path("token");
    let plugin = |admin: &str, arguments: &[&str]| -> Ended {
        let common = ["--admin", admin, "--token-file", token.to_str().unwrap()];
        run([&["plugin"], arguments, &common].concat())
    };
    let serve = || -> Vec<Value> {
        let digest = |admin: &String| {
            let ended = plugin(admin, &["status", "--json"]);
            serde_json::from_str::<Value>(&ended.stdout).unwrap()["serves"]["digest"].clone()
        };
        admins.iter().map(digest).collect()
    };
    let first = serve();
    let others = admins[1..].join(",");
    let swap = |file: &str, others: &str| plugin(&admins[0], &["swap", file, "--all-nodes", others, "--watch", "1s"]);

    let nowhere = swap(test_guests::PAGED_ROSTER, &format!("{},http://127.0.0.1:9", admins[1]));
    assert_ne!(nowhere.code, Some(0));
    assert_eq!(serve(), first, "one node cannot be asked, so nothing is changed: {}", nowhere.stderr);

    let refused = swap(test_guests::NEXT, &others);
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert_eq!(serve(), first);

    let refused = swap(test_guests::PAGED_ROSTER, &others);
    assert_eq!(refused.code, Some(1), "{}", refused.stdout);
    assert!(
        refused.stderr.contains(&format!("{} refused the plugin; it is taken back at 2 nodes", admins[2])),
        "{}",
        refused.stderr
    );
    assert_eq!(serve(), first, "{}", refused.stdout);

    let swapped = swap(test_guests::PAGED_ROSTER, &admins[1]);
    assert_eq!(swapped.code, Some(0), "{} {}", swapped.stdout, swapped.stderr);
    let second = serve();
    assert!(second[0] == second[1] && second[0] != first[0] && second[2] == first[2], "{second:?}");
}

#[test]
fn a_running_host_is_swapped_rolled_back_and_asked() {
    let app = WebApp::start();
    let setup = setup(&app);
    let host = setup.start(&[]);
    let listening = host.listening();
    let admin = format!("http://{}", listening.admin.unwrap());
    let token = setup.path("token");
    let plugin = |arguments: &[&str]| -> Ended {
        let common = ["--admin", &admin, "--token-file", token.to_str().unwrap()];
        run([&["plugin"], arguments, &common].concat())
    };
    let serves = || -> Value {
        let ended = plugin(&["status", "--json"]);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
        serde_json::from_str::<Value>(&ended.stdout).unwrap()["serves"].clone()
    };
    let first = serves();

    let swapped = plugin(&["swap", test_guests::PAGED_ROSTER]);
    assert_eq!((swapped.code, swapped.stderr.as_str()), (Some(0), ""), "{}", swapped.stdout);
    assert!(swapped.stdout.starts_with("example.com: swapped (upload)\n"), "{}", swapped.stdout);
    let second = serves();
    assert_ne!(first["digest"], second["digest"]);

    let again = plugin(&["swap", test_guests::PAGED_ROSTER, "--json"]);
    let receipt: Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!((again.code, &receipt["outcome"]), (Some(0), &json!("unchanged")));

    let refused = plugin(&["swap", test_guests::NEXT]);
    assert_eq!((refused.code, refused.stderr.as_str()), (Some(1), ""));
    assert!(refused.stdout.contains("xmpp:roster@0.2.0-test"), "{}", refused.stdout);
    assert_eq!(serves()["digest"], second["digest"]);

    let back = plugin(&["rollback", "--to", &first["generation"].to_string()]);
    assert_eq!(back.code, Some(0), "{} {}", back.stdout, back.stderr);
    assert_eq!(serves()["digest"], first["digest"]);
    assert_eq!(plugin(&["reload"]).code, Some(0));
    let shown = plugin(&["status"]).stdout;
    assert!(shown.contains("refused by upload") && shown.contains("  serves     "), "{shown}");

    assert_eq!(host.stop().code, Some(0));
}

#[test]
fn a_host_that_is_not_there_or_does_not_know_the_token_is_exit_code_2() {
    let app = WebApp::start();
    let setup = setup(&app);
    let host = setup.start(&[]);
    let admin = format!("http://{}", host.listening().admin.unwrap());
    let wrong = setup.path("wrong");
    fs::write(&wrong, "guess").unwrap();
    let wrong = wrong.to_str().unwrap();
    let right = setup.path("token");
    let right = right.to_str().unwrap();
    for (arguments, says) in [
        (&["status", "--admin", &admin][..], "wants a token (status 401): give that of admin.token with --token-file"),
        (&["status", "--admin", &admin, "--token-file", wrong], "/wrong (status 401)"),
        (&["status", "--admin", &admin, "--token-file", right, "--domain", "other.example"], "other.example"),
        (&["status", "--admin", &admin, "--token-file", "no-such-token"], "no-such-token"),
        (&["status", "--admin", "http://127.0.0.1:9"], "127.0.0.1:9"),
        (&["status", "--admin", "nonsense"], "--admin nonsense"),
        (&["swap", "no-such.wasm", "--admin", &admin, "--token-file", right], "no-such.wasm"),
    ] {
        let ended = run([&["plugin"], arguments].concat());
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(ended.only_line().contains(says), "{arguments:?}: {}", ended.stderr);
        assert!(!ended.stderr.contains("hunter2") && !ended.stderr.contains("guess"), "{}", ended.stderr);
    }
    drop(host);
}

/// Answers every connection with `bytes`, until the process ends.
fn other_service(bytes: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            // Who asks may be gone.
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(bytes);
        }
    });
    address.to_string()
}

#[test]
fn whoever_asks_in_the_wrong_place_is_told_of_the_flag_and_the_key() {
    let app = WebApp::start();
    let setup = setup(&app);
    let host = setup.start(&[]);
    let listening = host.listening();
    let (admin, refresh) = (listening.admin.unwrap(), listening.http.unwrap());
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let html = other_service(b"HTTP/1.1 401 No\r\ncontent-length: 4\r\nconnection: close\r\n\r\n<p/>");
    let json = other_service(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}");
    let alert = other_service(b"\x15\x03\x03\x00\x02\x02\x0a");
    let silent = other_service(b"");
    const WHERE: &str = "(admin.listen in its configuration) with --admin URL";
    for (url, says) in [
        (
            format!("http://{closed}"),
            format!(
                "refuses connections: is roster-host running? If it is, give the address of the host's admin listener {WHERE}"
            ),
        ),
        ("http://no-such-host.invalid:5282".to_owned(), WHERE.to_owned()),
        (
            format!("http://{html}"),
            format!(
                "some other service, no admin listener of roster-host (status 401): give the address of the host's admin listener {WHERE}"
            ),
        ),
        (
            format!("http://{json}"),
            format!(
                "some other service, no admin listener of roster-host (status 200): give the address of the host's admin listener {WHERE}"
            ),
        ),
        (
            format!("http://{refresh}"),
            format!(
                "is the host's listener for refresh requests (http.listen): give the address of the host's admin listener {WHERE}"
            ),
        ),
        (format!("http://{alert}"), WHERE.to_owned()),
        (format!("http://{silent}"), WHERE.to_owned()),
        (format!("https://{admin}"), "an admin listener is http://".to_owned()),
    ] {
        let file = setup.path("plugin.wasm");
        for arguments in [&["status"][..], &["reload"], &["rollback"], &["swap", file.to_str().unwrap()]] {
            let ended = run([&["plugin"], arguments, &["--admin", &url]].concat());
            let line = ended.only_line();
            assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{line}");
            assert!(line.starts_with(&format!("roster-host: {url} ")) && line.contains(&says), "{line}");
        }
    }
    drop(host);
}
