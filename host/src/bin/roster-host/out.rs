//! What is printed. Whatever is shown of a file, a plugin or an application passes here: none of it can do anything to a terminal.

use std::ffi::OsString;
use std::io::{self, Write as _};

use anstyle::{AnsiColor, Style};
use clap::Parser as _;
use roster_host::StartError;
use roster_host::config::{ConfigError, Problem};
use roster_host::sockets::SocketsError;
use roster_host::text::{escaped, escaped_json, escaped_lines};
use serde::Serialize;

use super::account::ImportError;
use super::demo::Taken;
use super::{Arguments, Failure};

const BAD: Style = AnsiColor::Red.on_default().bold();
const DOUBTFUL: Style = AnsiColor::Yellow.on_default().bold();
const GOOD: Style = AnsiColor::Green.on_default();

/// Words that say how something went, where they are the first or the second of a line.
const VERDICTS: [(&str, Style); 6] =
    [("FAILED", BAD), ("error:", BAD), ("refused", BAD), ("warning:", DOUBTFUL), ("not tried", DOUBTFUL), ("ok", GOOD)];

/// A line in three, with the style of the second.
fn verdict(line: &str) -> Option<(&str, &str, &str, Style)> {
    let first = line.len() - line.trim_start().len();
    let (_, rest) = line.split_at_checked(first)?;
    let second =
        rest.find(' ').map(|end| first + end + rest.get(end..).map_or(0, |gap| gap.len() - gap.trim_start().len()));
    [Some(first), second].into_iter().flatten().find_map(|at| {
        let (before, rest) = line.split_at_checked(at)?;
        let (word, style) = VERDICTS.into_iter().find(|(word, _)| {
            rest.strip_prefix(word).is_some_and(|after| after.is_empty() || after.starts_with([' ', '\n']))
        })?;
        let (word, after) = rest.split_at_checked(word.len())?;
        Some((before, word, after, style))
    })
}

/// Prints lines.
pub(crate) fn text(text: &str) -> io::Result<()> {
    let shown = escaped_lines(text);
    let mut out = anstream::stdout();
    for line in shown.split_inclusive('\n') {
        // Plain where it goes to a file, or NO_COLOR is set.
        match verdict(line) {
            Some((before, word, after, style)) => write!(out, "{before}{style}{word}{style:#}{after}")?,
            None => out.write_all(line.as_bytes())?,
        }
    }
    out.flush()
}

/// Prints a document.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let document = serde_json::to_string_pretty(value)? + "\n";
    Ok(io::stdout().write_all(escaped_json(&document).as_bytes())?)
}

/// Prints a line to standard error.
pub(crate) fn complaint(text: &str) -> io::Result<()> {
    writeln!(anstream::stderr(), "{BAD}roster-host:{BAD:#} {}", escaped(text))
}

/// Prints what went wrong to standard error. A line, for it may name a file or an argument with a line break in it; [`lines`]
/// says of what there are several.
pub(crate) fn failure(lines: &[String]) -> io::Result<()> {
    let lines: Vec<_> = lines.iter().map(|line| escaped(line)).collect();
    writeln!(anstream::stderr(), "{BAD}roster-host:{BAD:#} {}", lines.join("\n"))
}

/// The lines of it: of a configuration, of an import and of ports that are taken there is one for each fault.
pub(crate) fn lines(failure: &Failure) -> Vec<String> {
    if let Some(config) = failure.downcast_ref::<ConfigError>() {
        return config.problems().iter().map(Problem::to_string).collect();
    }
    if let Some(StartError::Sockets(taken)) = failure.downcast_ref() {
        return taken.lines();
    }
    if let Some(taken) = failure.downcast_ref::<SocketsError>() {
        return taken.lines();
    }
    if let Some(Taken(lines)) = failure.downcast_ref() {
        return lines.clone();
    }
    match failure.downcast_ref::<ImportError>() {
        Some(import) => import.lines(),
        None => vec![failure.to_string()],
    }
}

/// What is wrong with the arguments, which is for people: clap shows them as they are, so it is given them as they may be shown.
pub(crate) fn usage(error: clap::Error, arguments: impl Iterator<Item = OsString>) -> clap::Error {
    let shown = arguments.map(|argument| escaped(&argument.to_string_lossy()).into_owned());
    Arguments::try_parse_from(shown).err().unwrap_or(error)
}
