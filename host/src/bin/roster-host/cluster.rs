//! `roster-host cluster ...`: the other nodes, as a running host sees them.

use std::fmt::Write as _;
use std::process::ExitCode;

use serde_json::Value;

use super::Failure;
use super::admin::Admin;

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Which nodes there are, and how the running host stands among them. Exit code 0: it is among them and ready; 1: it is not; 2: it
    /// could not be found out.
    Status(Admin),
}

/// Runs one command.
pub(super) async fn run(command: Command) -> Result<ExitCode, Failure> {
    let Command::Status(admin) = command;
    admin.show_nodes("/cluster", status, |value| value.get("ready").and_then(Value::as_bool) == Some(true)).await
}

/// A few lines.
fn status(value: &Value) -> String {
    let word = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    if value.get("node").is_none() {
        return "this host is no node of a cluster: there is no [cluster] in its configuration\n".to_owned();
    }
    let awaited: Vec<String> = value["awaited"].as_array().into_iter().flatten().map(word).collect();
    let ready = match (value["ready"] == true, awaited.is_empty()) {
        (true, _) => "ready".to_owned(),
        (false, true) => "not ready".to_owned(),
        (false, false) => format!("waits for {} to say whom they have", awaited.join(", ")),
    };
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ =
        writeln!(text, "{}: {}, {ready}, view {}", word(&value["node"]), word(&value["state"]), number(&value["view"]));
    let _ = writeln!(text, "  owns       {} rosters that somebody has", number(&value["owned"]));
    let _ = writeln!(text, "  alone      {} rosters asked for without their owner", number(&value["alone"]));
    let _ = writeln!(text, "  refused    {} refreshes while it was cut off", number(&value["refused"]));
    for node in value["nodes"].as_array().into_iter().flatten() {
        let silent = node["silent_ms"].as_u64().map_or("?".to_owned(), |ms| format!("{:.1} s", ms as f64 / 1000.0));
        let (name, life) = (word(&node["name"]), word(&node["incarnation"]));
        let (protocol, lag) = (number(&node["protocol"]), number(&node["lag"]));
        let _ = writeln!(
            text,
            "{name}\n  life       {life}, protocol {protocol}\n  silent for {silent}\n  lag        {lag} rosters to be told"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::status;

    #[test]
    fn a_node_is_a_few_lines_that_say_how_it_stands() {
        let value = json!({
            "node": "a", "state": "live", "view": 7, "ready": false, "awaited": ["b"], "owned": 12, "alone": 0, "refused": 3,
            "nodes": [{ "name": "b", "incarnation": "f00", "protocol": 1, "silent_ms": 1500, "lag": 2 }]
        });
        let text = status(&value);
        for part in [
            "a: live, waits for b to say whom they have, view 7",
            "owns       12",
            "refused    3",
            "silent for 1.5 s",
            "lag        2",
        ] {
            assert!(text.contains(part), "{part:?} in {text}");
        }
        assert!(status(&json!({ "nodes": [] })).contains("no [cluster]"));
    }
}
