//! From a file to a checked [`Config`].

use std::fs;
use std::io::Read;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::files::unreadable;
use super::mistakes::error::Problem;
use super::mistakes::lines::Offsets;
use super::mistakes::place::At;
use super::mistakes::report::Report;
use super::{Config, ConfigError, table};

/// The longest configuration file, bytes.
const MAX_FILE: u64 = 1 << 20;
/// What the parser says of a key that is there twice; where it says so is the key.
const DUPLICATE_KEY: &str = "duplicate key";

impl Config {
    /// Reads and checks a configuration file.
    ///
    /// Files named in it are looked at, and files with secrets are read; relative names are taken from the folder of
    /// `path`.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the file, one line each, with the line and the key's full name.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let fault = |line, reason| ConfigError::from(Problem::new(path, line, None, reason));
        let mut bytes = Vec::new();
        fs::File::open(path)
            .and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes))
            .map_err(|error| fault(None, unreadable(&error)))?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(fault(None, format!("longer than {MAX_FILE} bytes; is this the configuration?")));
        }
        match std::str::from_utf8(&bytes) {
            Ok(text) => Self::parse(text, path),
            Err(error) => {
                let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
                let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
                Err(fault(Some(line), "not UTF-8 text".into()))
            }
        }
    }

    /// Checks the text of a configuration file.
    ///
    /// `file_name` is named in errors, and its folder is where relative names of files start. It need not exist.
    ///
    /// # Errors
    ///
    /// As for [`load`](Self::load).
    ///
    /// ```
    /// use std::path::Path;
    /// use roster_host::config::Config;
    ///
    /// let text = r#"
    /// [[host]]
    /// domain = "example.com"
    /// [host.settings]
    /// http_roster_url = "http://127.0.0.1:8000/contacts/%s"
    /// [host.client]
    /// conect_timeout = "2s"
    /// "#;
    /// let error = Config::parse(text, Path::new("my.toml")).unwrap_err();
    /// assert_eq!(error.to_string(), "my.toml:7: host[0].client.conect_timeout: unknown key; did you mean connect_timeout?");
    /// ```
    pub fn parse(text: &str, file_name: &Path) -> Result<Self, ConfigError> {
        let lines = Offsets::new(text);
        // `message` and not `to_string`: the latter quotes the line, which may hold a password.
        let syntax = |error: toml::de::Error| {
            let line = error.span().map(|span| lines.line(span.start));
            // A key is not a secret, and "duplicate key" says less than which.
            let key = error.span().filter(|_| error.message() == DUPLICATE_KEY).and_then(|span| text.get(span));
            let key = key.map(|key| key.trim_matches(['"', '\'']).to_owned());
            ConfigError::from(Problem::new(file_name, line, key, error.message().to_owned()))
        };
        let document = DeValue::Table(DeTable::parse(text).map_err(syntax)?.into_inner());
        let report = Report::new(file_name, lines);
        let mut config: Self = table::read(&At::top(&report, &document));
        config.warnings = report.finish().map_err(ConfigError::new)?;
        Ok(config)
    }
}
