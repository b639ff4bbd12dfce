//! Outputs that nobody reads: pipes that are full.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::client::{connect, refresh, request};
use crate::support::program::{Program, TIMEOUT};
use crate::support::setup::Setup;
use crate::support::web_app::WebApp;

/// Of Linux.
const O_NONBLOCK: i32 = 0o4000;
/// Nothing waits for longer, whatever is stuck; much less than `shutdown_timeout`.
const SOON: Duration = Duration::from_secs(10);

/// A pipe that is full for as long as this is there.
fn full_pipe(path: &Path) -> File {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    let mut pipe = OpenOptions::new().read(true).write(true).custom_flags(O_NONBLOCK).open(path).unwrap();
    while pipe.write(&[b'\n'; 4096]).is_ok() {}
    while pipe.write(b"\n").is_ok() {}
    pipe
}

fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A host, whose outputs `redirect` sends to the pipe, serves all the same, and stops soon.
fn serves_and_stops(
    setup: &Setup,
    redirect: &str,
    arguments: &[&str],
    user: Option<&str>,
) -> crate::support::program::Ended {
    let pipe = setup.path("pipe");
    let _full = full_pipe(&pipe);
    let (http, admin) = (free_port(), free_port());
    let ports = ["--http-listen", &http.to_string(), "--admin-listen", &admin.to_string()].map(str::to_owned);
    let arguments: Vec<String> = ports.into_iter().chain(arguments.iter().map(|one| (*one).to_owned())).collect();
    let host = Program::start_by_shell(&redirect.replace("PIPE", pipe.to_str().unwrap()), arguments);
    let began = Instant::now();
    while std::net::TcpStream::connect(admin).is_err() {
        assert!(began.elapsed() < TIMEOUT, "it does not start");
        thread::sleep(Duration::from_millis(20));
    }
    if let Some(user) = user {
        connect(admin, user);
    }
    let began = Instant::now();
    for _ in 0..50 {
        assert_eq!(refresh(http, user.as_slice()).status, 200);
        assert_eq!(request(admin, "GET", "/healthz", &[], "").status, 200);
    }
    assert!(began.elapsed() < SOON, "what is stuck holds up requests: {:?}", began.elapsed());
    let began = Instant::now();
    let ended = host.stop();
    assert!(began.elapsed() < SOON, "what is stuck holds up the end: {:?}", began.elapsed());
    assert_eq!(ended.code, Some(0), "every refresh was finished");
    ended
}

#[test]
fn events_that_nobody_reads_do_not_hold_up_the_host_or_its_end_and_the_log_says_so() {
    let app = WebApp::start();
    app.set("john", "friend@example.com");
    let setup = Setup::new(&app, "sinks.json_lines.path = '-'", "");
    let config = setup.config();
    let ended = serves_and_stops(&setup, "exec >PIPE", &["--config", config.to_str().unwrap()], Some("john"));
    assert!(ended.stderr.contains("roster events were not written before the end"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("did not finish in time"), "{}", ended.stderr);
}

#[test]
fn a_log_that_nobody_reads_does_not_hold_up_the_host_or_its_end() {
    let app = WebApp::start();
    app.set("john", "friend@example.com");
    let setup = Setup::new(&app, "log.filter = 'trace'\nsinks.json_lines.path = '-'", "");
    let config = setup.config();
    for redirect in ["exec 2>PIPE", "exec >PIPE 2>&1"] {
        let arguments = ["--config", config.to_str().unwrap()];
        serves_and_stops(&setup, redirect, &arguments, Some("john"));
        std::fs::remove_file(setup.path("pipe")).unwrap();
    }
}

#[test]
fn a_demo_that_nobody_reads_serves_and_ends() {
    let setup = Setup::with("");
    let others = ["--demo-listen", "--xmpp-listen", "--xmpp-tls-listen"].map(|flag| [flag, "127.0.0.1:0"]).concat();
    serves_and_stops(&setup, "exec >PIPE 2>&1", &others, None);
}
