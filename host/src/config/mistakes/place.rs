//! A place in the file, what stands there, and in which line.

use std::fmt::Display;
use std::path::PathBuf;

use toml::de::{DeTable, DeValue};

use super::error::Problem;
use super::report::Report;

/// A table, a key or an element of the file, also one that could be there and is not.
#[derive(Clone)]
pub(in crate::config) struct At<'f> {
    report: &'f Report<'f>,
    /// The full name, such as `host[0].client`.
    path: String,
    /// Where it stands, or the nearest table around it that is in the file.
    line: Option<usize>,
    value: Option<&'f DeValue<'f>>,
}

impl<'f> At<'f> {
    /// The whole file.
    pub(in crate::config) fn top(report: &'f Report<'f>, document: &'f DeValue<'f>) -> Self {
        Self { report, path: String::new(), line: None, value: Some(document) }
    }

    pub(in crate::config) fn key(&self, key: &str) -> Self {
        let found = self.table().and_then(|table| table.get_key_value(key));
        Self {
            report: self.report,
            path: join(&self.path, key),
            line: found.map(|(key, _)| self.report.line(key.span().start)).or(self.line),
            value: found.map(|(_, value)| value.get_ref()),
        }
    }

    /// A key of a table in a table, such as `http.tls.listen`.
    pub(in crate::config) fn keys(&self, dotted: &str) -> Self {
        dotted.split('.').fold(self.clone(), |at, key| at.key(key))
    }

    pub(in crate::config) fn index(&self, index: usize) -> Self {
        let found = self.value.and_then(DeValue::as_array).and_then(|items| items.get(index));
        Self {
            report: self.report,
            path: format!("{}[{index}]", self.path),
            line: found.map(|item| self.report.line(item.span().start)).or(self.line),
            value: found.map(|item| item.get_ref()),
        }
    }

    /// Whether something stands here, right or wrong.
    pub(in crate::config) fn is_given(&self) -> bool {
        self.value.is_some()
    }

    /// Whether the table that stands here has the key.
    pub(in crate::config) fn has(&self, key: &str) -> bool {
        self.table().is_some_and(|table| table.contains_key(key))
    }

    /// The table that stands here.
    pub(in crate::config) fn table(&self) -> Option<&'f DeTable<'f>> {
        self.value.and_then(DeValue::as_table)
    }

    /// The file of this name; a relative one is taken from the folder of the configuration file.
    pub(in crate::config) fn file(&self, name: PathBuf) -> PathBuf {
        match self.report.file().parent() {
            Some(folder) => folder.join(name),
            None => name,
        }
    }

    /// What stands here, if it is right; if it is wrong, that is a problem.
    pub(in crate::config) fn read<T>(&self, parse: impl FnOnce(&DeValue<'f>) -> Result<T, String>) -> Option<T> {
        let parsed = match self.value? {
            DeValue::Datetime(date) => Err(format!("{date}: expected no date; a text has to be in quotes")),
            value => parse(value),
        };
        parsed.map_err(|reason| self.problem(reason)).ok()
    }

    fn found(&self, reason: impl Display) -> Problem {
        let key = (!self.path.is_empty()).then(|| self.path.clone());
        Problem::new(self.report.file(), self.line, key, reason.to_string())
    }

    /// This is wrong here.
    pub(in crate::config) fn problem(&self, reason: impl Display) {
        self.report.problem(self.found(reason));
    }

    /// This is allowed here but probably not meant.
    pub(in crate::config) fn warn(&self, reason: impl Display) {
        self.report.warn(self.found(reason));
    }
}

/// The full name of `key` in the table `path`; quoted where TOML would need quotes.
fn join(path: &str, key: &str) -> String {
    let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    let dot = if path.is_empty() { "" } else { "." };
    if bare { format!("{path}{dot}{key}") } else { format!("{path}{dot}{key:?}") }
}
