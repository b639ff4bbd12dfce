//! `roster-host reload`: a running host reads its configuration again.

use std::fmt::Write as _;
use std::process::ExitCode;

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::Value;

use super::Failure;
use super::admin::Admin;

/// Asks for it, and shows what has come of it.
pub(super) async fn run(admin: Admin) -> Result<ExitCode, Failure> {
    let is_known = |status, value: &Value| {
        matches!(status, StatusCode::OK | StatusCode::UNPROCESSABLE_ENTITY) && value.get("outcome").is_some()
    };
    let (status, value) = admin.send(Method::POST, "/reload", &[], Bytes::new(), is_known).await?;
    admin.show(value, report)?;
    Ok(if status == StatusCode::OK { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn report(value: &Value) -> String {
    let mut text = match value["outcome"].as_str() {
        Some("reloaded") => "reloaded\n",
        Some("unchanged") => "unchanged: the host runs with this configuration already\n",
        _ => "refused: nothing has changed\n",
    }
    .to_owned();
    let lines = |key: &str| value[key].as_array().into_iter().flatten();
    // Writing to a string cannot fail.
    for mistake in lines("mistakes").filter_map(Value::as_str) {
        let _ = writeln!(text, "  {mistake}");
    }
    for warning in lines("warnings").filter_map(Value::as_str) {
        let _ = writeln!(text, "  warning: {warning}");
    }
    for change in lines("changes") {
        let word = |key: &str| change[key].as_str().unwrap_or("nothing");
        let effect = match word("effect") {
            "none" => continue,
            "needs a restart" => ", after a restart",
            _ => "",
        };
        let _ = writeln!(text, "  {}: {}; was {}{effect}", word("key"), word("new"), word("old"));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_has_come_of_it_is_a_few_lines() {
        let changes = json!([
            {"key": "log.filter", "old": "none", "new": "\"debug\"", "effect": "now"},
            {"key": "http.max_body", "old": "\"4MiB\"", "new": "10", "effect": "needs a restart"},
        ]);
        let not_taken_over = json!([{"key": "log.filter", "old": "\"info\"", "new": "\"debug\"", "effect": "none"}]);
        for (value, expected) in [
            (
                json!({"outcome": "reloaded", "mistakes": [], "warnings": ["odd"], "changes": changes}),
                "reloaded\n  warning: odd\n  log.filter: \"debug\"; was none\n  \
                 http.max_body: 10; was \"4MiB\", after a restart\n",
            ),
            (
                json!({"outcome": "refused", "mistakes": ["t.toml:3: no"], "warnings": [], "changes": not_taken_over}),
                "refused: nothing has changed\n  t.toml:3: no\n",
            ),
            (json!({"outcome": "unchanged"}), "unchanged: the host runs with this configuration already\n"),
        ] {
            assert_eq!(report(&value), expected);
        }
    }
}
