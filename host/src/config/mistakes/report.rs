//! Where the checks put what they find.

use std::cell::RefCell;
use std::path::Path;

use super::error::Problem;
use super::lines::Offsets;

/// More faults than this are not shown: a file that is no configuration at all would fill the terminal.
const MAX_PROBLEMS: usize = 50;

/// What was found in one file.
pub(in crate::config) struct Report<'f> {
    file: &'f Path,
    lines: Offsets,
    problems: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Problem>>,
}

impl<'f> Report<'f> {
    pub(in crate::config) fn new(file: &'f Path, lines: Offsets) -> Self {
        Self { file, lines, problems: RefCell::default(), warnings: RefCell::default() }
    }

    pub(in crate::config) fn file(&self) -> &'f Path {
        self.file
    }

    pub(in crate::config) fn line(&self, offset: usize) -> usize {
        self.lines.line(offset)
    }

    pub(in crate::config) fn problem(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    pub(in crate::config) fn warn(&self, warning: Problem) {
        self.warnings.borrow_mut().push(warning);
    }

    /// The warnings, or the faults if there are any; each in the order of the file.
    pub(in crate::config) fn finish(self) -> Result<Vec<String>, Vec<Problem>> {
        let mut problems = self.problems.into_inner();
        if problems.is_empty() {
            let mut warnings = self.warnings.into_inner();
            warnings.sort_by_key(Problem::line);
            return Ok(warnings.iter().map(ToString::to_string).collect());
        }
        problems.sort_by_key(Problem::line);
        let more = problems.len().saturating_sub(MAX_PROBLEMS);
        problems.truncate(MAX_PROBLEMS);
        if more > 0 {
            problems.push(Problem::new(self.file, None, None, format!("and {more} more")));
        }
        Err(problems)
    }
}
