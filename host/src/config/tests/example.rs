//! `roster-host.example.toml` is the documentation of every key, so it has to stay right.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::{Table, Value};

use super::super::table::{Entry, Table as _};
use super::super::*;
use super::{LEAST, parse};

const EXAMPLE: &str = include_str!("../../../roster-host.example.toml");

/// The example with the keys behind `marks` uncommented: `#` the defaults, `##` the examples.
fn uncommented(marks: &[&str]) -> String {
    let uncomment = |line: &'static str| {
        let key = line.trim_start_matches('#');
        let mark = line.strip_suffix(key).unwrap_or_default();
        // Prose has a space after its `#`.
        if marks.contains(&mark) && !key.starts_with(' ') { key } else { line }
    };
    EXAMPLE.lines().map(uncomment).collect::<Vec<_>>().join("\n")
}

/// Every table of the file with its keys.
fn tables() -> Vec<(String, Vec<String>)> {
    fn add(name: String, entries: Vec<Entry>, into: &mut Vec<(String, Vec<String>)>) {
        into.push((name.clone(), entries.iter().map(|entry| entry.name().to_owned()).collect()));
        for entry in entries {
            if let Entry::Table(table) = entry {
                add(format!("{name}.{}", table.name).trim_start_matches('.').to_owned(), table.entries, into);
            }
        }
    }
    let mut tables = Vec::new();
    add(String::new(), Config::default().entries(), &mut tables);
    assert!(tables.iter().map(|(_, keys)| keys.len()).sum::<usize>() > 150, "{tables:?}");
    tables
}

#[test]
fn the_example_is_right_as_it_stands() {
    let config = parse(EXAMPLE).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(config.warnings, Vec::<String>::new());
    assert_eq!(config.hosts[0].domain, "example.com");
}

#[test]
fn taking_the_comment_signs_off_the_defaults_changes_nothing() {
    let all = uncommented(&["#"]);
    assert!(all.contains("\nmax_body = ") && all.contains("\ngrace = "), "{all}");
    assert_eq!(parse(&all), parse(EXAMPLE));
}

#[test]
fn what_is_not_set_is_as_the_defaults_of_the_parts_say() {
    let application: Origin = "http://app.example.org".parse().unwrap();
    let client = ClientConfig {
        allow_origins: vec![application.clone()],
        auth_origins: vec![application],
        ..ClientConfig::default()
    };
    let host = HostConfig {
        domain: "example.com".into(),
        settings: [("http_roster_url".into(), "http://app.example.org/contacts/%s".into())].into(),
        client,
        ..HostConfig::default()
    };
    assert_eq!(parse(LEAST), Ok(Config { hosts: vec![host], ..Config::default() }));
    assert_eq!(Config::default().shutdown_timeout, Duration::from_secs(30));
}

#[test]
fn the_examples_of_keys_without_a_default_are_right_too() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("tls")).unwrap();
    let files = [
        "tls/chain.pem",
        "tls/key.pem",
        "tls/ca.pem",
        "my-plugin.wasm",
        "accounts.txt",
        "tls/xmpp-chain.pem",
        "tls/xmpp-key.pem",
        "tls/attach-chain.pem",
        "tls/attach-key.pem",
        "tls/nats-ca.pem",
        "tls/nats-chain.pem",
        "tls/nats-key.pem",
        "nats.nk",
        "nats.creds",
    ];
    for file in files {
        fs::write(folder.path().join(file), "x").unwrap();
    }
    let error = Config::parse(&uncommented(&["#", "##"]), &folder.path().join("t.toml")).expect_err("alternatives");
    let found: Vec<_> = error.problems().iter().map(|found| (found.key().unwrap(), found.reason())).collect();
    // Only that both of two alternatives are given.
    assert_eq!(
        found,
        [
            ("http.token_file", "token is given too; give one of the two"),
            ("admin.token_file", "token is given too; give one of the two"),
            ("attach.node[0].token_file", "token is given too; give one of the two"),
            ("cluster.token_file", "token is given too; give one of the two"),
            ("cluster.user", "token is given too; give one of the two"),
            ("cluster.password_file", "password is given too; give one of the two"),
            ("registry.password_file", "password is given too; give one of the two"),
            ("host[0].http_auth_url", "accounts is given too; give one of the two"),
            ("host[0].client.password_file", "password is given too; give one of the two"),
            ("host[0].client.bearer_token", "username or password is given too; give either these or a bearer token"),
            ("host[0].client.bearer_token_file", "bearer_token is given too; give one of the two"),
        ]
    );
}

