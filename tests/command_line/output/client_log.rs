//! What the log says of clients, as operators and fail2ban read it: the built program's own lines against the filter that
//! is shipped.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::TcpStream;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use regex::Regex;

use crate::support::program::run_with_input;
use crate::support::setup::{Setup, one_host};
use crate::support::stream::Stream;
use crate::support::web_app::WebApp;

const FILTER: &str = include_str!("../../../packaging/fail2ban/filter.d/roster-host.conf");
const TOP: &str = "[xmpp]\nlisten = '127.0.0.1:0'\ntls_listen = 'off'\nrequire_encryption = false\n\
                   allow_unencrypted_plain_auth = true\nlogin.failures_per_address = 6\n\
                   login.attempts_per_stream = 100\nlimits.max_connections_per_address = 1\n";

/// The expressions of the filter, with what fail2ban puts in the places of its tags.
fn failures() -> Vec<Regex> {
    let prefix = FILTER.lines().find_map(|line| line.strip_prefix("_prefix = ")).unwrap();
    let from = FILTER.find("\nfailregex = ").unwrap();
    let until = FILTER.find("\nignoreregex").unwrap();
    let expressions = FILTER[from..until].trim().trim_start_matches("failregex = ");
    let regex = |line: &str| {
        let line = line.trim().replace("%(_prefix)s", prefix).replace("<ADDR>", "(?P<ip>[0-9a-f.:]+)");
        Regex::new(&line).unwrap()
    };
    expressions.lines().map(regex).collect()
}

/// The addresses that fail2ban would count, and how often.
fn counted(log: &str) -> BTreeMap<String, usize> {
    let failures = failures();
    let mut counted = BTreeMap::new();
    for line in log.lines() {
        if let Some(found) = failures.iter().find_map(|regex| regex.captures(line)) {
            *counted.entry(found["ip"].to_owned()).or_default() += 1;
        }
    }
    counted
}

#[test]
fn failed_logins_are_lines_that_the_shipped_filter_reads_in_both_formats() {
    let host = one_host("http://127.0.0.1:9/%s").replace("[host.settings]", "accounts = 'a.txt'\n[host.settings]");
    let setup = Setup::with(&format!("{TOP}{host}"));
    let accounts = setup.path("a.txt");
    let added = run_with_input(["account", "add", "john", "--file", accounts.to_str().unwrap()], "hunter2");
    assert_eq!(added.code, Some(0), "{added:?}");
    for format in [&[][..], &["--log-json"]] {
        let host = setup.start(format);
        let address = host.listening().xmpp.unwrap();
        let mut stream = Stream::open(address);
        assert!(stream.plain("john", "guess1").contains("not-authorized"));
        stream.scram("john");
        stream.scram("ghost");
        assert!(
            stream
                .plain(
                    "x\n2026-01-01T00:00:00Z  WARN roster_xmpp::clients: login failed address=192.0.2.7 account=x",
                    "guess2"
                )
                .contains("not-authorized")
        );
        assert!(stream.plain("a\",\"address\":\"192.0.2.8\u{202e}", "guess3").contains("not-authorized"));
        assert!(stream.ask("<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", &["</failure>"]).contains("aborted"));
        assert_eq!(TcpStream::connect(address).unwrap().read(&mut [0; 10]).unwrap(), 0, "a connection too many");
        assert!(stream.plain("john", "guess4").contains("not-authorized"));
        assert!(stream.plain("john", "hunter2").contains("temporary-auth-failure"), "too many have failed");
        drop(stream);
        let log = host.stop().stderr;
        // Six failures and the one that was throttled; not the refusals.
        assert_eq!(counted(&log), BTreeMap::from([("127.0.0.1".to_owned(), 7)]), "{log}");
        for (message, lines) in
            [("login failed", 6), ("login throttled", 1), ("login refused", 1), ("connection refused", 1)]
        {
            let found = log.lines().filter(|line| line.contains(message) && line.contains("WARN")).count();
            assert_eq!(found, lines, "{message}: {log}");
        }
        for hidden in ["guess", "hunter2", &STANDARD.encode("\0john\0guess1"), "\u{202e}"] {
            assert!(!log.contains(hidden), "{hidden} is in {log}");
        }
    }
}

#[test]
fn logins_that_the_application_checks_are_lines_too() {
    let app = WebApp::start();
    for (name, status) in [("right", 200), ("wrong", 401), ("broken", 503)] {
        app.answer(name, status, "", Duration::ZERO);
    }
    for (name, says, counts) in [
        ("right", " INFO roster_xmpp::clients: login succeeded address=127.0.0.1 account=john ", 0),
        ("wrong", " WARN roster_xmpp::clients: login failed address=127.0.0.1 account=john ", 1),
        ("broken", " WARN roster_xmpp::clients: login not checked address=127.0.0.1 account=john ", 0),
    ] {
        let auth = format!("http_auth_url = '{}'\n[host.settings]", app.roster_url().replace("%s", name));
        let host = one_host(&app.roster_url()).replace("[host.settings]", &auth);
        let setup = Setup::with(&format!("{TOP}{host}"));
        let host = setup.start(&[]);
        Stream::open(host.listening().xmpp.unwrap()).plain("john", "hunter2");
        let log = host.stop().stderr;
        assert_eq!(log.lines().filter(|line| line.contains(says)).count(), 1, "{log}");
        assert_eq!(counted(&log).values().sum::<usize>(), counts, "{log}");
        assert!(!log.contains("hunter2"), "{log}");
    }
}
