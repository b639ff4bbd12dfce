//! The text of a file of accounts, and what can be wrong with it.

use std::io;
use std::path::{Path, PathBuf};

use roster_model::{Username, read_text_file};

use super::table::{self, InvalidLine, Table};

/// A longer file is something else, bytes. Room for about 200,000 accounts.
pub(super) const LONGEST_FILE: u64 = 64 << 20;

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AccountsFileError {
    /// It cannot be read.
    #[error("cannot read the accounts in {}: {source}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It cannot be written.
    #[error("cannot write the accounts to {}: {source}", file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no accounts file.
    #[error("{}, line {line}: {reason}", file.display())]
    Line {
        /// The file.
        file: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong with it.
        reason: InvalidLine,
    },
    /// Another process is writing it.
    #[error("the accounts in {} are being changed by another process; try again", file.display())]
    Busy {
        /// The file.
        file: PathBuf,
    },
    /// A name that a line of the file cannot begin with.
    #[error("{user} cannot have an account in a file: a line that begins with # is a comment there")]
    Name {
        /// Who.
        user: Username,
    },
    /// There is such an account already.
    #[error("{user} has an account in {} already", file.display())]
    Exists {
        /// Who.
        user: Username,
        /// The file.
        file: PathBuf,
    },
    /// There is no such account.
    #[error("{user} has no account in {}", file.display())]
    Missing {
        /// Who.
        user: Username,
        /// The file.
        file: PathBuf,
    },
}

pub(super) fn read(file: &Path) -> Result<String, AccountsFileError> {
    let failed = |source| AccountsFileError::Read { file: file.to_owned(), source };
    read_text_file(file, LONGEST_FILE).map_err(failed)
}

pub(super) fn parse(file: &Path, text: &str) -> Result<Table, AccountsFileError> {
    table::parse(text).map_err(|(line, reason)| AccountsFileError::Line { file: file.to_owned(), line, reason })
}
