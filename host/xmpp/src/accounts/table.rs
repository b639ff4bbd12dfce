//! The text of an accounts file.
//!
//! One account per line: the username, then its credentials in the form of RFC 5803, then perhaps the word `disabled`, with
//! white space between. Neither a username (RFC 7622 section 3.3) nor credentials can have any. Lines that are empty or begin
//! with `#` are for people, so no username in a file begins with one. A file edited by hand keeps its order and its comments.

use std::collections::HashMap;
use std::fmt::Write;

use roster_model::Username;

use super::Stored;
use super::credentials::{InvalidCredentials, ScramCredentials, ScramHash};

const DISABLED: &str = "disabled";

/// One account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// At most one for each hash.
    pub credentials: Vec<ScramCredentials>,
    /// It may not log in.
    pub disabled: bool,
}

impl Account {
    /// With a new password: credentials for both hashes.
    ///
    /// Computes for milliseconds.
    pub fn new(password: &str) -> Self {
        let credentials = [ScramHash::Sha256, ScramHash::Sha1].map(|hash| ScramCredentials::new(hash, password)).into();
        Self { credentials, disabled: false }
    }

    /// Those for `hash`.
    pub fn get(&self, hash: ScramHash) -> Option<&ScramCredentials> {
        self.credentials.iter().find(|credentials| credentials.hash == hash)
    }

    /// The strongest there are.
    pub fn strongest(&self) -> Option<&ScramCredentials> {
        self.get(ScramHash::Sha256).or(self.get(ScramHash::Sha1))
    }

    /// What an endpoint has to know for a login with `hash`.
    pub(super) fn stored(&self, hash: ScramHash) -> Option<Stored> {
        Some(Stored { credentials: self.get(hash)?.clone(), disabled: self.disabled })
    }

