//! `GET /metrics` of a host that has something to tell: that Prometheus can read it, and that the manual says what is there.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::client::{connect, refresh, request};
use super::https::write_certificate;
use super::openmetrics::{Family, Sample, parse};
use super::program::run_with_input;
use super::setup::Setup;
use super::web_app::WebApp;

const MANUAL: &str = include_str!("../../docs/metrics.md");

/// The page of a host with every listener, after a refresh, a swap and a failure.
fn page() -> String {
    let app = WebApp::start();
    app.answer("marie", 500, "", Duration::ZERO);
    let xmpp =
        "[xmpp]\nlisten = '127.0.0.1:0'\ntls_listen = '127.0.0.1:0'\ncertificate = 'chain.pem'\nkey = 'key.pem'\n";
    let tls = "[http.tls]\nlisten = '127.0.0.1:0'\ncertificate = 'chain.pem'\nkey = 'key.pem'\n";
    let attach = "[attach]\nlisten = '127.0.0.1:0'\n[[attach.node]]\nname = 'prosody'\ntoken = 'x'\n";
    let host = format!(
        "[sinks.json_lines]\npath = 'events'\n{tls}{xmpp}{attach}[[host]]\ndomain = 'localhost'\naccounts = 'accounts.txt'\n\
         [host.settings]\nhttp_roster_url = '{}'\n",
        app.roster_url()
    );
    let setup = Setup::with(&host);
    write_certificate(&setup);
    let accounts = setup.path("accounts.txt");
    assert_eq!(run_with_input(["account", "add", "john", "--file", accounts.to_str().unwrap()], "x").code, Some(0));
    let program = setup.start(&[]);
    let listening = program.listening();
    let (http, admin) = (listening.http.unwrap(), listening.admin.unwrap());
    connect(admin, "john");
    assert_eq!(request(admin, "PUT", "/sessions/marie", &[], "").status, 502);
    app.set("john", "aaron@localhost");
    assert_eq!(refresh(http, &["john"]).status, 200);
    assert_eq!(request(admin, "POST", "/plugin/reload", &[], "").status, 200);
    let page = request(admin, "GET", "/metrics", &[], "").body;
    assert_eq!(program.stop().code, Some(0));
    page
}

/// As the manual has it: the family, with its suffix.
fn shown(name: &str, family: &Family) -> String {
    let suffix = match family.kind.as_str() {
        "counter" => "_total",
        "info" => "_info",
        _ => "",
    };
    format!("{name}{suffix}")
}

#[test]
fn the_metrics_are_what_open_metrics_demands() {
    let page = page();
    let families = parse(&page).unwrap_or_else(|fault| panic!("{fault}\n{page}"));
    let only = |name: &str| -> Vec<Sample> { families[name].samples.clone() };

    let calls = only("roster_host_generation_call_seconds");
    let count = calls.iter().find(|one| one.name.ends_with("_count") && one.labels["hook"] == "fetch");
    assert!(count.is_some_and(|count| count.value >= 2.0), "{calls:?}");

    let build = only("roster_host_build");
    assert_eq!(build.len(), 1);
    assert_eq!(build[0].labels["version"], env!("CARGO_PKG_VERSION"));

    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    let started = only("process_start_time_seconds")[0].value;
    assert!((now - 600.0..=now).contains(&started), "{started}");

    let ends = only("roster_host_certificate_expiry_timestamp_seconds");
    let listeners: BTreeSet<&str> = ends.iter().map(|end| &*end.labels["listener"]).collect();
    assert_eq!(listeners, ["http.tls", "xmpp"].into());
    assert!(ends.iter().all(|end| end.value > now), "{ends:?}");

    let descriptors = (only("process_open_fds")[0].value, only("process_max_fds")[0].value);
    assert!(descriptors.0 >= 5.0 && descriptors.0 < descriptors.1, "{descriptors:?}");
}

#[test]
fn the_manual_has_every_metric_and_no_other() {
    let page = page();
    let families = parse(&page).unwrap();
    let there: BTreeSet<String> = families.iter().map(|(name, family)| shown(name, family)).collect();
    let rows = MANUAL.lines().filter(|line| line.starts_with("| `"));
    let names = rows.flat_map(|row| row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2));
    let documented: BTreeSet<String> = names.map(str::to_owned).collect();
    let missing: Vec<_> = there.difference(&documented).collect();
    let invented: Vec<_> = documented.difference(&there).collect();
    assert!(missing.is_empty() && invented.is_empty(), "not in the manual: {missing:?}; only there: {invented:?}");
    for row in MANUAL.lines().filter(|line| line.starts_with("| `")) {
        let labels: BTreeSet<&str> = row.split('|').nth(2).unwrap().split('`').skip(1).step_by(2).collect();
        for name in row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2) {
            let (_, family) = families.iter().find(|(known, family)| shown(known, family) == name).unwrap();
            let of = |sample: &Sample| sample.labels.keys().filter(|label| *label != "le").cloned().collect();
            let found: BTreeSet<BTreeSet<String>> = family.samples.iter().map(of).collect();
            let expected: BTreeSet<String> = labels.iter().map(|label| (*label).to_owned()).collect();
            assert!(found.iter().all(|found| *found == expected), "labels of {name}: {found:?}, not {expected:?}");
        }
    }
}
