//! What has changed between two files, and what of it needs a restart.

use super::super::Config;
use super::{LEAST, parse};

const CLUSTER: &str = "cluster.servers = ['nats://127.0.0.1:4222']\ncluster.node = 'a'\n";

/// The lines about the changes from one file to another.
fn lines(old: &str, new: &str) -> Vec<String> {
    let read = |text: &str| -> Config { parse(text).unwrap_or_else(|error| panic!("{error}")) };
    let line = |change: super::super::Change| {
        let when = if change.needs_restart { "restart" } else { "now" };
        format!("{}: {} -> {}, {when}", change.key, change.old, change.new)
    };
    read(old).changes(&read(new)).into_iter().map(line).collect()
}

#[test]
fn each_key_that_differs_is_told_once_with_both_values_and_no_secret() {
    let other = "[[host]]\ndomain = 'b.example'\nsettings.http_roster_url = 'http://b.example/%s'\n";
    for (old, new, expected) in [
        (LEAST.to_owned(), LEAST.to_owned(), vec![]),
        (LEAST.into(), format!("log.filter = 'debug'\n{LEAST}"), vec!["log.filter: \"info\" -> \"debug\", now"]),
        (LEAST.into(), format!("log.format = 'json'\n{LEAST}"), vec!["log.format: \"text\" -> \"json\", restart"]),
        (
            LEAST.into(),
            format!("http.listen = '127.0.0.1:1'\nhttp.max_body = '1MiB'\n{LEAST}"),
            vec![
                "http.listen: \"127.0.0.1:5280\" -> \"127.0.0.1:1\", restart",
                "http.max_body: \"4MiB\" -> \"1MiB\", restart",
            ],
        ),
        (LEAST.into(), format!("http.token = 'hush'\n{LEAST}"), vec!["http.token: none -> (not shown), now"]),
        (
            format!("admin.token = 'hush'\n{LEAST}"),
            format!("admin.token = 'hush-hush'\n{LEAST}"),
            vec!["admin.token: (not shown) -> (not shown), now"],
        ),
        (
            LEAST.into(),
            format!("{LEAST}limits.call_timeout = '30s'\nsettings.key = 'hush'\nclient.bearer_token = 'hush'"),
            vec![
                "host[example.com].client.bearer_token: none -> (not shown), now",
                "host[example.com].limits.call_timeout: \"20s\" -> \"30s\", now",
                "host[example.com].settings.key: none -> (not shown), now",
            ],
        ),
        (LEAST.into(), format!("{LEAST}{other}"), vec!["host[b.example]: none -> there, now"]),
        (format!("{other}{LEAST}"), LEAST.into(), vec!["host[b.example]: there -> none, now"]),
        (
            LEAST.into(),
            format!("sinks.json_lines.path = '-'\n{LEAST}"),
            vec!["sinks.json_lines: none -> there, restart"],
        ),
        (LEAST.into(), format!("{CLUSTER}{LEAST}"), vec!["cluster: none -> there, restart"]),
        (
            format!("{CLUSTER}{LEAST}"),
            format!("cluster.replicas = 3\ncluster.token = 'hush'\n{CLUSTER}{LEAST}"),
            vec!["cluster.replicas: 1 -> 3, restart", "cluster.token: none -> (not shown), restart"],
        ),
        (
            format!("sinks.json_lines.path = '-'\n{LEAST}"),
            format!("sinks.json_lines.path = '-'\nsinks.json_lines.queue = 9\n{LEAST}"),
            vec!["sinks.json_lines.queue: 1024 -> 9, restart"],
        ),
    ] {
        assert_eq!(lines(&old, &new), expected, "{new}");
    }
}
