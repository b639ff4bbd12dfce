//! Where the checks put what they find, and the checks that many keys share.

use std::cell::RefCell;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::Secret;
use super::error::Problem;
use super::files::{Kind, open, read_secret};
use super::given::{Given, Section, keys_of};
use super::lines::{Lines, element, join};
use super::value::{SecretText, Size, Whole};

/// More faults than this are not shown: a file that is no configuration at all would fill the terminal.
const MAX_PROBLEMS: usize = 50;
/// Shorter waits than the first cannot be kept, longer ones than the last (a year) overflow clocks.
const WAITS: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(31_557_600);

/// What was found in one file.
pub(super) struct Report<'f> {
    file: &'f Path,
    lines: Lines,
    problems: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Problem>>,
}

impl<'f> Report<'f> {
    pub(super) fn new(file: &'f Path, lines: Lines) -> Self {
        Self { file, lines, problems: RefCell::default(), warnings: RefCell::default() }
    }

    /// The top of the file.
    pub(super) fn top(&self) -> At<'_> {
        At { report: self, path: String::new() }
    }

    /// The warnings, or the faults if there are any; each in the order of the file.
    pub(super) fn finish(self) -> Result<Vec<String>, Vec<Problem>> {
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

/// A place in the file: the table whose keys are being checked, or one key.
#[derive(Clone)]
pub(super) struct At<'r> {
    report: &'r Report<'r>,
    path: String,
}

impl<'r> At<'r> {
    pub(super) fn key(&self, key: &str) -> Self {
        Self { report: self.report, path: join(&self.path, key) }
    }

    pub(super) fn index(&self, index: usize) -> Self {
        Self { report: self.report, path: element(&self.path, index) }
    }

    fn found(&self, reason: impl Display) -> Problem {
        let key = (!self.path.is_empty()).then(|| self.path.clone());
        Problem::new(self.report.file, self.report.lines.of(&self.path), key, reason.to_string())
    }

    /// This is wrong here.
    pub(super) fn problem(&self, reason: impl Display) {
        self.report.problems.borrow_mut().push(self.found(reason));
    }

    /// This is allowed here but probably not meant.
    pub(super) fn warn(&self, reason: impl Display) {
        self.report.warnings.borrow_mut().push(self.found(reason));
    }

    /// The value of this place, if it was given and fits.
    pub(super) fn take<T>(&self, given: Given<T>) -> Option<T> {
        match given {
            Given::Absent => None,
            Given::Good(value) => Some(value),
            Given::Bad(reason) => {
                self.problem(reason);
                None
            }
        }
    }

    /// The value of a key, if it was given and fits.
    pub(super) fn get<T>(&self, key: &str, given: Given<T>) -> Option<T> {
        self.key(key).take(given)
    }

    /// The value of a key that has to be there.
    pub(super) fn required<T>(&self, key: &str, given: Given<T>) -> Option<T> {
        if given.is_absent() {
            self.key(key).problem("is missing");
        }
        self.get(key, given)
    }

    /// The keys of a table, after a look for unknown ones.
    pub(super) fn section<T: DeserializeOwned>(&self, given: Given<Section<T>>) -> Option<T> {
        let section = self.take(given)?;
        for key in &section.unknown {
            self.key(key).problem(unknown(key, keys_of::<T>()));
        }
        Some(section.raw)
    }

    /// The elements of an array that fit.
    pub(super) fn list<T>(&self, key: &str, given: Given<Vec<Given<T>>>) -> Option<Vec<T>> {
        let at = self.key(key);
        let items = at.take(given)?;
        Some(items.into_iter().enumerate().filter_map(|(index, item)| at.index(index).take(item)).collect())
    }

    /// A count within a range.
    pub(super) fn count<N>(&self, key: &str, given: Given<Whole>, default: N, range: RangeInclusive<u64>) -> N
    where
        N: TryFrom<u64>,
    {
        self.get(key, given).and_then(|Whole(number)| self.within(key, number, &range)).unwrap_or(default)
    }

