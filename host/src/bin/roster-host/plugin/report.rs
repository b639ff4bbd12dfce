//! What `check` found, step by step: for people a table, for programs JSON.

use std::fmt::{self, Display, Formatter};

use roster_host::conformance::CaseResult;
use roster_host::text::escaped;
use serde::Serialize;

/// Failed cases shown; the rest is counted.
const MOST_SHOWN: usize = 20;

/// Every step, in order.
const STEPS: [&str; 7] = ["read", "compile", "interface", "imports", "settings", "rehearse", "cases"];

/// One step of the check.
#[derive(Serialize)]
pub(super) struct Row {
    step: &'static str,
    ok: bool,
    /// Nobody knows whether it is good.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    not_tried: bool,
    detail: String,
}

/// Everything, in order.
#[derive(Serialize)]
pub(super) struct Report {
    plugin: String,
    ok: bool,
    steps: Vec<Row>,
    /// Only the failed ones.
    failed_cases: Vec<CaseResult>,
}

impl Report {
    pub(super) fn new(plugin: String) -> Self {
        Self { plugin, ok: true, steps: Vec::new(), failed_cases: Vec::new() }
    }

    pub(super) fn is_ok(&self) -> bool {
        self.ok
    }

    /// A step that went well.
    pub(super) fn good(&mut self, step: &'static str, detail: impl Into<String>) {
        self.steps.push(Row { step, ok: true, not_tried: false, detail: detail.into() });
    }

    /// A step that was left out, and why.
    pub(super) fn not_tried(&mut self, step: &'static str, detail: impl Into<String>) {
        self.steps.push(Row { step, ok: true, not_tried: true, detail: detail.into() });
    }

    /// A step that did not.
    pub(super) fn bad(&mut self, step: &'static str, detail: impl Display) {
        self.ok = false;
        self.steps.push(Row { step, ok: false, not_tried: false, detail: detail.to_string() });
    }

    /// No more comes: what a failure has kept from being tried is said.
    pub(super) fn finish(&mut self) {
        let Some(failed) = self.steps.iter().find(|row| !row.ok).map(|row| row.step) else { return };
        for step in STEPS {
            if !self.steps.iter().any(|row| row.step == step) {
                self.not_tried(step, format!("{failed} failed"));
            }
        }
    }

    /// The cases of a protocol.
    pub(super) fn cases(&mut self, protocol: &str, results: Vec<CaseResult>) {
        let (left_out, results): (Vec<_>, Vec<_>) = results.into_iter().partition(|result| result.not_tried.is_some());
        let all = results.len();
        self.failed_cases = results.into_iter().filter(|result| result.failure.is_some()).collect();
        let mut detail = format!("{protocol}: {} of {all} passed", all - self.failed_cases.len());
        if let Some(why) = left_out.first().and_then(|result| result.not_tried) {
            detail += &format!("; {} not tried: {why}", left_out.len());
        }
        if self.failed_cases.is_empty() { self.good("cases", detail) } else { self.bad("cases", detail) }
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", escaped(&self.plugin))?;
        for Row { step, ok, not_tried, detail } in &self.steps {
            let how = match (ok, not_tried) {
                (true, true) => "not tried",
                (true, false) => "ok",
                (false, _) => "FAILED",
            };
            writeln!(f, "  {step:<10} {how:<9} {}", escaped(detail))?;
        }
        for CaseResult { file, name, failure, .. } in self.failed_cases.iter().take(MOST_SHOWN) {
            let failure = failure.as_deref().unwrap_or_default();
            writeln!(f, "  {}: {}\n      {}", escaped(file), escaped(name), escaped(failure))?;
        }
        match self.failed_cases.len().saturating_sub(MOST_SHOWN) {
            0 => Ok(()),
            more => writeln!(f, "  and {more} more (--json shows all)"),
        }
    }
}
