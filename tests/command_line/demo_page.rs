//! The demo's page, as a browser asks for it. What it looks like there, and its two clients, are tried by `.ci/browser`.

use std::fs;
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::demo::{ANY_PORTS, address, started};
use crate::support::client::{Response, request};
use crate::support::program::{Output, Program, TIMEOUT};

fn page_of(greeting: &str) -> SocketAddr {
    let first = greeting.lines().next().unwrap();
    let url = first.split_whitespace().find_map(|word| word.strip_prefix("http://")).unwrap();
    url.trim_end_matches('/').parse().unwrap()
}

fn get(page: SocketAddr, path: &str) -> Response {
    request(page, "GET", path, &[], "")
}

/// What the page is told from now on, one object each.
fn events(page: SocketAddr) -> Output {
    let mut stream = TcpStream::connect(page).unwrap();
    stream.write_all(b"GET /demo/events HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let output = Output::of(stream);
    output.wait_for("text/event-stream");
    output
}

fn told(text: &str) -> Vec<Value> {
    let complete = text.rsplit_once("\n\n").map_or("", |(complete, _)| complete);
    complete
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

#[test]
fn the_first_line_is_the_url_of_a_page_that_loads_nothing_from_elsewhere() {
    let (demo, greeting) = started();
    let page = page_of(&greeting);
    assert_eq!(page, address(&greeting, "web application"));
    let index = get(page, "/");
    let policy = index.head.lines().find(|line| line.starts_with("content-security-policy: ")).unwrap();
    let websocket = format!(
        "connect-src 'self' ws://{0} ws://localhost:{1}",
        address(&greeting, "refresh route"),
        address(&greeting, "refresh route").port()
    );
    assert!(
        policy.contains("default-src 'none'; script-src 'self'; style-src 'self'") && policy.ends_with(&websocket),
        "{policy}"
    );
    assert!(!policy.contains("unsafe"), "{policy}");

    let named = |text: &str, before: &str| -> Vec<String> {
        text.split(before).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
    };
    let mut files = [named(&index.body, "src=\""), named(&index.body, "href=\"")].concat();
    files.retain(|file| !file.starts_with('#'));
    let mut looked_at = Vec::new();
    while let Some(file) = files.pop() {
        assert!(file.starts_with("/page/"), "{file}");
        let found = get(page, &file);
        assert_eq!(found.status, 200, "{file}");
        let kind = match file.rsplit('.').next().unwrap() {
            "css" => "text/css",
            "js" => "text/javascript",
            "svg" => "image/svg+xml",
            _ => "text/plain",
        };
        assert!(found.head.contains(&format!("content-type: {kind}")), "{file}: {}", found.head);
        assert!(found.head.contains("x-content-type-options: nosniff"), "{file}");
        if !file.contains("strophe") {
            files.extend(named(&found.body, "from \"./").into_iter().map(|name| format!("/page/{name}")));
        }
        looked_at.push(file);
    }
    assert!(looked_at.len() > 10, "{looked_at:?}");
    assert!(get(page, "/page/strophe-licence.txt").body.contains("Permission is hereby granted"));
    assert_eq!(get(page, "/page/..%2Fpage.rs").status, 404);
    assert_eq!(demo.stop().code, Some(0));
}

#[test]
fn the_page_is_told_what_happens_in_the_order_in_which_it_happens() {
    let (demo, greeting) = started();
    let page = page_of(&greeting);
    let events = events(page);
    assert_eq!(request(page, "PUT", "/friends/john/aaron", &[], "").status, 200);
    let told = events.wait("the answer", |text| {
        let told = told(text);
        told.iter().any(|event| event["kind"] == "answer").then_some(told)
    });
    let order: Vec<String> = told
        .iter()
        .map(|event| format!("{} {}", event["kind"].as_str().unwrap(), event["hook"].as_str().unwrap_or_default()))
        .map(|event| event.trim().to_owned())
        .collect();
    let expected = [
        "people",
        "post",
        "call changed-users",
        "call make-request",
        "get",
        "call read-response",
        "changed",
        "call summary",
        "answer",
    ];
    assert_eq!(order, expected, "{told:?}");
    let of = |kind: &str| told.iter().find(|event| event["kind"] == kind).unwrap();
    assert_eq!(of("post")["users"], json!(["john", "aaron"]));
    let asked = of("get");
    assert_eq!((&asked["user"], &asked["method"], &asked["status"]), (&json!("john"), &json!("GET"), &json!(200)));
    assert_eq!(asked["url"], format!("http://{page}/contacts/john"));
    assert!(asked["micros"].as_u64().unwrap() > 0);
    assert_eq!(of("changed")["changes"], json!([{ "put": "aaron@localhost", "name": "Aaron" }]));
    assert_eq!((&of("answer")["status"], &of("answer")["post"]), (&json!(200), &of("post")["post"]));

    // Nothing is new: the same response is not read again.
    assert_eq!(request(page, "POST", "/demo/refresh", &["content-type: application/json"], r#"["marie"]"#).status, 200);
    events.wait("the same response", |text| text.contains(r#"{"kind":"same","user":"marie"}"#).then_some(()));
    let state = get(page, "/demo/state").json();
    assert_eq!(state["people"][0], json!({ "user": "aaron", "name": "Aaron", "friends": ["john", "marie"] }));
    assert_eq!(state["clients"], json!(["john", "marie"]));
    assert_eq!(state["host"]["admin"], format!("http://{}", address(&greeting, "admin")));
    assert_eq!(demo.stop().code, Some(0));
}

#[test]
fn the_pages_buttons_swap_the_plugin_break_it_and_put_it_back() {
    let (demo, greeting) = started();
    let page = page_of(&greeting);
    let press = |path: &str| request(page, "POST", path, &[], "").json();
    let outcome = |receipt: &Value| (receipt["outcome"].clone(), receipt["step"].clone());
    let refresh = || {
        let answer = request(page, "POST", "/demo/refresh", &["content-type: application/json"], r#"["john","marie"]"#);
        let errors = answer.json()["errors"].clone();
        assert_eq!((answer.status, errors), (200, json!(0)), "nobody notices: {answer:?}");
    };

    let damaged = press("/demo/plugin/damaged?to=paged-roster");
    assert_eq!(outcome(&damaged), (json!("refused"), json!("compile")), "{damaged}");

    assert_eq!(request(page, "PUT", "/outages/paged-roster", &[], "").status, 204);
    assert_eq!(get(page, "/demo/state").json()["outage"], "paged-roster");
    assert_eq!(get(page, "/v1/users/john/contacts").status, 500);
    assert_eq!(get(page, "/contacts/john").status, 200);
    assert_eq!(press("/demo/plugin/swap?to=paged-roster")["outcome"], "swapped");
    let canary = get(page, "/demo/plugin").json()["canary"].clone();
    assert_eq!((&canary["failures"], &canary["most_failures"]), (&json!(0), &json!(3)), "{canary}");
    (0..2).for_each(|_| refresh());
    let status = get(page, "/demo/plugin").json();
    assert_eq!((&status["serves"]["generation"], &status["is_canary"]), (&json!(1), &json!(false)), "{status}");
    assert_eq!(status["history"][0]["outcome"], "rolled-back", "{status}");
    assert_eq!(request(page, "DELETE", "/outages/paged-roster", &[], "").status, 204);
    assert_eq!(get(page, "/v1/users/john/contacts").status, 200);

    assert_eq!(press("/demo/plugin/swap?to=paged-roster")["outcome"], "swapped");
    refresh();
    assert_eq!(press("/demo/plugin/rollback")["new"]["generation"], 1);
    for (method, path, status) in [
        ("POST", "/demo/plugin/swap?to=nothing", 404),
        ("PUT", "/outages/nothing", 404),
        ("GET", "/plugins/nothing.wasm", 404),
        ("GET", "/page/nothing.js", 404),
    ] {
        assert_eq!(request(page, method, path, &[], "").status, status, "{path}");
    }
    let many = json!((0..11).map(|number| format!("user{number}")).collect::<Vec<_>>()).to_string();
    let refused = request(page, "POST", "/demo/refresh", &["content-type: application/json"], &many);
    assert_eq!(refused.status, 400, "{refused:?}");
    assert_eq!(demo.stop().code, Some(0));
}

#[test]
fn pages_of_other_sites_can_neither_press_the_buttons_nor_read_the_token() {
    let (demo, greeting) = started();
    let page = page_of(&greeting);
    let own = format!("origin: http://{page}");
    let ask = |method: &str, path: &str, host: &str, origin: &str| {
        let mut stream = TcpStream::connect(page).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\n{origin}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        )
        .unwrap();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut stream, &mut text).unwrap();
        text.split(' ').nth(1).unwrap().parse::<u16>().unwrap()
    };
    let here = page.to_string();
    for (method, path) in [
        ("POST", "/demo/plugin/rollback"),
        ("POST", "/demo/plugin/swap?to=paged-roster"),
        ("PUT", "/friends/john/aaron"),
        ("PUT", "/outages/paged-roster"),
    ] {
        for (host, origin) in [
            (&*here, "origin: http://attacker.example"),
            (&*here, "origin: null"),
            ("attacker.example", "origin: http://attacker.example"),
        ] {
            assert_eq!(ask(method, path, host, origin), 403, "{method} {path} {host} {origin}");
        }
    }
    assert_eq!(get(page, "/demo/plugin").json()["history"], json!([]));
    assert_eq!(ask("GET", "/demo/state", "attacker.example", "accept: */*"), 403);
    assert_eq!(ask("GET", "/demo/state", &here, "accept: */*"), 200);
    assert_eq!(ask("PUT", "/friends/john/aaron", &here, &own), 200);
    // The application itself is asked by whatever name it has.
    assert_eq!(ask("GET", "/contacts/john", "app.example", "accept: */*"), 200);
    assert_eq!(demo.stop().code, Some(0));
}

#[test]
fn the_page_is_opened_in_a_browser_if_that_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let (browser, opened) = (folder.path().join("xdg-open"), folder.path().join("opened"));
    fs::write(&browser, format!("#!/bin/sh\necho \"$1\" > '{}'\n", opened.display())).unwrap();
    fs::set_permissions(&browser, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("PATH='{}':\"$PATH\"; export PATH", folder.path().display());
    let demo = Program::start_by_shell(&path, [&ANY_PORTS[..], &["--open"]].concat());
    demo.stdout.wait_for("marie has connected; ");
    let page = page_of(&demo.stdout.text());
    let began = Instant::now();
    let found = loop {
        match fs::read_to_string(&opened) {
            Ok(url) if url.ends_with('\n') => break url,
            _ => assert!(began.elapsed() < TIMEOUT, "no browser is started"),
        }
        thread::sleep(Duration::from_millis(10));
    };
    assert_eq!(found, format!("http://{page}/\n"));
    assert_eq!(demo.stop().code, Some(0));
}
