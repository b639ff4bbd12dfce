//! What packages have of the command line: completions for shells, and manual pages.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory as _};
use clap_complete::Shell;

use super::arguments::Arguments;

/// What it is installed as.
const PROGRAM: &str = "roster-host";

/// A manual page cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("the manual pages cannot be written to {}: {source}", folder.display())]
pub(crate) struct ManualError {
    folder: PathBuf,
    source: io::Error,
}

/// Prints the completions for a shell.
pub(crate) fn completions(shell: Shell) -> io::Result<()> {
    let all = Arguments::command();
    // The generators do not know what is hidden.
    let shown = all.get_subcommands().filter(|command| !command.is_hide_set()).cloned();
    let mut command = Command::new(PROGRAM).args(all.get_arguments()).groups(all.get_groups()).subcommands(shown);
    // All at once: the generator ends the process if it cannot write.
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command, PROGRAM, &mut text);
    // Of a name with a hyphen clap_complete 4.6 writes two forms for bash, so that no subcommand would be completed.
    let text = String::from_utf8_lossy(&text).replace("roster__subcmd__host", "roster__host");
    io::stdout().write_all(text.as_bytes())
}

/// Writes a page for the program and one for each subcommand, `roster-host-plugin-check.1`, into a folder, which is made.
pub(crate) fn manual(folder: &Path) -> Result<(), ManualError> {
    let failed = |source| ManualError { folder: folder.to_owned(), source };
    std::fs::create_dir_all(folder).map_err(failed)?;
    clap_mangen::generate_to(Arguments::command(), folder).map_err(failed)
}
