//! Many accounts at once: `user:password` a line. All of them are added, or none.
//!
//! What is wrong is said with the numbers of lines only: a file of another form may have a password anywhere.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{self, IsTerminal as _, Read, Write as _};
use std::path::PathBuf;

use rayon::prelude::*;
use roster_host::model::Username;
use roster_host::text::counted;
use roster_xmpp::accounts::file;
use roster_xmpp::accounts::table::{Account, Table, can_hold};

use super::password::LONGEST;
use crate::Failure;
use crate::progress::Progress;

/// A longer input is something else, bytes.
const LONGEST_INPUT: u64 = 64 << 20;
/// Lines that are named; how many more there are is said.
const NAMED: usize = 10;
/// Passwords hashed, for each core, between two words about how far it is.
const CHUNK: usize = 8;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A file with a line `user:password` for each account; standard input if absent. Lines that are empty or begin with # are
    /// skipped.
    input: Option<PathBuf>,
    /// The file of accounts; made if there is none.
    #[arg(long, short, value_name = "FILE")]
    file: PathBuf,
    /// Give accounts that exist new passwords.
    #[arg(long)]
    replace: bool,
}

/// Nothing was imported.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImportError {
    #[error("say which file to import, or give it on standard input; passwords typed here would be shown")]
    Terminal,
    #[error("{input} cannot be read: {source}")]
    Read { input: String, source: io::Error },
    #[error("{input} is longer than {LONGEST_INPUT} bytes; nothing was imported")]
    TooLong { input: String },
    #[error("{input} has no accounts in it")]
    Empty { input: String },
    #[error("nothing was imported from {input}{}", Named(.problems))]
    Lines { input: String, problems: Vec<(usize, Problem)> },
}

impl ImportError {
    /// The first says what was not done, the others what is wrong with lines.
    pub(crate) fn lines(&self) -> Vec<String> {
        let Self::Lines { input, problems } = self else { return vec![self.to_string()] };
        let all = Named(problems).to_string();
        let mut lines = vec![format!("nothing was imported from {input}")];
        lines.extend(all.lines().skip(1).map(str::to_owned));
        lines
    }
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    #[error("is not UTF-8")]
    NotText,
    #[error("has no colon; expected user:password")]
    NoColon,
    #[error("what is before the colon is not a username (the part of an address before the @)")]
    Name,
    #[error("has no password after the colon")]
    NoPassword,
    #[error("the password is longer than {LONGEST} bytes")]
    LongPassword,
    #[error("is for the same user as line {0}")]
    Twice(usize),
    #[error("the user has an account already; --replace gives it a new password")]
    Exists,
}

/// The first few of them, a line each.
struct Named<'p>(&'p [(usize, Problem)]);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (line, problem) in self.0.iter().take(NAMED) {
            write!(f, "\n  line {line}: {problem}")?;
        }
        match self.0.len().saturating_sub(NAMED) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more lines"),
        }
    }
}

/// Adds them, and says how many.
pub(super) fn import(arguments: &Arguments) -> Result<(), Failure> {
    let (text, input) = read(arguments)?;
    let existing = super::accounts(&arguments.file)?;
    let entries = match entries(&text, |user| !arguments.replace && existing.contains_key(user)) {
        Ok(entries) if entries.is_empty() => return Err(ImportError::Empty { input }.into()),
        Ok(entries) => entries,
        Err(problems) => return Err(ImportError::Lines { input, problems }.into()),
    };
    let disabled = entries.iter().filter(|(user, _)| is_disabled(&existing, user)).count();
    let accounts = hashed(&entries);
    let count = accounts.len();
    file::import(&arguments.file, accounts, arguments.replace)?;
    let mut out = io::stdout().lock();
    writeln!(out, "{} imported", counted(count, "account"))?;
    if disabled > 0 {
        writeln!(out, "{disabled} of them were disabled before, and still are")?;
    }
    Ok(())
}

fn is_disabled(existing: &Table, user: &Username) -> bool {
    existing.get(user).is_some_and(|account| account.disabled)
}

/// What to import, and what to call it.
fn read(arguments: &Arguments) -> Result<(Vec<u8>, String), ImportError> {
    let (reader, input): (Box<dyn Read>, String) = match &arguments.input {
        Some(path) => {
            let input = path.display().to_string();
            let opened = File::open(path).map_err(|source| ImportError::Read { input: input.clone(), source })?;
            (Box::new(opened), input)
        }
        None if io::stdin().is_terminal() => return Err(ImportError::Terminal),
        None => (Box::new(io::stdin()), "standard input".to_owned()),
    };
    let mut text = Vec::new();
    let read = reader.take(LONGEST_INPUT + 1).read_to_end(&mut text);
    read.map_err(|source| ImportError::Read { input: input.clone(), source })?;
    if text.len() as u64 > LONGEST_INPUT {
        return Err(ImportError::TooLong { input });
    }
    Ok((text, input))
}

