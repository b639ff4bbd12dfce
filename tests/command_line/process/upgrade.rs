//! An upgrade: the service manager keeps the sockets, one process stops, the next starts, and nobody is refused.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::https::write_certificate;
use crate::support::client::{connect, exchange, refresh};
use crate::support::program::{Program, TIMEOUT};
use crate::support::setup::{Setup, one_host};
use crate::support::web_app::WebApp;

fn holder() -> (TcpListener, SocketAddr) {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap();
    (holder, address)
}

/// The sockets of a host, and its configuration, which names their addresses.
struct Kept {
    sockets: [(TcpListener, SocketAddr); 3],
    app: WebApp,
    setup: Setup,
}

impl Kept {
    fn new() -> Self {
        let (sockets, app) = ([holder(), holder(), holder()], WebApp::start());
        let [(_, http), (_, admin), (_, xmpp)] = &sockets;
        let host = one_host(&app.roster_url()).replace("[host.settings]", "accounts = 'accounts.txt'\n[host.settings]");
        let setup = Setup::with(&format!(
            "http.listen = '{http}'\nadmin.listen = '{admin}'\nplugin_cache = 'cache'\n\
             [xmpp]\nlisten = '{xmpp}'\ntls_listen = 'off'\ncertificate = 'chain.pem'\nkey = 'key.pem'\n{host}"
        ));
        write_certificate(&setup);
        std::fs::write(setup.path("accounts.txt"), "").unwrap();
        Self { sockets, app, setup }
    }

    fn start(&self) -> Program {
        let [(http, _), (admin, _), (xmpp, _)] = &self.sockets;
        let config = self.setup.config();
        // In another order than the configuration has them: each is known by its address.
        Program::start_on(&[xmpp, http, admin], ["run", "--config", config.to_str().unwrap()])
    }

    fn addresses(&self) -> [SocketAddr; 3] {
        self.sockets.each_ref().map(|(_, address)| *address)
    }
}

/// Connects and asks, one after the other, until it is told to stop. How many were answered, and how not.
fn ask(http: SocketAddr, xmpp: SocketAddr, stop: &AtomicBool) -> (usize, Vec<String>) {
    let (mut answered, mut failed) = (0, Vec::new());
    while !stop.load(Ordering::Relaxed) {
        match TcpStream::connect(xmpp) {
            Ok(_) => {}
            Err(error) => failed.push(format!("xmpp: {error}")),
        }
        match TcpStream::connect(http) {
            Ok(mut stream) => {
                stream.set_read_timeout(Some(TIMEOUT)).unwrap();
                let response = exchange(&mut stream, "POST", "/roster_admin/refresh", &[], r#"["nobody"]"#);
                match response.status {
                    200 => answered += 1,
                    other => failed.push(format!("http: {other} {}", response.body)),
                }
            }
            Err(error) => failed.push(format!("http: {error}")),
        }
    }
    (answered, failed)
}

#[test]
fn an_upgrade_refuses_nobody_and_finishes_what_the_old_process_has_begun() {
    let kept = Kept::new();
    let [http, admin, xmpp] = kept.addresses();
    let old = kept.start();
    let listening = old.listening();
    assert_eq!([listening.http, listening.admin, listening.xmpp], [http, admin, xmpp].map(Some));
    connect(admin, "john");
    kept.app.answer("john", 200, r#"{"marie@example.com":{}}"#, Duration::from_secs(2));
    let slow = thread::spawn(move || refresh(http, &["john"]));
    kept.app.wait_for_request("john", 2);

    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    let clients = thread::spawn(move || ask(http, xmpp, &told));
    thread::sleep(Duration::from_millis(100));
    old.signal("TERM");
    old.stderr.wait_for("stopping");
    let new = kept.start();
    new.listening();
    assert!(!slow.is_finished(), "the new one is up while the old one still works");
    let response = slow.join().unwrap();
    assert_eq!((response.status, &response.json()["updated"]), (200, &json!(1)));
    assert_eq!(old.end().code, Some(0));
    thread::sleep(Duration::from_millis(100));
    stop.store(true, Ordering::Relaxed);
    let (answered, failed) = clients.join().unwrap();
    assert!(failed.is_empty() && answered > 10, "{answered} answered, {failed:?}");

    // As systemd restarts: there is nobody between the two.
    assert_eq!(new.stop().code, Some(0));
    let waiting = thread::spawn(move || refresh(http, &["john"]));
    let next = kept.start();
    assert_eq!(waiting.join().unwrap().status, 200);
    assert_eq!(next.stop().code, Some(0));
}

#[test]
fn a_socket_that_no_key_names_keeps_the_host_from_starting() {
    let kept = Kept::new();
    let (stray, address) = holder();
    let config = kept.setup.config();
    let ended =
        Program::start_on(&[&stray], ["run", "--config", config.to_str().unwrap(), "--admin-listen", "off"]).end();
    assert_eq!(ended.code, Some(2), "{ended:?}");
    let line = ended.stderr.lines().find(|line| line.contains(&address.to_string()));
    assert!(line.is_some_and(|line| line.contains("ListenStream=")), "{ended:?}");
    // For whom it is open is said by the configuration, so a socket does not make it more.
    let (wide, narrow) = (TcpListener::bind("0.0.0.0:0").unwrap(), one_host("http://127.0.0.1:9/%s"));
    let port = wide.local_addr().unwrap().port();
    let setup = Setup::with(&format!("http.listen = '127.0.0.1:0'\nadmin.listen = '127.0.0.1:{port}'\n{narrow}"));
    let config = setup.config();
    let ended = Program::start_on(&[&wide], ["run", "--config", config.to_str().unwrap()]).end();
    assert!(ended.code == Some(2) && ended.stderr.contains(&format!("0.0.0.0:{port}")), "{ended:?}");
}

#[test]
fn the_service_manager_is_told_when_it_is_up_and_when_it_stops() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(TIMEOUT)).unwrap();
    let setup = Setup::with(&one_host("http://127.0.0.1:9/%s"));
    let config = setup.config();
    let listen = ["--http-listen", "127.0.0.1:0", "--admin-listen", "off"];
    let arguments = ["run", "--config", config.to_str().unwrap()].into_iter().chain(listen);
    let program = Program::start_by_shell(&format!("export NOTIFY_SOCKET='{}'", path.display()), arguments);
    let told = || {
        let mut message = [0; 256];
        let length = manager.recv(&mut message).unwrap();
        String::from_utf8_lossy(&message[..length]).trim().to_owned()
    };
    assert_eq!(told(), "READY=1");
    program.listening();
    program.signal("TERM");
    assert_eq!(told(), "STOPPING=1");
    assert_eq!(program.end().code, Some(0));
}
