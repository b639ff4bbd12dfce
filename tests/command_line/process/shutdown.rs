//! SIGTERM and SIGINT: what runs may finish, within a deadline and unless asked twice.

use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::client::{connect, refresh};
use crate::support::program::{Program, TIMEOUT};
use crate::support::setup::Setup;
use crate::support::web_app::WebApp;

/// Longer than any of these tests waits.
const NEVER: Duration = Duration::from_secs(600);
/// The client's deadlines are not what is tested here.
const PATIENT: &str =
    "[host.client]\nfirst_byte_timeout = '5m'\ntotal_timeout = '5m'\n[host.limits]\ncall_timeout = '5m'\n";

/// A host with john connected, and his refresh, which takes `delay`, under way.
struct Busy {
    app: WebApp,
    host: Program,
    http: SocketAddr,
    _setup: Setup,
}

impl Busy {
    fn new(shutdown_timeout: &str) -> Self {
        let app = WebApp::start();
        let top = format!("shutdown_timeout = '{shutdown_timeout}'\nhttp.request_timeout = '5m'");
        let setup = Setup::new(&app, &top, PATIENT);
        let host = setup.start(&[]);
        let listening = host.listening();
        connect(listening.admin.unwrap(), "john");
        Self { app, host, http: listening.http.unwrap(), _setup: setup }
    }

    /// Nobody reads the answer of this refresh.
    fn refresh_for_ever(&self) {
        self.app.answer("john", 200, "{}", NEVER);
        let http = self.http;
        thread::spawn(move || refresh(http, &["john"]));
        self.app.wait_for_request("john", 2);
    }
}

#[test]
fn a_refresh_that_runs_is_answered() {
    for signal in ["TERM", "INT"] {
        let Busy { app, host, http, _setup } = Busy::new("1m");
        app.answer("john", 200, r#"{"marie@example.com":{}}"#, Duration::from_millis(1500));
        let running = thread::spawn(move || refresh(http, &["john"]));
        app.wait_for_request("john", 2);
        host.signal(signal);
        host.stderr.wait_for("stopping");
        let began = Instant::now();
        while TcpStream::connect(http).is_ok() {
            assert!(began.elapsed() < TIMEOUT, "it still listens");
            thread::sleep(Duration::from_millis(5));
        }
        assert!(!running.is_finished(), "nothing new is taken while the refresh still runs");
        let response = running.join().unwrap();
        assert_eq!((response.status, &response.json()["updated"]), (200, &json!(1)), "{signal}");
        assert_eq!(host.end().code, Some(0), "{signal}");
    }
}

#[test]
fn what_does_not_finish_in_time_is_cut_off_and_the_exit_code_says_so() {
    let busy = Busy::new("300ms");
    busy.refresh_for_ever();
    let ended = busy.host.stop();
    assert_eq!(ended.code, Some(3));
    assert!(ended.stderr.contains("shutdown_timeout"), "{}", ended.stderr);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    for (first, second) in [("TERM", "TERM"), ("INT", "INT"), ("TERM", "INT")] {
        let busy = Busy::new("10m");
        busy.refresh_for_ever();
        busy.host.signal(first);
        busy.host.stderr.wait_for("stopping");
        busy.host.signal(second);
        assert_eq!(busy.host.end().code, Some(3), "{first} {second}");
    }
}
