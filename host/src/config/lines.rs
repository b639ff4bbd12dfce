//! In which line of the file a key stands.

use std::collections::HashMap;

use toml::de::{DeTable, DeValue};

/// Below a longer name lines are not looked for.
const LONGEST: usize = 1000;

/// The lines of a text, found by byte offset.
struct Offsets(Vec<usize>);

impl Offsets {
    fn new(text: &str) -> Self {
        Self(text.bytes().enumerate().filter_map(|(at, byte)| (byte == b'\n').then_some(at)).collect())
    }

    fn line(&self, offset: usize) -> usize {
        1 + self.0.partition_point(|newline| *newline < offset)
    }
}

/// The line of a byte offset, counted from 1.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    Offsets::new(text).line(offset)
}

/// The line of every key of a file, by the key's full name.
#[derive(Default)]
pub(super) struct Lines(HashMap<String, usize>);

impl Lines {
    pub(super) fn new(text: &str, document: &DeTable<'_>) -> Self {
        let mut lines = Self::default();
        lines.add_table(&Offsets::new(text), document, "");
        lines
    }

    /// The line of `key`, or of the nearest table around it that is in the file.
    pub(super) fn of(&self, key: &str) -> Option<usize> {
        let mut name = key;
        loop {
            if let Some(line) = self.0.get(name) {
                return Some(*line);
            }
            name = name.get(..name.rfind(['.', '['])?)?;
        }
    }

    fn add_table(&mut self, offsets: &Offsets, table: &DeTable<'_>, path: &str) {
        for (key, value) in table {
            let name = join(path, key.get_ref());
            self.0.insert(name.clone(), offsets.line(key.span().start));
            // No real key is that long, and a long one repeated in the name of each key below it fills the memory.
            if name.len() <= LONGEST {
                self.add_inside(offsets, value.get_ref(), &name);
            }
        }
    }

    fn add_inside(&mut self, offsets: &Offsets, value: &DeValue<'_>, name: &str) {
        match value {
            DeValue::Table(table) => self.add_table(offsets, table, name),
            DeValue::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    let name = element(name, index);
                    self.0.insert(name.clone(), offsets.line(item.span().start));
                    self.add_inside(offsets, item.get_ref(), &name);
                }
            }
            _ => {}
        }
    }
}

/// The full name of `key` in the table `path`; quoted where TOML would need quotes.
pub(super) fn join(path: &str, key: &str) -> String {
    let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    let dot = if path.is_empty() { "" } else { "." };
    if bare { format!("{path}{dot}{key}") } else { format!("{path}{dot}{key:?}") }
}

/// The full name of an element of the array `path`.
pub(super) fn element(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}
