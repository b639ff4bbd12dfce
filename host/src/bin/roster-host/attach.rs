//! `roster-host attach ...`: the servers of other make that get their rosters from a running host.

use std::fmt::Write as _;
use std::process::ExitCode;

use serde_json::Value;

use super::Failure;
use super::admin::Admin;

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Which servers are attached to a running host, and how far they are. Exit code 0: each node has its event stream; 1: one has
    /// not; 2: it could not be found out.
    Status(Admin),
}

/// Runs one command.
pub(super) async fn run(command: Command) -> Result<ExitCode, Failure> {
    let Command::Status(admin) = command;
    admin.show_nodes("/attach", status, |value| nodes(value).all(|node| node["live"] == true)).await
}

fn nodes(value: &Value) -> impl Iterator<Item = &Value> {
    value["nodes"].as_array().into_iter().flatten()
}

/// A few lines for each node.
fn status(value: &Value) -> String {
    let mut text = String::new();
    for node in nodes(value) {
        let number = |key: &str| node[key].as_u64().unwrap_or_default();
        let word = |key: &str| node[key].as_str().unwrap_or("?");
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{} ({})", word("node"), word("domain"));
        let stream = &node["stream"];
        let open = match stream["open_seconds"].as_u64() {
            Some(seconds) => {
                let agent = stream["user_agent"].as_str().filter(|agent| !agent.is_empty()).unwrap_or("no User-Agent");
                let address = stream["address"].as_str().unwrap_or("?");
                format!("open for {seconds} s, {agent} at {address}")
            }
            None => "none: nobody is there, or the server cannot reach this host".to_owned(),
        };
        let _ = writeln!(text, "  stream     {open}");
        let _ = writeln!(text, "  users      {}", number("users"));
        let _ = writeln!(text, "  events     {}, acknowledged {}, lag {}", number("seq"), number("ack"), number("lag"));
        let last = node["last_sync_seconds"].as_u64().map_or("never".into(), |seconds| format!("{seconds} s ago"));
        let _ = writeln!(text, "  last sync  {last} ({} in all, {} asked for)", number("syncs"), number("resyncs"));
        let _ = writeln!(text, "  refreshes  {} answered without it", number("unconfirmed"));
        let _ = writeln!(text, "  leases     {} expired", number("leases_expired"));
    }
    if text.is_empty() {
        "no server is attached: there is no [[attach.node]] in the host's configuration\n".clone_into(&mut text);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nodes_are_shown_with_what_they_lack() {
        let stream = json!({"address": "192.0.2.7:4711", "user_agent": "Prosody/13.0.1", "open_seconds": 7});
        let shown = status(&json!({"nodes": [
            {"node": "a", "domain": "x", "live": true, "stream": stream, "users": 3, "seq": 9, "ack": 7, "lag": 2,
             "last_sync_seconds": 8, "syncs": 2, "resyncs": 1, "unconfirmed": 4, "leases_expired": 5},
            {"node": "b", "domain": "x", "live": false, "stream": null},
        ]}));
        let expected = "\
a (x)
  stream     open for 7 s, Prosody/13.0.1 at 192.0.2.7:4711
  users      3
  events     9, acknowledged 7, lag 2
  last sync  8 s ago (2 in all, 1 asked for)
  refreshes  4 answered without it
  leases     5 expired
b (x)
  stream     none: nobody is there, or the server cannot reach this host
  users      0
  events     0, acknowledged 0, lag 0
  last sync  never (0 in all, 0 asked for)
  refreshes  0 answered without it
  leases     0 expired
";
        assert_eq!(shown, expected);
        assert!(status(&json!({"nodes": []})).contains("no server is attached"));
    }
}