/// A user and the password.
type Entry<'t> = (Username, &'t str);

/// Users and passwords, in the order of the lines; or all that is wrong.
fn entries(text: &[u8], exists: impl Fn(&Username) -> bool) -> Result<Vec<Entry<'_>>, Vec<(usize, Problem)>> {
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    let (mut entries, mut problems) = (Vec::new(), Vec::new());
    let mut lines: HashMap<Username, usize> = HashMap::new();
    for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.trim_ascii().is_empty() || line.starts_with(b"#") {
            continue;
        }
        let entry = entry(line).and_then(|(user, password)| {
            if exists(&user) {
                return Err(Problem::Exists);
            }
            match lines.insert(user.clone(), number) {
                Some(first) => {
                    lines.insert(user, first);
                    Err(Problem::Twice(first))
                }
                None => Ok((user, password)),
            }
        });
        match entry {
            Ok(entry) => entries.push(entry),
            Err(problem) => problems.push((number, problem)),
        }
    }
    if problems.is_empty() { Ok(entries) } else { Err(problems) }
}

/// A password may have colons in it, a username none (RFC 7622 section 3.3.1).
fn entry(line: &[u8]) -> Result<Entry<'_>, Problem> {
    let line = std::str::from_utf8(line).map_err(|_| Problem::NotText)?;
    let (user, password) = line.split_once(':').ok_or(Problem::NoColon)?;
    let user = Username::new(user).ok().filter(can_hold).ok_or(Problem::Name)?;
    match password.len() {
        0 => Err(Problem::NoPassword),
        length if length > LONGEST => Err(Problem::LongPassword),
        _ => Ok((user, password)),
    }
}

/// What the passwords can be checked with. Milliseconds for each, on every core.
fn hashed(entries: &[Entry<'_>]) -> Vec<(Username, Account)> {
    let mut accounts = Vec::with_capacity(entries.len());
    let progress = Progress::steps(entries.len(), "passwords hashed");
    for chunk in entries.chunks(CHUNK * rayon::current_num_threads()) {
        accounts.par_extend(chunk.par_iter().map(|(user, password)| (user.clone(), Account::new(password))));
        progress.advance(chunk.len());
    }
    accounts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_users_with_passwords_and_what_is_wrong_is_named_by_its_number() {
        let text = "\u{feff}# people\n\njohn:secret\r\nMarie: a:b \n  \nzo\u{eb}:\u{1f600}";
        let found = entries(text.as_bytes(), |_| false)
            .map(|all| all.into_iter().map(|(user, password)| format!("{user}|{password}|")).collect::<Vec<_>>());
        assert_eq!(found, Ok(["john|secret|", "marie| a:b |", "zo\u{eb}|\u{1f600}|"].map(str::to_owned).to_vec()));
        let long = format!("a:{}", "x".repeat(LONGEST + 1));
        for (line, problem) in [
            (&b"secret"[..], Problem::NoColon),
            (b"john:", Problem::NoPassword),
            (b"a b:secret", Problem::Name),
            (b":secret", Problem::Name),
            (b"a@b:secret", Problem::Name),
            (b" # x:secret", Problem::Name),
            (b"john:\xff", Problem::NotText),
            (long.as_bytes(), Problem::LongPassword),
            (b"PAUL:x", Problem::Twice(2)),
            (b"ringo:x", Problem::Exists),
        ] {
            let text = [b"\npaul:x\n", line, b"\ngeorge:y\n"].concat();
            let found = entries(&text, |user| user.as_str() == "ringo");
            assert_eq!(found, Err(vec![(3, problem)]), "{}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn only_the_first_faults_are_named_and_no_password_is() {
        let text = "no colon but a secret\n".repeat(NAMED + 3);
        let problems = entries(text.as_bytes(), |_| false).err().unwrap_or_default();
        let shown = ImportError::Lines { input: "x".to_owned(), problems }.to_string();
        assert_eq!(shown.lines().count(), NAMED + 2, "{shown}");
        assert!(shown.starts_with("nothing was imported from x\n  line 1: has no colon"), "{shown}");
        assert!(shown.ends_with("\n  and 3 more lines") && !shown.contains("secret"), "{shown}");
    }
}
