//! The program without a configuration.

use std::net::SocketAddr;
use std::time::Instant;

use roster_host::plugin::BUILT_IN;
use serde_json::json;

use crate::support::client::{Response, request};
use crate::support::program::{Program, TIMEOUT, run};

pub(crate) const ANY_PORTS: [&str; 10] = [
    "--http-listen",
    "127.0.0.1:0",
    "--admin-listen",
    "127.0.0.1:0",
    "--demo-listen",
    "127.0.0.1:0",
    "--xmpp-listen",
    "127.0.0.1:0",
    "--xmpp-tls-listen",
    "127.0.0.1:0",
];

/// Starts the demo and waits until it has said everything it says by itself.
pub(crate) fn started() -> (Program, String) {
    started_with(&[])
}

fn started_with(more: &[&str]) -> (Program, String) {
    let demo = Program::start([&ANY_PORTS, more].concat());
    let loaded = ["john has connected; ", "marie has connected; "];
    let text = demo.stdout.wait("both are connected", |text| {
        (loaded.iter().all(|line| text.contains(line)) && text.ends_with('\n')).then(|| text.to_owned())
    });
    (demo, text)
}

/// Does what a line `curl [-X METHOD] [-d 'BODY'] URL [# comment]` would do.
fn curl(line: &str) -> Response {
    let command = line.split(" #").next().unwrap();
    let body = command.split('\'').nth(1);
    let words: Vec<&str> = command.split_whitespace().collect();
    let given = words.iter().position(|word| *word == "-X").map(|at| words[at + 1]);
    let method = given.unwrap_or(if body.is_some() { "POST" } else { "GET" });
    let url = words.iter().find_map(|word| word.strip_prefix("http://")).unwrap_or_else(|| panic!("no URL: {line}"));
    let (address, path) = url.split_once('/').unwrap();
    request(address.parse().unwrap(), method, &format!("/{path}"), &[], body.unwrap_or_default())
}

/// The address in the greeting's line that begins with `title`.
pub(crate) fn address(text: &str, title: &str) -> SocketAddr {
    let line = text.lines().find(|line| line.trim_start().starts_with(title)).unwrap();
    line.split(['/', ' ']).find_map(|word| word.parse().ok()).unwrap_or_else(|| panic!("no address: {line}"))
}

#[test]
fn the_demo_says_what_listens_where_and_its_three_curl_lines_work() {
    let (demo, greeting) = started();
    assert!(greeting.contains("roster_admin/refresh\n"), "{greeting}");
    let contacts = request(address(&greeting, "web application"), "GET", "/contacts/john", &[], "");
    assert_eq!(contacts.body, r#"{"marie@localhost":{"name":"Marie"},"michael@localhost":{"name":"Michael"}}"#);

    let lines: Vec<&str> = greeting.lines().filter_map(|line| line.trim().strip_prefix("curl ")).collect();
    let shown = [
        "john's roster changed; version 3:\n  + aaron@localhost (\"Aaron\")\n",
        "john's roster changed; version 4:\n  - aaron@localhost\n",
        // Nothing has changed, so nothing is shown.
        "",
    ];
    assert_eq!(lines.len(), shown.len(), "{greeting}");
    let mut expected = greeting.clone();
    for (line, shown) in lines.iter().zip(shown) {
        let response = curl(line);
        assert_eq!(response.status, 200, "{line}: {response:?}");
        assert_eq!(
            response.body, r#"{"status":"ok","message":"roster update complete","updated":2,"errors":0}"#,
            "{line}"
        );
        expected += shown;
        // While it runs, not when it ends.
        demo.stdout.wait_for(&expected);
    }
    let cached = request(address(&greeting, "admin"), "GET", "/rosters/john", &[], "").json();
    assert_eq!(cached["version"], 4, "{cached}");

    let ended = demo.stop();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert_eq!(ended.stdout, expected, "each change is shown, once, and nothing else");
}

#[test]
fn a_plugin_is_uploaded_to_the_demo_with_the_token_it_shows_and_not_without() {
    let (demo, greeting) = started();
    let line = greeting.lines().find(|line| line.contains("plugin swap FILE")).unwrap();
    let token = line.split_once("ROSTER_HOST_ADMIN_TOKEN=").unwrap().1.split(' ').next().unwrap();
    let admin = line.split_once("--admin ").unwrap().1.trim();
    assert!(token.len() == 32 && token.bytes().all(|byte| byte.is_ascii_hexdigit()), "{line}");
    let folder = tempfile::tempdir().unwrap();
    let swap = |token: &str| {
        let file = folder.path().join("token");
        std::fs::write(&file, token).unwrap();
        run(["plugin", "swap", test_guests::PAGED_ROSTER, "--admin", admin, "--token-file", file.to_str().unwrap()])
    };
    for wrong in ["", "wrong"] {
        let refused = swap(wrong);
        assert_eq!(refused.code, Some(2), "{}", refused.stdout);
        assert!(refused.stderr.contains("status 401"), "{}", refused.stderr);
    }
    let swapped = swap(token);
    assert_eq!((swapped.code, swapped.stderr.as_str()), (Some(0), ""), "{}", swapped.stdout);
    assert!(swapped.stdout.starts_with("localhost: swapped (upload)\n"), "{}", swapped.stdout);
    assert_eq!(demo.stop().code, Some(0));
}

#[test]
fn ctrl_c_and_a_service_manager_end_the_demo() {
    for signal in ["INT", "TERM"] {
        let (demo, _) = started();
        demo.signal(signal);
        let ended = demo.end();
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{signal}");
    }
}

#[test]
fn the_demos_plugin_is_swapped_for_one_of_another_protocol_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("my.wasm");
    std::fs::write(&file, BUILT_IN).unwrap();
    let (demo, greeting) = started_with(&["--demo-plugin", file.to_str().unwrap()]);
    let admin = format!("http://{}", address(&greeting, "admin"));
    let befriend = |friend: &str| {
        let app = address(&greeting, "web application");
        let answer = request(app, "PUT", &format!("/friends/john/{friend}"), &[], "");
        assert_eq!((answer.status, &answer.json()["updated"]), (200, &json!(2)), "{answer:?}");
    };
    befriend("aaron");

    std::fs::copy(test_guests::PAGED_ROSTER, &file).unwrap();
    let serves = || run(["plugin", "status", "--json", "--admin", &admin]).stdout;
    let began = Instant::now();
    while !serves().contains("\"generation\": 2") {
        assert!(began.elapsed() < TIMEOUT, "never swapped: {}", serves());
    }
    befriend("zoe");
    demo.stdout.wait_for("+ zoe@localhost");

    assert_eq!(run(["plugin", "rollback", "--admin", &admin]).code, Some(0));
    befriend("kim");
    demo.stdout.wait_for("+ kim@localhost");
    assert_eq!(demo.stop().code, Some(0));
}