    fn line(&self, user: &Username) -> String {
        let mut line = user.to_string();
        for credentials in &self.credentials {
            let _ = write!(line, " {credentials}");
        }
        if self.disabled {
            let _ = write!(line, " {DISABLED}");
        }
        line
    }
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLine {
    /// The username.
    #[error("{0}")]
    User(#[from] roster_model::InvalidUsername),
    /// The user is on an earlier line too.
    #[error("{user} is there twice")]
    Twice {
        /// Who.
        user: Username,
    },
    /// The credentials.
    #[error("{user}: {reason}")]
    Credentials {
        /// Whose.
        user: Username,
        /// What is wrong with them.
        reason: InvalidCredentials,
    },
    /// No credentials, or two for one hash.
    #[error("{user}: one or two credentials are expected, each for another hash")]
    Number {
        /// Whose.
        user: Username,
    },
}

/// All accounts of a file.
pub type Table = HashMap<Username, Account>;

/// Reads the text of a file; the number is that of the line, from 1.
pub(super) fn parse(text: &str) -> Result<Table, (usize, InvalidLine)> {
    let mut table = Table::new();
    for (number, line) in text.lines().enumerate() {
        let Some((user, account)) = parse_line(line).map_err(|error| (number + 1, error))? else { continue };
        if table.insert(user.clone(), account).is_some() {
            return Err((number + 1, InvalidLine::Twice { user }));
        }
    }
    Ok(table)
}

fn parse_line(line: &str) -> Result<Option<(Username, Account)>, InvalidLine> {
    let mut words = line.split_ascii_whitespace().peekable();
    let Some(user) = words.next().filter(|word| !word.starts_with('#')) else { return Ok(None) };
    let user = Username::new(user)?;
    let mut account = Account::default();
    while let Some(word) = words.next() {
        if word == DISABLED && words.peek().is_none() {
            account.disabled = true;
            break;
        }
        let credentials: ScramCredentials =
            word.parse().map_err(|reason| InvalidLine::Credentials { user: user.clone(), reason })?;
        if account.get(credentials.hash).is_some() {
            return Err(InvalidLine::Number { user });
        }
        account.credentials.push(credentials);
    }
    if account.credentials.is_empty() {
        return Err(InvalidLine::Number { user });
    }
    Ok(Some((user, account)))
}

/// Accounts to put in or to replace, and (`None`) to take out.
pub(super) type Changes = Vec<(Username, Option<Account>)>;

/// Whether a line of a file can begin with that name.
pub fn can_hold(user: &Username) -> bool {
    !user.as_str().starts_with('#') && !user.as_str().contains(|c: char| c.is_ascii_whitespace())
}

/// The text with these changes. Every other line stays as it is; new accounts come last, in the order given.
pub(super) fn edit(text: &str, changes: Changes) -> String {
    let order: Vec<Username> = changes.iter().map(|(user, _)| user.clone()).collect();
    let mut changes: HashMap<Username, Option<Account>> = changes.into_iter().collect();
    let mut out = String::with_capacity(text.len() + 256 * order.len());
    let mut put = |line: &str| {
        out.push_str(line);
        out.push('\n');
    };
    for line in text.lines() {
        let user = line.split_ascii_whitespace().next().filter(|word| !word.starts_with('#'));
        let user = user.and_then(|word| Username::new(word).ok());
        match user.as_ref().and_then(|user| changes.remove(user)) {
            None => put(line),
            Some(None) => {}
            Some(Some(account)) => user.iter().for_each(|user| put(&account.line(user))),
        }
    }
    for user in order {
        if let Some(Some(account)) = changes.remove(&user) {
            put(&account.line(&user));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SHA_1: &str = "SCRAM-SHA-1$4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE=";

    #[test]
    fn a_file_is_read_and_what_is_wrong_is_named_with_its_line() {
        let table = parse(&format!("# people\n\njohn {SHA_1}\n  Marie\t{SHA_1} disabled\n")).unwrap();
        assert_eq!(table.len(), 2);
        assert!(table.get("marie").unwrap().disabled);
        assert_eq!(table.get("john").unwrap().strongest().unwrap().to_string(), SHA_1);
        for (text, line, message) in [
            (format!("john {SHA_1}\njohn {SHA_1}"), 2, "john is there twice"),
            ("a@b x".to_owned(), 1, "\"a@b\" is not a username"),
            ("\njohn".to_owned(), 2, "john: one or two credentials"),
            (format!("john {SHA_1} {SHA_1}"), 1, "john: one or two credentials"),
            ("john secret".to_owned(), 1, "john: credentials begin with"),
            (format!("john disabled {SHA_1}"), 1, "john: credentials begin with"),
        ] {
            let (found, error) = parse(&text).unwrap_err();
            assert_eq!(found, line, "{text}");
            assert!(error.to_string().contains(message), "{error}");
        }
    }

    #[test]
    fn an_account_is_put_in_replaced_or_taken_out_and_the_rest_stays() {
        let account = parse(&format!("x {SHA_1}")).unwrap().remove("x").unwrap();
        let (john, marie) = (Username::new("john").unwrap(), Username::new("marie").unwrap());
        let off = Account { disabled: true, ..account.clone() };
        let (put, out) = (|user: &Username, account: &Account| (user.clone(), Some(account.clone())), None);
        let text = edit("# people\n", vec![put(&john, &account)]);
        assert_eq!(text, format!("# people\njohn {SHA_1}\n"));
        let zoe = Username::new("zoe").unwrap();
        let text = edit(&text, vec![put(&zoe, &account), put(&john, &off), put(&marie, &account)]);
        assert_eq!(text, format!("# people\njohn {SHA_1} disabled\nzoe {SHA_1}\nmarie {SHA_1}\n"));
        assert_eq!(edit(&text, vec![(john, out.clone()), (marie, out)]), format!("# people\nzoe {SHA_1}\n"));
        assert_eq!(edit("#john x\n\n # y", vec![]), "#john x\n\n # y\n");
    }
}
