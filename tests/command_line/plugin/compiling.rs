//! A host while a plugin is being compiled that takes long: everything else goes on, and it can be stopped.
//!
//! The compiler is held up by SIGSTOP, so that it lasts for as long as a test looks.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread::{self, JoinHandle};

use roster_host::plugin::BUILT_IN;
use serde_json::{Value, json};
use test_guests::shapes;

use crate::support::children::{child, runs, signal, wait};
use crate::support::client::{refresh, request};
use crate::support::program::{Ended, Program, run};
use crate::support::setup::Setup;
use crate::support::web_app::WebApp;

/// Two virtual hosts, and what is told to them.
struct Hosts {
    _app: WebApp,
    setup: Setup,
    program: Program,
    admin: String,
    refresh: std::net::SocketAddr,
}

impl Hosts {
    fn start(more: &str) -> Self {
        let app = WebApp::start();
        app.set("john", "marie@example.com");
        let url = app.roster_url();
        let host = |domain| format!("[[host]]\ndomain = '{domain}'\n[host.settings]\nhttp_roster_url = '{url}'\n");
        let setup = Setup::with(&format!(
            "admin.token = 'hunter2'\ncompile.timeout = '10m'\n{more}\n{}{}",
            host("a.example"),
            host("b.example")
        ));
        fs::write(setup.path("token"), "hunter2").unwrap();
        fs::write(setup.path("slow.wasm"), shapes::locals_and_loops(49_000, 1000)).unwrap();
        for stamp in 1..=2_u8 {
            let bytes = [BUILT_IN, &[0, 3, 1, b'x', stamp]].concat();
            fs::write(setup.path(&format!("good-{stamp}.wasm")), bytes).unwrap();
        }
        let program = setup.start_with_open(&setup.path("token"));
        let listening = program.listening();
        let admin = format!("http://{}", listening.admin.unwrap());
        Self { _app: app, setup, program, admin, refresh: listening.http.unwrap() }
    }

    fn plugin(&self, arguments: &[&str]) -> Receipt {
        Receipt::of(self.begin(arguments).join().unwrap())
    }

    /// A subcommand of `plugin`, waited for by somebody else.
    fn begin(&self, arguments: &[&str]) -> JoinHandle<Ended> {
        let token = self.setup.path("token");
        let common = ["--json", "--admin", &self.admin, "--token-file", token.to_str().unwrap()];
        let all: Vec<String> = [&["plugin"], arguments, &common].concat().into_iter().map(str::to_owned).collect();
        thread::spawn(move || run(all))
    }

    fn file(&self, name: &str) -> String {
        let path: PathBuf = self.setup.path(name);
        path.to_str().unwrap().to_owned()
    }

    /// A swap to the slow module, and its compiler, which does nothing until it is told to.
    fn begin_slow(&self, domain: &str) -> (JoinHandle<Ended>, u32) {
        let swap = self.begin(&["swap", &self.file("slow.wasm"), "--domain", domain]);
        let compiler = child(self.program.id());
        signal(compiler, "STOP");
        (swap, compiler)
    }
}

/// How a swap ended, as the command line prints it.
struct Receipt {
    code: Option<i32>,
    json: Value,
}

impl Receipt {
    fn of(ended: Ended) -> Self {
        let json = serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
        Self { code: ended.code, json }
    }

    fn assert(&self, outcome: &str, reason: &str) {
        let said = self.json["reason"].as_str().unwrap_or_default();
        assert!(self.json["outcome"] == outcome && said.contains(reason), "{}", self.json);
        assert_eq!(self.code, Some(i32::from(outcome == "refused")), "{}", self.json);
    }
}

#[test]
fn nobody_waits_for_a_plugin_that_takes_long_to_compile() {
    let hosts = Hosts::start("compile.memory = '128MiB'");
    hosts.plugin(&["swap", &hosts.file("good-1.wasm")]).assert("swapped", "");
    let (slow, compiler) = hosts.begin_slow("a.example");

    // The other virtual host swaps, and so does what is rolled back.
    let other = hosts.plugin(&["swap", &hosts.file("good-2.wasm"), "--domain", "b.example"]);
    other.assert("swapped", "");
    assert_eq!(other.json["code_from"], "compiler");
    hosts.plugin(&["rollback", "--domain", "b.example"]).assert("swapped", "");
    hosts.plugin(&["rollback"]).assert("swapped", "");
    let admin = hosts.admin.trim_start_matches("http://").parse().unwrap();
    let connected = request(admin, "PUT", "/sessions/john", &["authorization: Bearer hunter2"], "");
    assert_eq!(connected.status, 200, "{connected:?}");
    assert_eq!(refresh(hosts.refresh, &["john"]).json()["errors"], json!(0));
    assert!(!slow.is_finished() && runs(compiler), "it is still being compiled");

    signal(compiler, "CONT");
    let slow = Receipt::of(slow.join().unwrap());
    slow.assert("refused", "it took more than 128.0 MiB to compile (compile.memory)");
    assert_eq!(slow.json["step"], "compile");
    assert_eq!(hosts.program.stop().code, Some(0));
}

