//! `GET /metrics` of a host that has something to tell: that Prometheus can read it, and that the manual says what is there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{env, fs};

use crate::https::write_certificate;
use crate::support::client::{connect, refresh, request};
use crate::support::openmetrics::{Family, Sample, parse};
use crate::support::program::run_with_input;
use crate::support::setup::Setup;
use crate::support::web_app::WebApp;

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

/// What a node of a cluster has more. It has not found the others, so nothing of it is in [`page`].
fn cluster_page() -> String {
    let setup = Setup::with(
        "[cluster]\nnode = 'a'\nservers = ['nats://127.0.0.1:9']\n[[host]]\ndomain = 'localhost'\n[host.settings]\n\
         http_roster_url = 'http://127.0.0.1:9/%s'\n",
    );
    let program = setup.start(&[]);
    let page = request(program.listening().admin.unwrap(), "GET", "/metrics", &[], "").body;
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

/// The names of a family's labels, which all its samples have.
fn labels(name: &str, family: &Family) -> Vec<String> {
    let of = |sample: &Sample| sample.labels.keys().filter(|label| *label != "le").cloned().collect();
    let found: BTreeSet<Vec<String>> = family.samples.iter().map(of).collect();
    assert_eq!(found.len(), 1, "{name} has no sample here, or samples with different labels: {found:?}");
    found.into_iter().next().unwrap()
}

/// A row for each family.
fn table(families: &BTreeMap<String, Family>) -> String {
    let mut table = String::from("| Name | Type | Labels | What it is |\n|---|---|---|---|\n");
    for (name, family) in families {
        let labels: Vec<String> = labels(name, family).iter().map(|label| format!("`{label}`")).collect();
        let help = family.help.as_deref().unwrap_or_default().trim_end_matches('.');
        assert!(help.len() > 10, "{name} does not say what it is: {help:?}");
        let (name, kind, labels) = (shown(name, family), &family.kind, labels.join(", "));
        writeln!(table, "| `{name}` | {kind} | {labels} | {help} |").unwrap();
    }
    table
}

#[test]
fn the_page_of_the_manual_is_what_the_host_says() {
    let mut families = parse(&page()).unwrap();
    let cluster = parse(&cluster_page()).unwrap();
    families.extend(cluster.into_iter().filter(|(name, _)| name.starts_with("roster_host_cluster_")));
    let table = table(&families);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
    let before = fs::read_to_string(path).unwrap();
    let old: String = before
        .lines()
        .skip_while(|line| !line.starts_with("| Name |"))
        .take_while(|line| !line.is_empty())
        .flat_map(|line| [line, "\n"])
        .collect();
    if env::var_os("WRITE_DOCS").is_some() {
        fs::write(path, before.replace(&old, &table)).unwrap();
    } else {
        assert!(old == table, "docs/metrics.md is stale; WRITE_DOCS=1 makes this test write it again:\n{table}");
    }
}