#[test]
fn the_optional_tables_show_their_defaults() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("tls")).unwrap();
    let [certificate, key] = ["tls/chain.pem", "tls/key.pem"].map(|file| folder.path().join(file));
    fs::write(&certificate, "x").unwrap();
    fs::write(&key, "x").unwrap();
    let without = [
        "token_file",
        "password",
        "username",
        "bearer",
        "ca_file",
        "plugin",
        "accounts",
        "websocket_url",
        "http_auth",
        "http_roster_bulk",
        "client_address",
        "nkey_file",
        "credentials_file",
        "user = ",
    ];
    let lines = uncommented(&["##"]);
    let lines = lines.lines().filter(|line| !without.iter().any(|key| line.starts_with(key)));
    let lines = lines.filter(|line| !line.starts_with("token = ") || line.contains("three"));
    let lines: Vec<_> = lines
        .filter(|line| !["tls/xmpp-", "tls/attach-", "tls/nats-"].iter().any(|file| line.contains(file)))
        .collect();
    let config = Config::parse(&lines.join("\n"), &folder.path().join("t.toml")).unwrap();
    assert_eq!(config.http.tls, Some(TlsConfig::new(certificate, key)));
    assert_eq!(config.sinks.json_lines, Some(JsonLinesConfig::new(PathBuf::from("-"))));
    assert_eq!(config.xmpp, Some(XmppConfig::default()));
    let node =
        NodeConfig { name: "prosody".into(), domain: "example.com".into(), token: Secret::new("change-me-three") };
    assert_eq!(config.attach, Some(AttachConfig { nodes: vec![node], ..AttachConfig::default() }));
    let servers = vec!["nats://127.0.0.1:4222".to_owned()];
    assert_eq!(config.cluster, Some(ClusterConfig { servers, node: "chat-1".into(), ..ClusterConfig::default() }));
    assert_eq!(config.hosts, parse(EXAMPLE).unwrap().hosts);
}

#[test]
fn every_key_is_in_the_example_and_no_other() {
    let mut known = BTreeSet::new();
    for (table, keys) in tables() {
        assert!(!keys.is_empty(), "{table}");
        known.extend(keys.iter().map(|key| format!("{table}.{key}").trim_start_matches('.').to_owned()));
    }
    let mut shown = BTreeSet::new();
    names(&uncommented(&["#", "##"]).parse().unwrap(), "", &mut shown);
    assert_eq!(shown, known);
}

/// The names of all keys and tables; what a plugin's settings are called is not ours to say.
fn names(table: &Table, path: &str, into: &mut BTreeSet<String>) {
    for (key, value) in table {
        let name = format!("{path}.{key}").trim_start_matches('.').to_owned();
        match value {
            Value::Table(inner) if key != "settings" => names(inner, &name, into),
            Value::Array(items) => {
                for inner in items.iter().filter_map(Value::as_table) {
                    names(inner, &name, into);
                }
            }
            _ => {}
        }
        into.insert(name);
    }
}

#[test]
fn a_wrong_value_of_any_key_is_reported_with_that_key_and_its_line() {
    // A date is right for no key.
    for (table, keys) in tables() {
        for key in keys {
            let (text, line, name) = match table.strip_prefix("host") {
                Some(inside) => {
                    let at = format!("host[0]{inside}.{key}");
                    (format!("[[host]]\n{}.{key} = 1979-05-27", inside.trim_start_matches('.')), 2, at)
                }
                None if table == "attach.node" => {
                    let at = format!("attach.node[0].{key}");
                    (format!("[[attach.node]]\n{key} = 1979-05-27"), 2, at)
                }
                None if table.is_empty() => (format!("\n\n{key} = 1979-05-27"), 3, key.clone()),
                None => (format!("[{table}]\n{key} = 1979-05-27"), 2, format!("{table}.{key}")),
            };
            let text = text.replace("\n.", "\n");
            let error = Config::parse(&text, Path::new("t.toml")).expect_err(&text);
            let found = error.problems().iter().find(|found| found.key() == Some(&name));
            let found = found.unwrap_or_else(|| panic!("{text}: {error}"));
            assert_eq!(found.line(), Some(line), "{text}: {found}");
            assert!(found.reason().contains("expected"), "{text}: {found}");
        }
    }
}
