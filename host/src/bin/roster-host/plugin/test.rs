//! `roster-host plugin test`: an author's own cases, and nothing else.

use std::path::PathBuf;

use roster_host::conformance::{self, CaseResult, Suite};
use roster_host::plugin::{PluginSource, Urgency};
use roster_host::text::escaped;
use serde::Serialize;

use super::setup::{Setup, engine};
use crate::progress::Progress;
use crate::{Failure, out};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The component.
    file: PathBuf,
    /// The cases: a file or a folder, see docs/plugins.md.
    #[arg(long, value_name = "PATH")]
    cases: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What came of the cases.
pub(super) enum Tested {
    Passed,
    Failed,
    /// There was none.
    NoCases,
}

/// The cases of one file.
#[derive(Serialize)]
struct FileResult {
    file: String,
    passed: usize,
    failed: Vec<CaseResult>,
    not_tried: Vec<CaseResult>,
}

#[derive(Serialize)]
struct Summary {
    plugin: String,
    passed: usize,
    failed: usize,
    not_tried: usize,
    files: Vec<FileResult>,
}

/// Runs the cases against the component. That neither can be read, or that the component is none that this program runs, is an
/// error: nothing was tested.
pub(super) async fn test(arguments: Arguments) -> Result<Tested, Failure> {
    let suite = Suite::read(&arguments.cases)?;
    let progress = Progress::of("compiling the plugin, and running the cases");
    let (host, compile) = Setup::default().host()?;
    let engine = engine(&host.limits, &compile)?;
    let bytes = PluginSource::File(arguments.file.clone()).read_within(compile.max_component).await?;
    let compiled = engine.compile(&bytes, Urgency::Start).await?;
    let results = conformance::run(&engine, &compiled, &bytes, &host.limits, &suite).await?;

    drop(progress);
    let summary = summary(arguments.file.display().to_string(), results);
    if arguments.json {
        out::json(&summary)?;
    } else {
        out::text(&shown(&summary))?;
    }
    Ok(match (summary.passed, summary.failed) {
        (0, 0) => Tested::NoCases,
        (_, 0) => Tested::Passed,
        _ => Tested::Failed,
    })
}

/// The results of a file come one after another.
fn summary(plugin: String, results: Vec<CaseResult>) -> Summary {
    let mut files: Vec<FileResult> = Vec::new();
    for result in results {
        if files.last().is_none_or(|last| last.file != result.file) {
            files.push(FileResult { file: result.file.clone(), passed: 0, failed: Vec::new(), not_tried: Vec::new() });
        }
        let Some(file) = files.last_mut() else { continue };
        match (&result.not_tried, &result.failure) {
            (Some(_), _) => file.not_tried.push(result),
            (None, Some(_)) => file.failed.push(result),
            (None, None) => file.passed += 1,
        }
    }
    let passed = files.iter().map(|file| file.passed).sum();
    let failed = files.iter().map(|file| file.failed.len()).sum();
    let not_tried = files.iter().map(|file| file.not_tried.len()).sum();
    Summary { plugin, passed, failed, not_tried, files }
}

fn shown(summary: &Summary) -> String {
    let mut text = format!("{}\n", escaped(&summary.plugin));
    for FileResult { file, passed, failed, not_tried } in &summary.files {
        text += &format!("  {}: {passed} of {} passed\n", escaped(file), passed + failed.len());
        for CaseResult { name, failure, .. } in failed {
            let failure = failure.as_deref().unwrap_or_default();
            text += &format!("    FAILED {}\n      {}\n", escaped(name), escaped(failure));
        }
        if let Some(why) = not_tried.first().and_then(|result| result.not_tried) {
            text += &format!("    {} not tried: {why}\n", not_tried.len());
        }
    }
    if summary.files.is_empty() {
        text += "  there is no case in these files: nothing was tested\n";
    }
    text + &format!("{} passed, {} failed\n", summary.passed, summary.failed)
}
