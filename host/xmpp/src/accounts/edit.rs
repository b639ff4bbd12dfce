//! What `roster-host account` does with a file of accounts.
//!
//! Each of these reads, changes and replaces the whole file. They may be called side by side, and wait for the disk.

use std::io;
use std::path::Path;

use roster_model::Username;

use super::file_text::{AccountsFileError, LONGEST_FILE, parse, read};
use super::replace::Locked;
use super::table::{self, Account, Table};

/// Adds an account, with a new password; replaces one only if told to, which stays disabled if it is. The file is made if
/// there is none.
///
/// Computes for milliseconds.
pub fn add(file: &Path, user: &Username, password: &str, replace: bool) -> Result<(), AccountsFileError> {
    import(file, vec![(user.clone(), Account::new(password))], replace)
}

/// Adds many accounts, all or none; otherwise like [`add`].
pub fn import(file: &Path, accounts: Vec<(Username, Account)>, replace: bool) -> Result<(), AccountsFileError> {
    change(file, true, |table| {
        let change = |(user, mut account): (Username, Account)| {
            if !table::can_hold(&user) {
                return Err(AccountsFileError::Name { user });
            }
            match table.get(&user) {
                Some(_) if !replace => return Err(AccountsFileError::Exists { user, file: file.to_owned() }),
                Some(old) => account.disabled = old.disabled,
                None => {}
            }
            Ok((user, Some(account)))
        };
        accounts.into_iter().map(change).collect()
    })
}

/// Gives an account that exists a new password. It stays disabled if it is; then the result is true.
///
/// Computes for milliseconds.
pub fn set_password(file: &Path, user: &Username, password: &str) -> Result<bool, AccountsFileError> {
    let new = Account::new(password);
    let mut disabled = false;
    change(file, false, |table| {
        disabled = existing(file, table, user)?.disabled;
        Ok(vec![(user.clone(), Some(Account { disabled, ..new }))])
    })?;
    Ok(disabled)
}

/// Lets nobody log in to an account, or somebody again. The password stays.
pub fn set_disabled(file: &Path, user: &Username, disabled: bool) -> Result<(), AccountsFileError> {
    change(file, false, |table| {
        let account = existing(file, table, user)?.clone();
        Ok(vec![(user.clone(), Some(Account { disabled, ..account }))])
    })
}

/// Removes an account.
pub fn remove(file: &Path, user: &Username) -> Result<(), AccountsFileError> {
    change(file, false, |table| {
        existing(file, table, user)?;
        Ok(vec![(user.clone(), None)])
    })
}

/// Who has an account, in alphabetical order, and whether it is disabled.
pub fn list(file: &Path) -> Result<Vec<(Username, bool)>, AccountsFileError> {
    let mut all: Vec<_> = load(file)?.into_iter().map(|(user, account)| (user, account.disabled)).collect();
    all.sort();
    Ok(all)
}

/// All accounts as they are now.
pub fn load(file: &Path) -> Result<Table, AccountsFileError> {
    parse(file, &read(file)?)
}

fn existing<'t>(file: &Path, table: &'t Table, user: &Username) -> Result<&'t Account, AccountsFileError> {
    table.get(user).ok_or_else(|| AccountsFileError::Missing { user: user.clone(), file: file.to_owned() })
}

/// Makes the changes that `changes` finds for the accounts there are.
fn change(
    file: &Path,
    make: bool,
    changes: impl FnOnce(&Table) -> Result<table::Changes, AccountsFileError>,
) -> Result<(), AccountsFileError> {
    let failed = |source| AccountsFileError::Write { file: file.to_owned(), source };
    let unread = |source| AccountsFileError::Read { file: file.to_owned(), source };
    let locked = Locked::of(file, make).map_err(|error| if make { failed(error) } else { unread(error) })?;
    let locked = locked.ok_or_else(|| AccountsFileError::Busy { file: file.to_owned() })?;
    let text = read(file)?;
    let text = table::edit(&text, changes(&parse(file, &text)?)?);
    if text.len() as u64 > LONGEST_FILE {
        return Err(failed(io::Error::other(format!("it would be longer than {LONGEST_FILE} bytes"))));
    }
    locked.replace(&text).map_err(failed)
}

#[cfg(test)]
mod tests;