/// What a process has open: where its descriptors lead, and their numbers.
fn open_in(process: u32) -> Vec<(String, u32)> {
    let entries = fs::read_dir(format!("/proc/{process}/fd")).unwrap().flatten();
    // One may have been closed meanwhile.
    let leads = entries.filter_map(|entry| {
        let number = entry.file_name().to_str()?.parse().ok()?;
        Some((fs::read_link(entry.path()).ok()?.to_str()?.to_owned(), number))
    });
    leads.collect()
}

#[test]
fn nothing_that_the_host_has_open_is_open_in_the_compiler() {
    let hosts = Hosts::start("");
    let inherited = open_in(hosts.program.id()).into_iter().any(|(lead, _)| lead == hosts.file("token"));
    assert!(inherited, "the host was started with a file open");
    let (slow, compiler) = hosts.begin_slow("a.example");
    let (host, theirs) = (open_in(hosts.program.id()), open_in(compiler));
    // All of the kernel's own things of one kind have one name.
    let shared = theirs.iter().filter(|(lead, number)| {
        *number > 2 && !lead.starts_with("anon_inode:") && host.iter().any(|(ours, _)| ours == lead)
    });
    assert_eq!(shared.collect::<Vec<_>>(), Vec::<&(String, u32)>::new());
    assert_eq!(theirs.iter().filter(|(lead, _)| lead.starts_with('/')).count(), 0, "{theirs:?}");
    signal(compiler, "KILL");
    Receipt::of(slow.join().unwrap()).assert("refused", "ended by signal 9");
}

#[test]
fn a_module_that_is_being_compiled_does_not_undo_a_rollback() {
    let hosts = Hosts::start("");
    hosts.plugin(&["swap", &hosts.file("good-1.wasm")]).assert("swapped", "");
    let swap = hosts.begin(&["swap", &hosts.file("good-2.wasm")]);
    let compiler = child(hosts.program.id());
    signal(compiler, "STOP");
    let back = hosts.plugin(&["rollback"]);
    back.assert("swapped", "");
    signal(compiler, "CONT");
    Receipt::of(swap.join().unwrap()).assert("refused", "a rollback was asked for meanwhile");
    let status = hosts.plugin(&["status"]).json;
    assert_eq!(status["serves"]["digest"], back.json["new"]["digest"], "{status}");
    assert_eq!(hosts.program.stop().code, Some(0));
}

#[test]
fn a_swap_that_waits_for_another_is_refused_as_busy_in_the_end() {
    let hosts = Hosts::start("");
    let (slow, compiler) = hosts.begin_slow("a.example");
    let second = hosts.begin(&["swap", &hosts.file("good-1.wasm")]);
    let third = |error: &Ended| error.stderr.contains("other components are being uploaded");
    // Two may be under way; which of the two that come now is the third is not said.
    let mut later = vec![second, hosts.begin(&["swap", &hosts.file("good-2.wasm")])];
    wait("one of them is turned away", || later.iter().any(JoinHandle::is_finished));
    let turned_away = later.iter().position(JoinHandle::is_finished).unwrap();
    let ended = later.remove(turned_away).join().unwrap();
    assert!(ended.code == Some(2) && third(&ended), "{ended:?}");
    assert!(!later[0].is_finished(), "it waits");
    signal(compiler, "KILL");
    Receipt::of(slow.join().unwrap()).assert("refused", "ended by signal 9");
    Receipt::of(later.remove(0).join().unwrap()).assert("swapped", "");
}

#[test]
fn the_host_stops_in_the_middle_of_a_compilation() {
    for (name, code) in [("TERM", Some(0)), ("INT", Some(0)), ("KILL", None)] {
        let hosts = Hosts::start("shutdown_timeout = '20s'");
        let (slow, compiler) = hosts.begin_slow("a.example");
        let waiting = hosts.begin(&["reload"]);
        hosts.program.signal(name);
        if name == "KILL" {
            signal(compiler, "CONT");
        }
        let ended = hosts.program.end();
        assert_eq!(ended.code, code, "{name}: {}", ended.stderr);
        assert!(!ended.stderr.contains("did not finish"), "{name}: {}", ended.stderr);
        wait("the compiler ends", || !runs(compiler));
        let (slow, waiting) = (slow.join().unwrap(), waiting.join().unwrap());
        if code.is_some() {
            Receipt::of(slow).assert("refused", "the host is stopping");
            // It may have come when nobody answered any more.
            assert_ne!(waiting.code, Some(0), "{waiting:?}");
        }
    }
}

#[test]
fn the_host_stops_while_it_compiles_at_the_start() {
    let app = WebApp::start();
    let setup = Setup::new(&app, "plugin_cache = 'cache'\ncompile.memory = '4GiB'", "");
    let text = fs::read_to_string(setup.config()).unwrap();
    fs::write(setup.config(), text.replace("[host.settings]", "plugin = 'slow.wasm'\n[host.settings]")).unwrap();
    fs::write(setup.path("slow.wasm"), shapes::locals_and_loops(49_000, 1000)).unwrap();
    let program = setup.start(&[]);
    let compiler = child(program.id());
    // As systemd does: to all processes of the service, the host first.
    let both = format!("kill -TERM {}; kill -TERM {compiler}", program.id());
    Command::new("sh").args(["-c", &both]).output().unwrap();
    let ended = program.end();
    assert_eq!((ended.code, ended.stderr.contains("signal")), (Some(0), false), "{}", ended.stderr);
    wait("the compiler ends", || !runs(compiler));
}