    /// A number of bytes within a range.
    pub(super) fn size(&self, key: &str, given: Given<Size>, default: usize, range: RangeInclusive<u64>) -> usize {
        self.get(key, given).and_then(|Size(bytes)| self.within(key, bytes, &range)).unwrap_or(default)
    }

    fn within<N: TryFrom<u64>>(&self, key: &str, number: u64, range: &RangeInclusive<u64>) -> Option<N> {
        let fits = range.contains(&number).then(|| N::try_from(number).ok()).flatten();
        if fits.is_none() {
            self.key(key).problem(format!("{number}: expected {} to {}", range.start(), range.end()));
        }
        fits
    }

    /// A time to wait, which cannot be zero.
    pub(super) fn wait(&self, key: &str, given: Given<Duration>, default: Duration) -> Duration {
        self.time(key, given, default, *WAITS.start())
    }

    /// A time to wait, zero for not waiting at all.
    pub(super) fn wait_or_zero(&self, key: &str, given: Given<Duration>, default: Duration) -> Duration {
        self.time(key, given, default, Duration::ZERO)
    }

    fn time(&self, key: &str, given: Given<Duration>, default: Duration, least: Duration) -> Duration {
        let Some(time) = self.get(key, given) else { return default };
        if time >= least && time <= *WAITS.end() {
            return time;
        }
        let [time, least, most] = [time, least, *WAITS.end()].map(humantime::format_duration);
        self.key(key).problem(format!("{time}: expected {least} to {most}"));
        default
    }

    /// The name of a file, relative ones taken from the folder of the configuration file.
    pub(super) fn path(&self, key: &str, given: Given<PathBuf>) -> Option<PathBuf> {
        let path = self.get(key, given)?;
        Some(match self.report.file.parent() {
            Some(folder) => folder.join(path),
            None => path,
        })
    }

    /// The name of a file that has to be there and can be read.
    pub(super) fn existing_file(&self, key: &str, given: Given<PathBuf>) -> Option<PathBuf> {
        let path = self.path(key, given)?;
        match open(&path) {
            Ok(_) => Some(path),
            Err(reason) => {
                self.key(key).problem(reason);
                None
            }
        }
    }

    /// A secret that is in the configuration (`key`) or in a file of its own (`key_file`).
    pub(super) fn secret(
        &self,
        key: &str,
        given: Given<SecretText>,
        file: Given<PathBuf>,
        kind: Kind,
    ) -> Option<Secret> {
        let file_key = format!("{key}_file");
        if !given.is_absent() && !file.is_absent() {
            self.key(&file_key).problem(format!("{key} is given too; give one of the two"));
            return None;
        }
        let (at, text) = if file.is_absent() {
            (self.key(key), self.get(key, given)?.0)
        } else {
            let at = self.key(&file_key);
            let path = self.path(&file_key, file)?;
            match read_secret(&path) {
                Ok(text) => (at, text),
                Err(reason) => {
                    at.problem(reason);
                    return None;
                }
            }
        };
        if let Err(reason) = kind.check(&text) {
            at.problem(reason);
            return None;
        }
        Some(Secret::new(text))
    }
}

fn unknown(key: &str, known: &[&str]) -> String {
    // Far-fetched guesses confuse more than they help; and the distance of very long texts takes long to compute.
    const CLOSE_ENOUGH: f64 = 0.6;
    const LONGEST: usize = 64;
    let near = known
        .iter()
        .filter(|_| key.len() <= LONGEST)
        .map(|known| (strsim::normalized_damerau_levenshtein(key, known), known))
        .max_by(|(a, _), (b, _)| a.total_cmp(b));
    match near {
        Some((likeness, near)) if likeness >= CLOSE_ENOUGH => format!("unknown key; did you mean {near}?"),
        _ => format!("unknown key; known here: {}", known.join(", ")),
    }
}

/// A value that must not occur twice, for an error about it.
pub(super) fn twice(value: &impl Display, first: &str) -> String {
    format!("{value}: {first} has it already")
}
