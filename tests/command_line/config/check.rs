//! `--check-config`, and the faults it is for.

use std::fs;

use crate::support::program::{Ended, run};
use crate::support::setup::{Setup, one_host};

const URL: &str = "http://127.0.0.1:9/contacts/%s";

fn check(text: &str) -> Ended {
    Setup::with(text).run(&["--check-config"])
}

#[test]
fn a_good_configuration_is_summed_up() {
    let ended = check(&format!(
        "http.listen = '127.0.0.1:15280'\nadmin.token = 'hunter2'\nsinks.json_lines.path = '-'\n{}",
        one_host(URL)
    ));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let lines: Vec<&str> = ended.stdout.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(
        lines,
        [
            "refresh route: http://127.0.0.1:15280/roster_admin/refresh, without a token",
            "admin: http://127.0.0.1:5282, with a token",
            "roster events: JSON lines to standard output",
            "host example.com: plugin built in; may ask http://127.0.0.1:9",
        ]
    );
}

#[test]
fn the_documented_example_is_good() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../roster-host.example.toml");
    let ended = run(["--config", example, "--check-config"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert!(ended.stdout.contains("host example.com: plugin built in; may ask http://127.0.0.1:8000"), "{ended:?}");
}

#[test]
fn checking_listens_nowhere() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let ended = check(&format!("http.listen = '{}'\n{}", holder.local_addr().unwrap(), one_host(URL)));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}

#[test]
fn each_fault_is_one_line_that_names_the_key() {
    let host = one_host(URL);
    for (name, text, expected) in [
        (
            "unknown key",
            format!("{host}[host.client]\nconect_timeout = '2s'\n"),
            vec!["roster-host.toml:6: ", "host[0].client.conect_timeout", "did you mean connect_timeout?"],
        ),
        ("unknown table", format!("[htpp]\n{host}"), vec!["roster-host.toml:1: ", "htpp", "did you mean http?"]),
        (
            "bad URL",
            one_host("app/contacts/%s"),
            vec!["roster-host.toml:4: ", "host[0].settings.http_roster_url", "not a URL"],
        ),
        ("bad scheme", one_host("ftp://app/%s"), vec!["http_roster_url", "neither http nor https"]),
        // Only the plugin knows what its URL needs.
        ("URL without %s", one_host("http://app/contacts"), vec!["example.com", "http_roster_url", "no %s"]),
        (
            "missing certificate",
            format!("[http.tls]\ncertificate = 'no.pem'\nkey = 'roster-host.toml'\n{host}"),
            vec!["roster-host.toml:2: ", "http.tls.certificate", "no such file"],
        ),
        (
            "missing token file",
            format!("http.token_file = 'no-token'\n{host}"),
            vec!["roster-host.toml:1: ", "http.token_file", "no such file", "no-token"],
        ),
        (
            "missing plugin",
            host.replace("[host.settings]", "plugin = 'no.wasm'\n[host.settings]"),
            vec!["roster-host.toml:3: ", "host[0].plugin", "no such file", "no.wasm"],
        ),
        (
            "a plugin that is text",
            host.replace("[host.settings]", "plugin = 'roster-host.toml'\n[host.settings]"),
            vec!["example.com", "plugin", "roster-host.toml", "not a WebAssembly component"],
        ),
        ("no host", "[http]\n".into(), vec!["roster-host.toml: host: is missing", "[[host]]"]),
        ("syntax", format!("{host}x = [\n"), vec!["roster-host.toml:5: "]),
    ] {
        let ended = check(&text);
        let line = ended.only_line();
        assert!(line.starts_with("roster-host: "), "{name}: {line}");
        for part in expected {
            assert!(line.contains(part), "{name}: {part:?} is not in {line:?}");
        }
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{name}");
    }
}

#[test]
fn several_faults_are_told_at_once() {
    let ended = check(&format!("shutdown_timeout = 10\nhttp.lissen = 'off'\n{}", one_host(URL)));
    assert_eq!(ended.code, Some(2));
    let lines: Vec<&str> = ended.stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{ended:?}");
    assert!(lines[0].contains(":1: shutdown_timeout: ") && lines[1].contains(":2: http.lissen: "), "{ended:?}");
}

#[test]
fn what_cannot_be_a_component_is_refused() {
    for (name, bytes) in [
        ("empty", &b""[..]),
        ("a module", b"\0asm\x01\0\0\0"),
        ("a component without hooks", b"\0asm\x0d\0\x01\0"),
        ("cut off", b"\0asm\x0d\0\x01\0\x07"),
    ] {
        let setup = Setup::with(&one_host(URL).replace("[host.settings]", "plugin = 'x.wasm'\n[host.settings]"));
        fs::write(setup.path("x.wasm"), bytes).unwrap();
        let ended = setup.run(&["--check-config"]);
        assert!(ended.only_line().contains("x.wasm: "), "{name}: {ended:?}");
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{name}");
    }
}

#[test]
fn a_configuration_that_is_missing_or_a_flag_that_makes_no_sense_is_exit_code_2() {
    for (arguments, expected) in [
        (&["--config", "no-such.toml", "--check-config"][..], "no-such.toml: no such file"),
        (&["--config", "no-such.toml"], "no-such.toml: no such file"),
        (&["--check-config"], "--config"),
        (&["--https-listen", "127.0.0.1:0"], "--config"),
        (&["--http-listen", "localhost"], "--http-listen"),
        (&["--no-such-flag"], "--no-such-flag"),
        (&["--log", "info=loud"], "info=loud"),
    ] {
        let ended = run(arguments);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(ended.stderr.contains(expected), "{arguments:?}: {ended:?}");
    }
}
