//! Where cases come from: those this program has in it, or files.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use super::case::File;
use crate::model::read_text_file;

/// The longest file of cases that is read, bytes.
const LONGEST: u64 = 16 << 20;

macro_rules! files {
    ($protocol:literal, $($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../conformance/", $protocol, "/", $name, ".json")))),*]
    };
}

/// The protocols that this program knows, each with its files in the order in which they are run.
const BUILT_IN: &[(&str, &[(&str, &str)])] = &[(
    "http-roster-admin",
    files!(
        "http-roster-admin",
        "settings",
        "requests",
        "contacts",
        "contacts-left-out",
        "contacts-mended",
        "answers",
        "refresh",
        "changed-users",
        "summary",
        "bulk",
    ),
)];

/// Cases cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    /// A file or a folder cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// What was to be read.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file is no file of cases.
    #[error("{name}: {reason}")]
    Format {
        /// The file.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A folder without a file of cases.
    #[error("{}: no file that ends with .json", path.display())]
    Empty {
        /// The folder.
        path: PathBuf,
    },
}

/// The cases of one protocol.
#[derive(Debug)]
pub struct Suite {
    pub(super) files: Vec<(String, File)>,
}

impl Suite {
    /// The protocols whose cases are in this program.
    pub fn protocols() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|(protocol, _)| *protocol)
    }

    /// The cases of one of [`Suite::protocols`]; `None` for any other name.
    ///
    /// # Errors
    /// [`SuiteError::Format`]: never in a released program.
    pub fn built_in(protocol: &str) -> Result<Option<Self>, SuiteError> {
        let Some((_, files)) = BUILT_IN.iter().find(|(known, _)| *known == protocol) else { return Ok(None) };
        let files = files.iter().map(|(name, text)| parse((*name).to_owned(), text));
        Ok(Some(Self { files: files.collect::<Result<_, _>>()? }))
    }

    /// The cases in a file, or in all files `*.json` of a folder, by name.
    ///
    /// # Errors
    /// What cannot be read and why.
    pub fn read(path: &Path) -> Result<Self, SuiteError> {
        let failed = |source| SuiteError::Read { path: path.to_owned(), source };
        let mut paths = Vec::new();
        if std::fs::metadata(path).map_err(failed)?.is_dir() {
            for entry in std::fs::read_dir(path).map_err(failed)? {
                let path = entry.map_err(failed)?.path();
                if path.extension().is_some_and(|extension| extension == "json") {
                    paths.push(path);
                }
            }
            paths.sort();
        } else {
            paths.push(path.to_owned());
        }
        if paths.is_empty() {
            return Err(SuiteError::Empty { path: path.to_owned() });
        }
        Ok(Self { files: paths.iter().map(|path| read(path)).collect::<Result<_, _>>()? })
    }

    /// How many cases there are.
    pub fn cases(&self) -> usize {
        self.files.iter().map(|(_, file)| file.cases.len()).sum()
    }

    /// The settings of the first file, for a web application that is not there.
    pub fn settings(&self) -> BTreeMap<String, String> {
        self.files.first().map(|(_, file)| file.settings(None)).unwrap_or_default()
    }

    /// What the files say they are about.
    pub fn protocol(&self) -> &str {
        self.files.first().map_or("", |(_, file)| &file.protocol)
    }
}

fn read(path: &Path) -> Result<(String, File), SuiteError> {
    let failed = |source| SuiteError::Read { path: path.to_owned(), source };
    let text = read_text_file(path, LONGEST).map_err(failed)?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    parse(name, &text)
}

fn parse(name: String, text: &str) -> Result<(String, File), SuiteError> {
    let wrong = |reason: String| SuiteError::Format { name: name.clone(), reason };
    let file: File = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
    let mut names = BTreeSet::new();
    if let Some(twice) = file.cases.iter().find(|case| !names.insert(&case.name)) {
        return Err(wrong(format!("the case {:?} is there twice", twice.name)));
    }
    Ok((name, file))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A file that is not in the list would be run by other hosts and not by this one.
    #[test]
    fn every_file_of_cases_is_in_the_program() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/conformance");
        for protocol in Suite::protocols() {
            let embedded = Suite::built_in(protocol).unwrap().unwrap();
            let mut embedded: Vec<_> = embedded.files.into_iter().map(|(name, _)| name).collect();
            embedded.sort();
            let mut on_disk: Vec<_> =
                Suite::read(&root.join(protocol)).unwrap().files.into_iter().map(|(name, _)| name).collect();
            on_disk.sort();
            assert_eq!(embedded, on_disk, "{protocol}");
        }
    }

    #[test]
    fn the_cases_of_a_protocol_name_it() {
        for protocol in Suite::protocols() {
            for (name, file) in Suite::built_in(protocol).unwrap().unwrap().files {
                assert_eq!(file.protocol, protocol, "{name}");
                assert!(!file.cases.is_empty(), "{name}");
            }
        }
        assert!(Suite::built_in("gopher").unwrap().is_none());
    }

    #[test]
    fn what_is_no_file_of_cases_says_where_it_is_wrong() {
        let file = |cases: &str| format!(r#"{{"protocol": "p", "about": "", "settings": {{}}, "cases": [{cases}]}}"#);
        let case = r#"{"name": "a", "steps": []}"#;
        for (text, says) in [
            (String::new(), "EOF"),
            (file(r#"{"name": "a", "steps": [], "stepz": []}"#), "stepz"),
            (file(r#"{"name": "a", "steps": [{"hook": "dance"}]}"#), "dance"),
            (file(&format!("{case},{case}")), "twice"),
        ] {
            let error = parse("name".to_owned(), &text).unwrap_err().to_string();
            assert!(error.starts_with("name: ") && error.contains(says), "{error}");
        }
        assert!(parse("name".to_owned(), &file(case)).is_ok());
    }
}
