//! `roster-host plugin ...`
//!
//! [`new`] writes a project; [`check`], [`test`], [`inspect`] and [`run`] work on a file and need no host; [`admin`] talks to the admin listener of a running
//! one. Exit codes: 0 it is good, or done; 1 it is not, or was refused; 2 it could not be found out; 3 of `check` and
//! `test`: there were no cases to hold it to.

mod admin;
mod check;
mod inspect;
mod new;
mod nodes;
mod receipt;
mod report;
mod run;
mod setup;
mod test;

use std::path::PathBuf;
use std::process::ExitCode;

use roster_host::plugin::BUILT_IN;

use self::check::Checked;
use self::test::Tested;
use super::Failure;

/// The plugin is not good, or the host has refused it.
const EXIT_REFUSED: u8 = 1;
/// Nothing is wrong with it, and there were no cases to hold it to.
const EXIT_NO_CASES: u8 = 3;

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Write a project for a plugin, which builds and passes its check as it is.
    New(new::Arguments),
    /// Compile it, check its types and imports, rehearse it, and hold it to the cases of its protocol. Without a network.
    Check(check::Arguments),
    /// Hold it to cases of your own, without a network. Exit code 0: all passed; 1: one did not; 2: they could not be run; 3: there
    /// is none.
    Test(test::Arguments),
    /// What the file says of itself: imports, exports, version, size, digest, metadata.
    Inspect(inspect::Arguments),
    /// Write the built-in plugin to a file, to look at it, or to compare another with it.
    BuiltIn {
        /// The file; one that is there is replaced.
        file: PathBuf,
    },
    /// Call one hook once and show what it did.
    Run(run::Arguments),
    /// Put this file in the place of the plugin that a running host serves with.
    Swap(admin::SwapArguments),
    /// Let a running host read its plugin's file again.
    Reload(admin::Arguments),
    /// Put back the plugin that served before.
    Rollback(admin::RollbackArguments),
    /// Which plugin a running host serves with, and what has happened.
    Status(admin::Arguments),
}

/// Runs one command.
pub(super) async fn run(command: Command) -> Result<ExitCode, Failure> {
    let good = match command {
        Command::Check(arguments) => match check::check(arguments).await? {
            Checked::Good => true,
            Checked::Bad => false,
            Checked::NoCases => return Ok(ExitCode::from(EXIT_NO_CASES)),
        },
        Command::Test(arguments) => match test::test(arguments).await? {
            Tested::Passed => true,
            Tested::Failed => false,
            Tested::NoCases => return Ok(ExitCode::from(EXIT_NO_CASES)),
        },
        Command::New(arguments) => new::new(arguments)?,
        Command::Inspect(arguments) => inspect::inspect(arguments).await?,
        Command::BuiltIn { file } => {
            std::fs::write(&file, BUILT_IN).map_err(|error| format!("{}: {error}", file.display()))?;
            true
        }
        Command::Run(arguments) => run::run(arguments).await?,
        Command::Swap(arguments) => admin::swap(arguments).await?,
        Command::Reload(arguments) => admin::reload(arguments).await?,
        Command::Rollback(arguments) => admin::roll_back(arguments).await?,
        Command::Status(arguments) => admin::status(arguments).await?,
    };
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(EXIT_REFUSED) })
}
