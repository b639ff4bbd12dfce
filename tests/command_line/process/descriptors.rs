//! A process that may open few files, and many who want to connect.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::https::write_certificate;
use crate::support::client::{connect, refresh, request};
use crate::support::openmetrics::parse;
use crate::support::program::{Program, TIMEOUT, run_with_input};
use crate::support::setup::{Setup, one_host};
use crate::support::web_app::WebApp;

fn flood(to: SocketAddr) -> Vec<TcpStream> {
    (0..200).map(|_| TcpStream::connect(to).unwrap()).collect()
}

#[test]
fn the_admin_listener_works_when_clients_have_taken_all_descriptors() {
    const LIMIT: usize = 128;
    let app = WebApp::start();
    app.set("john", "marie@example.com");
    let xmpp = "[xmpp]\nlisten = '127.0.0.1:0'\ntls_listen = 'off'\ncertificate = 'chain.pem'\nkey = 'key.pem'\n";
    let host = one_host(&app.roster_url()).replace("[host.settings]", "accounts = 'accounts.txt'\n[host.settings]");
    let setup = Setup::with(&format!("http.header_timeout = '2s'\n{xmpp}{host}"));
    write_certificate(&setup);
    let accounts = setup.path("accounts.txt");
    assert_eq!(run_with_input(["account", "add", "john", "--file", accounts.to_str().unwrap()], "x").code, Some(0));
    let ports = ["--http-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    let program =
        Program::start_with_descriptors(LIMIT, [&["--config", setup.config().to_str().unwrap()][..], &ports].concat());
    let listening = program.listening();
    let (http, admin) = (listening.http.unwrap(), listening.admin.unwrap());
    let log = program.stderr.text();
    let told = log.lines().find(|line| line.contains("the system for 128")).unwrap_or_else(|| panic!("{log}"));
    assert!(told.contains("xmpp.limits.max_connections 10000") && told.contains("http.max_connections 1024"), "{told}");

    let of_xmpp = flood(listening.xmpp.unwrap());
    connect(admin, "john");
    assert_eq!(refresh(http, &["john"]).status, 200, "XMPP clients leave some for the application");

    let of_http = flood(http);
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(1) {
        assert_eq!(request(admin, "GET", "/healthz", &[], "").status, 200);
        let page = request(admin, "GET", "/metrics", &[], "").body;
        let open = parse(&page).unwrap()["process_open_fds"].samples[0].value;
        assert!(open < LIMIT as f64 - 4.0, "{open} of {LIMIT}");
    }
    connect(admin, "john");
    let log = program.stderr.text();
    assert_eq!(log.matches("nearly all files").count(), 1, "{log}");
    assert!(!log.contains("could not be accepted") && !log.contains("cannot accept"), "{log}");

    drop((of_xmpp, of_http));
    let began = Instant::now();
    while refresh(http, &["john"]).status != 200 {
        assert!(began.elapsed() < TIMEOUT, "nobody gets in again");
    }
    assert_eq!(program.stop().code, Some(0));
}

#[test]
fn the_soft_limit_is_raised_to_the_hard_one() {
    let setup = Setup::with(&one_host("http://127.0.0.1:9/%s"));
    let config = setup.config();
    let arguments = ["--config", config.to_str().unwrap(), "--http-listen", "127.0.0.1:0"];
    let program =
        Program::start_with_soft_descriptors(100, [&arguments[..], &["--admin-listen", "127.0.0.1:0"]].concat());
    let page = request(program.listening().admin.unwrap(), "GET", "/metrics", &[], "").body;
    let most = parse(&page).unwrap()["process_max_fds"].samples[0].value;
    let limits = fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let hard = line.split_whitespace().nth(4).unwrap();
    assert_eq!(most.to_string(), hard);
    assert_eq!(program.stop().code, Some(0));
}
