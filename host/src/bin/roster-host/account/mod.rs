//! Who may log in to the XMPP endpoint: the file that `accounts` of `[[host]]` names.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use roster_host::model::Username;
use roster_xmpp::accounts::file;

use super::Failure;

/// RFC 4013 sets no limit; this one keeps a wrong file from being taken for a password.
const LONGEST_PASSWORD: usize = 1023;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Add an account. The password is read from standard input and is not stored, only what it can be checked with.
    Add {
        /// The part of the address before the @.
        user: String,
        /// The file of accounts; made if there is none.
        #[arg(long, short, value_name = "FILE")]
        file: PathBuf,
        /// Give an account that exists a new password.
        #[arg(long)]
        replace: bool,
    },
    /// Remove an account.
    Remove {
        /// The part of the address before the @.
        user: String,
        /// The file of accounts.
        #[arg(long, short, value_name = "FILE")]
        file: PathBuf,
    },
    /// Say who has an account.
    List {
        /// The file of accounts.
        #[arg(long, short, value_name = "FILE")]
        file: PathBuf,
    },
}

/// Does what `command` says. A running host sees the change by itself.
pub(super) fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Add { user, file, replace } => file::add(&file, &Username::new(&user)?, &password(&user)?, replace)?,
        Command::Remove { user, file } => file::remove(&file, &Username::new(&user)?)?,
        Command::List { file } => {
            for (user, disabled) in file::list(&file)? {
                writeln!(std::io::stdout(), "{user}{}", if disabled { " (disabled)" } else { "" })?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// One line of standard input.
fn password(user: &str) -> Result<String, Failure> {
    let input = std::io::stdin().lock();
    if input.is_terminal() {
        write!(std::io::stderr(), "password of {user} (it shows as you type): ")?;
    }
    let mut line = String::new();
    std::io::Read::take(input, LONGEST_PASSWORD as u64 + 2).read_line(&mut line)?;
    let password = line.trim_end_matches(['\r', '\n']);
    match password.len() {
        0 => Err("no password on standard input".into()),
        length if length > LONGEST_PASSWORD => {
            Err(format!("the password is longer than {LONGEST_PASSWORD} bytes").into())
        }
        _ => Ok(password.to_owned()),
    }
}
