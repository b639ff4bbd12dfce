//! What was left out or mended, for the operator's log: bounded, so that a thousand bad contacts are not a thousand
//! lines.

use serde::{Deserialize, Serialize};

/// How many warnings one answer may cause before they are only counted.
pub const MOST_WARNINGS: usize = 20;

/// A bounded list of warnings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warnings {
    lines: Vec<String>,
    more: usize,
}

impl Warnings {
    /// Adds one line. It is only written if there is room for it.
    #[cold]
    pub fn push(&mut self, line: impl FnOnce() -> String) {
        if self.lines.len() < MOST_WARNINGS {
            self.lines.push(line());
        } else {
            self.more += 1;
        }
    }

    /// Is there nothing to say?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// At most [`MOST_WARNINGS`] lines, and one that says how many more there were.
    #[must_use]
    pub fn into_lines(mut self) -> Vec<String> {
        if self.more > 0 {
            self.lines.push(format!("and {} more", self.more));
        }
        self.lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_bounded_and_the_rest_counted() {
        let mut warnings = Warnings::default();
        for at in 0..MOST_WARNINGS + 3 {
            warnings.push(|| format!("line {at}"));
        }
        let lines = warnings.into_lines();
        assert_eq!(lines.len(), MOST_WARNINGS + 1);
        assert_eq!(lines.last().map(String::as_str), Some("and 3 more"));
    }
}
