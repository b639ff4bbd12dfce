//! What is printed. Whatever is shown of a file, a plugin or an application passes here: none of it can do anything to a terminal.

use std::io::{self, Write as _};

use roster_host::text::{escaped_json, escaped_lines};
use serde::Serialize;

use super::Failure;

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
    writeln!(io::stderr(), "roster-host: {}", escaped_lines(text))
}
