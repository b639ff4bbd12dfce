//! A password: asked for without showing it, or from a pipe.

use std::io::{BufRead as _, IsTerminal as _, Read as _};

use roster_host::model::Username;

/// RFC 4013 sets no limit; this one keeps a wrong file from being taken for a password.
pub(super) const LONGEST: usize = 1023;

/// There is no password.
#[derive(Debug, thiserror::Error)]
pub(super) enum PasswordError {
    #[error("no password on standard input")]
    None,
    #[error("the password is empty; nothing was changed")]
    Empty,
    #[error("the password is longer than {LONGEST} bytes")]
    TooLong,
    #[error("the password is not UTF-8")]
    NotText,
    #[error("the two passwords are not the same; nothing was changed")]
    Different,
    #[error("the password cannot be read: {0}")]
    Unreadable(std::io::Error),
}

/// The new password of `user`: twice from the terminal, or the first line of standard input if that is none.
pub(super) fn password(user: &Username) -> Result<String, PasswordError> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        let mut line = Vec::new();
        let read = input.lock().take(LONGEST as u64 + 2).read_until(b'\n', &mut line);
        read.map_err(PasswordError::Unreadable)?;
        let line = String::from_utf8(line).map_err(|_| PasswordError::NotText)?;
        let password = line.trim_end_matches(['\r', '\n']);
        return checked(password.to_owned(), PasswordError::None);
    }
    let ask = |prompt: String| rpassword::prompt_password(prompt).map_err(PasswordError::Unreadable);
    let password = checked(ask(format!("New password of {user} (it is not shown): "))?, PasswordError::Empty)?;
    match ask("The same again: ".to_owned())? == password {
        true => Ok(password),
        false => Err(PasswordError::Different),
    }
}

fn checked(password: String, empty: PasswordError) -> Result<String, PasswordError> {
    match password.len() {
        0 => Err(empty),
        length if length > LONGEST => Err(PasswordError::TooLong),
        _ => Ok(password),
    }
}
