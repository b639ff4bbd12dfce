//! Who may log in to the XMPP endpoint: the file that `accounts` of `[[host]]` names.
//!
//! [`password`] reads one without showing it, [`import`] reads many accounts at once.

mod import;
mod password;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use roster_host::model::Username;
use roster_host::text::escaped;
use roster_xmpp::accounts::file::{self, AccountsFileError};
use roster_xmpp::accounts::table::Table;

use super::Failure;
pub(super) use import::ImportError;
use password::password;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Add an account. The password is asked for, or is the first line of standard input, and is not stored, only what it can be
    /// checked with.
    Add {
        #[command(flatten)]
        who: Who,
        /// Give an account that exists a new password.
        #[arg(long)]
        replace: bool,
    },
    /// Give an account a new password.
    Passwd(Who),
    /// Let nobody log in to an account any more, and end its sessions. Its password stays.
    Disable(Who),
    /// Undo disable.
    Enable(Who),
    /// Remove an account, and end its sessions.
    Remove(Who),
    /// Say who has an account.
    List {
        /// The file of accounts.
        #[arg(long, short, value_name = "FILE")]
        file: PathBuf,
    },
    /// Add many accounts, all of them or none.
    Import(import::Arguments),
}

#[derive(clap::Args)]
pub(super) struct Who {
    /// The part of the address before the @.
    user: String,
    /// The file of accounts; `add` makes it if there is none.
    #[arg(long, short, value_name = "FILE")]
    file: PathBuf,
}

/// Does what `command` says. A running host sees the change by itself.
pub(super) fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Add { who: Who { user, file }, replace } => {
            let user = Username::new(&user)?;
            let old = accounts(&file)?.remove(user.as_str());
            if old.is_some() && !replace {
                return Err(AccountsFileError::Exists { user, file }.into());
            }
            file::add(&file, &user, &password(&user)?, replace)?;
            if old.is_some_and(|account| account.disabled) {
                say_disabled(&user, &file)?;
            }
        }
        Command::Passwd(Who { user, file }) => {
            let user = Username::new(&user)?;
            if !file::load(&file)?.contains_key(&user) {
                return Err(AccountsFileError::Missing { user, file }.into());
            }
            if file::set_password(&file, &user, &password(&user)?)? {
                say_disabled(&user, &file)?;
            }
        }
        Command::Disable(Who { user, file }) => file::set_disabled(&file, &Username::new(&user)?, true)?,
        Command::Enable(Who { user, file }) => file::set_disabled(&file, &Username::new(&user)?, false)?,
        Command::Remove(Who { user, file }) => file::remove(&file, &Username::new(&user)?)?,
        Command::List { file } => {
            let mut out = std::io::stdout().lock();
            for (user, disabled) in file::list(&file)? {
                writeln!(out, "{user}{}", if disabled { " (disabled)" } else { "" })?;
            }
        }
        Command::Import(arguments) => import::import(&arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Who has an account; nobody if there is no file yet.
fn accounts(file: &Path) -> Result<Table, AccountsFileError> {
    match file::load(file) {
        Err(AccountsFileError::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            Ok(Table::default())
        }
        loaded => loaded,
    }
}

fn say_disabled(user: &Username, file: &Path) -> Result<(), Failure> {
    let file = file.display().to_string();
    let file = escaped(&file);
    Ok(writeln!(
        std::io::stdout(),
        "{user} has a new password and is still disabled; roster-host account enable {user} --file {file} ends that"
    )?)
}
