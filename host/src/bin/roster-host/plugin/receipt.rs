//! Receipts and the status of a running host, for people. They come as JSON; what is missing is not shown.

use std::fmt::Write as _;

use serde_json::Value;

/// Receipts shown with the status.
const HISTORY: usize = 5;

/// A receipt in a few lines.
pub(super) fn receipt(receipt: &Value) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{}: {} ({})", word(receipt, "domain"), word(receipt, "outcome"), word(receipt, "trigger"));
    let mut line = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            let _ = writeln!(text, "  {key:<10} {value}");
        }
    };
    line("reason", receipt["reason"].as_str().map(|reason| format!("{reason} (step {})", word(receipt, "step"))));
    line("old", module(&receipt["old"]));
    line("new", module(&receipt["new"]));
    let code = receipt["compile_ms"].as_u64().map(|ms| format!("{ms} ms, from the {}", word(receipt, "code_from")));
    line("code", code);
    for (key, field) in [("imports +", "imports_added"), ("imports -", "imports_removed")] {
        let imports: Vec<_> = receipt[field].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        line(key, (!imports.is_empty()).then(|| imports.join(" ")));
    }
    for hook in receipt["rehearsal"].as_array().into_iter().flatten() {
        let mark = if hook["ok"] == true { "" } else { "FAILED: " };
        line("rehearsed", Some(format!("{}: {mark}{}", word(hook, "hook"), word(hook, "detail"))));
    }
    let shadow = &receipt["shadow"];
    line(
        "shadow",
        shadow["calls"].as_u64().map(|calls| {
            let [same, different, failed] =
                ["same", "different", "failed"].map(|key| shadow[key].as_u64().unwrap_or(0));
            format!("{calls} recorded calls made again: {same} the same, {different} different, {failed} failed")
        }),
    );
    for example in shadow["examples"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        line("", Some(example.to_owned()));
    }
    line("took over", receipt["took_over_ms"].as_u64().map(|ms| format!("after {ms} ms")));
    let drained = receipt["in_flight"].as_u64().map(|calls| match receipt["drain_ms"].as_u64() {
        Some(ms) => format!("{calls} calls ended on the old one within {ms} ms"),
        None => format!("{calls} calls were on the old one, and some still are"),
    });
    line("drained", drained);
    text
}

/// What serves, what can be put back, and the latest receipts in a line each.
pub(super) fn status(status: &Value) -> String {
    let mut text = format!("{}\n", word(status, "domain"));
    let canary = if status["is_canary"] == true { ", a canary" } else { "" };
    let _ = writeln!(text, "  serves     {}{canary}", module(&status["serves"]).unwrap_or_default());
    if let Some(reason) = status["stands_in"].as_str() {
        let _ = writeln!(text, "  INSTEAD    the last good plugin stands in: {reason}");
    }
    let figures = &status["figures"];
    if let Some(calls) = figures["calls"].as_u64() {
        let (traps, timeouts) = (&figures["traps"], &figures["timeouts"]);
        let _ = writeln!(text, "  calls      {calls}, {traps} trapped, {timeouts} took too long");
    }
    if let Some(recorded) = status["recorded"].as_u64() {
        let _ = writeln!(text, "  recorded   {recorded} calls, for the rehearsal of the next");
    }
    for kept in status["kept"].as_array().into_iter().flatten() {
        let calls = kept
            .pointer("/figures/calls")
            .and_then(Value::as_u64)
            .map(|calls| format!(", {calls} calls"))
            .unwrap_or_default();
        let _ = writeln!(text, "  kept       {}{calls}", module(kept).unwrap_or_default());
    }
    for receipt in status["history"].as_array().into_iter().flatten().take(HISTORY) {
        let reason = receipt["reason"].as_str().map(|reason| format!(": {reason}")).unwrap_or_default();
        let id = &receipt["id"];
        let _ =
            writeln!(text, "  receipt    {id} {} by {}{reason}", word(receipt, "outcome"), word(receipt, "trigger"));
    }
    text
}

fn module(module: &Value) -> Option<String> {
    let digest: String = module["digest"].as_str()?.chars().take(12).collect();
    let mut text = format!("{} (SHA-256 {digest}...", word(module, "name"));
    if let Some(version) = module["version"].as_str() {
        let _ = write!(text, ", version {version}");
    }
    if let Some(generation) = module["generation"].as_u64() {
        let _ = write!(text, ", generation {generation}");
    }
    Some(text + ")")
}

fn word<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or("?")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_receipt_is_read_from_the_top() {
        let shown = receipt(&json!({
            "id": 3, "domain": "example.com", "trigger": "upload", "outcome": "refused", "step": "rehearse",
            "reason": "fetch: it trapped", "old": {"name": "(built in)", "digest": "0123456789abcdef", "generation": 1},
            "new": {"name": "(uploaded)", "digest": "f".repeat(64), "version": "2.0.0"}, "compile_ms": 120, "code_from": "cache",
            "imports_added": ["wasi:a/b"], "rehearsal": [{"hook": "fetch", "ok": false, "detail": "it trapped"}],
            "shadow": {"calls": 2, "same": 1, "different": 1, "failed": 0, "examples": ["fetch of john: 1 contact; was 2"]},
        }));
        let expected = "\
example.com: refused (upload)
  reason     fetch: it trapped (step rehearse)
  old        (built in) (SHA-256 0123456789ab..., generation 1)
  new        (uploaded) (SHA-256 ffffffffffff..., version 2.0.0)
  code       120 ms, from the cache
  imports +  wasi:a/b
  rehearsed  fetch: FAILED: it trapped
  shadow     2 recorded calls made again: 1 the same, 1 different, 0 failed
             fetch of john: 1 contact; was 2
";
        assert_eq!(shown, expected);
    }

    #[test]
    fn what_is_missing_is_not_shown() {
        assert_eq!(receipt(&json!({})), "?: ? (?)\n");
        assert_eq!(status(&json!({"domain": "a"})), "a\n  serves     \n");
    }
}
