//! What is printed. Whatever is shown of a file, a plugin or an application passes here: none of it can do anything to a terminal.

use std::ffi::OsString;
use std::io::{self, Write as _};

use clap::Parser as _;
use roster_host::StartError;
use roster_host::config::{ConfigError, Problem};
use roster_host::sockets::SocketsError;
use roster_host::text::{escaped, escaped_json, escaped_lines};
use serde::Serialize;

use super::account::ImportError;
use super::demo::Taken;
use super::{Arguments, Failure};

/// Prints lines.
pub(crate) fn text(text: &str) -> io::Result<()> {
    io::stdout().write_all(escaped_lines(text).as_bytes())
}

/// Prints a document.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let document = serde_json::to_string_pretty(value)? + "\n";
    Ok(io::stdout().write_all(escaped_json(&document).as_bytes())?)
}

/// Prints a line to standard error.
pub(crate) fn complaint(text: &str) -> io::Result<()> {
    writeln!(io::stderr(), "roster-host: {}", escaped(text))
}

/// Prints what went wrong to standard error. A line, for it may name a file or an argument with a line break in it; [`lines`]
/// says of what there are several.
pub(crate) fn failure(lines: &[String]) -> io::Result<()> {
    let lines: Vec<_> = lines.iter().map(|line| escaped(line)).collect();
    writeln!(io::stderr(), "roster-host: {}", lines.join("\n"))
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
