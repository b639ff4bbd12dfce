//! A fetch that fails is one line of the log, which names the URL and the cause.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use crate::support::client::{refresh, request};
use crate::support::setup::{Setup, one_host};

/// What an application answers for one user, byte for byte; `None`: nothing, and it keeps the connection open.
type Script = fn(&str) -> Option<String>;

fn start(script: Script) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream, script));
        }
    });
    address
}

fn serve(mut stream: TcpStream, script: Script) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).unwrap_or(0) == 0 {
            return;
        }
        head.extend_from_slice(&byte);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let user = head.split(' ').nth(1).and_then(|path| path.split('?').next()?.rsplit('/').next()).unwrap_or_default();
    match script(user) {
        // The host may have given up.
        Some(text) => drop(stream.write_all(text.as_bytes())),
        None => thread::sleep(Duration::from_secs(60)),
    }
}

fn answer(user: &str) -> Option<String> {
    let ok = "HTTP/1.1 200 OK\r\n";
    let close = "connection: close\r\n\r\n";
    Some(match user {
        "hangs" => return None,
        "redirected" => format!("HTTP/1.1 302 Go\r\nlocation: /login?back=secret\r\ncontent-length: 0\r\n{close}"),
        "elsewhere" => format!("HTTP/1.1 301 Go\r\nlocation: https://other.example/x\r\ncontent-length: 0\r\n{close}"),
        "zipped" => format!("{ok}content-encoding: gzip\r\n{close}\u{1f}"),
        "truncated" => format!("{ok}content-length: 99\r\n{close}{{"),
        "chunks" => format!("{ok}transfer-encoding: chunked\r\n{close}zz\r\n"),
        "garbage" => "220 mail.example ESMTP\r\n".to_owned(),
        "closed" => String::new(),
        "html" => format!("{ok}{close}<html>"),
        "long" => format!("{ok}x: {}\r\n{close}{{}}", "y".repeat(100_000)),
        "folded" => format!("{ok}x: a\r\n  b\r\n{}{close}{{}}", "y: z\r\n".repeat(150)),
        status => format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n{close}"),
    })
}

#[test]
fn a_failed_fetch_is_one_line_with_url_and_cause() {
    let app = start(answer);
    // Nobody listens there any more.
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let hosts = one_host(&format!("http://{app}/contacts/%s?key=secret"));
    let other = one_host(&format!("http://{gone}/contacts/%s")).replace("example.com", "gone.example");
    let setup = Setup::with(&format!("{hosts}[host.client]\nfirst_byte_timeout = '400ms'\n{other}"));
    let host = setup.start(&[]);
    let admin = host.listening().admin.unwrap();
    let cases = [
        ("401", "the application answered with status 401"),
        ("404", "the application answered with status 404"),
        ("500", "the application answered with status 500"),
        ("503", "the application answered with status 503"),
        ("redirected", "status 302, a redirect to http://{app}/login?... (client.max_redirects"),
        ("elsewhere", "status 301, a redirect to https://other.example/x (client.max_redirects"),
        ("zipped", "Content-Encoding: gzip"),
        ("truncated", "the response body breaks off after 1 bytes"),
        ("chunks", "the response body is not valid HTTP after 0 bytes"),
        ("garbage", "the response is not valid HTTP"),
        ("closed", "the connection was lost before the response"),
        ("hangs", "no response came within 400ms (client.first_byte_timeout)"),
        ("html", "the application's answer is malformed: "),
        ("long", "more than 65536 bytes (client.max_response_head)"),
    ];
    for (user, _) in cases {
        let response = request(admin, "PUT", &format!("/sessions/{user}"), &[], "");
        assert_eq!(response.status, 502, "{user}: {response:?}");
    }
    assert_eq!(request(admin, "PUT", "/sessions/folded", &[], "").status, 200);
    assert_eq!(request(admin, "PUT", "/sessions/john?domain=gone.example", &[], "").status, 502);
    let ended = host.stop();
    let lines: Vec<&str> = ended.stderr.lines().filter(|line| !line.contains(" INFO ")).collect();
    let gone =
        (format!("http://{gone}/contacts/john: "), "the application cannot be reached: connection refused".into());
    let expected = cases
        .map(|(user, cause)| (format!("http://{app}/contacts/{user}?...: "), cause.replace("{app}", &app.to_string())));
    for (url, cause) in expected.iter().chain([&gone]) {
        let found: Vec<_> = lines.iter().filter(|line| line.contains(url.as_str())).collect();
        assert_eq!(found.len(), 1, "{url}: {}", ended.stderr);
        assert!(found[0].contains(" WARN ") && found[0].contains(cause.as_str()), "{cause}: {}", found[0]);
    }
    assert_eq!(lines.len(), cases.len() + 1, "one line each and no other: {}", ended.stderr);
    assert!(!ended.stderr.contains("secret"), "{}", ended.stderr);
}

#[test]
fn a_failed_refresh_is_one_line_for_each_user() {
    // Both have a roster, and the application fails from then on.
    let app = crate::support::web_app::WebApp::start();
    let setup = Setup::new(&app, "", "");
    let host = setup.start(&[]);
    let listening = host.listening();
    for user in ["john", "marie"] {
        crate::support::client::connect(listening.admin.unwrap(), user);
        app.answer(user, 503, "", Duration::ZERO);
    }
    assert_eq!(refresh(listening.http.unwrap(), &["john", "marie"]).status, 500);
    let ended = host.stop();
    let warnings: Vec<&str> = ended.stderr.lines().filter(|line| !line.contains(" INFO ")).collect();
    assert_eq!(warnings.len(), 2, "{}", ended.stderr);
    for user in ["john", "marie"] {
        let url = format!("http://{}/contacts/{user}: the application answered with status 503", app.address);
        assert_eq!(warnings.iter().filter(|line| line.contains(&url)).count(), 1, "{url}: {}", ended.stderr);
    }
}
