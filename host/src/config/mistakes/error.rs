//! What is wrong with a configuration file, one line for each fault.

use std::fmt;
use std::path::{Path, PathBuf};

/// Everything wrong with a configuration file, at least one [`Problem`]. Displays as one line for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    problems: Vec<Problem>,
}

impl ConfigError {
    pub(in crate::config) fn new(problems: Vec<Problem>) -> Self {
        Self { problems }
    }

    /// The faults, in the order of the file.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl From<Problem> for ConfigError {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem] }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// One fault, displayed as `file:line: key: reason`, on one line and without any secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.line_of_text())]
pub struct Problem {
    file: PathBuf,
    line: Option<usize>,
    key: Option<String>,
    reason: String,
}

impl Problem {
    pub(in crate::config) fn new(file: &Path, line: Option<usize>, key: Option<String>, reason: String) -> Self {
        Self { file: file.to_owned(), line, key, reason }
    }

    /// The configuration file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The line the key stands in, counted from 1. `None` when there is no such line, as for a file that is missing.
    pub fn line(&self) -> Option<usize> {
        self.line
    }

    /// The key's full name, such as `host[0].client.connect_timeout`; of a key that is there twice the last part. `None` when the whole
    /// file is meant.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// What is wrong and what was expected.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    fn line_of_text(&self) -> String {
        let mut text = self.file.display().to_string();
        if let Some(line) = self.line {
            text.push_str(&format!(":{line}"));
        }
        if let Some(key) = &self.key {
            text.push_str(&format!(": {key}"));
        }
        let line = format!("{text}: {}", self.reason);
        // What does something instead of being seen is shown by its number: it could hide the rest, or begin another line.
        let plain = |c: char| c.is_ascii_graphic() || c == ' ' || c.is_alphanumeric();
        line.chars().map(|c| if plain(c) { c.to_string() } else { c.escape_debug().to_string() }).collect()
    }
}

/// A value as it was written, quoted and cut to a readable length, for an error about it.
pub(in crate::config) fn shown(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}...", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}
