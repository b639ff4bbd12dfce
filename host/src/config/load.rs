//! From a file to a checked [`Config`].

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::de::{DeTable, Deserializer};
use toml::{Table, Value};

use super::error::Problem;
use super::files::why_not;
use super::given::Given;
use super::lines::{Lines, line_of};
use super::raw::RawConfig;
use super::report::{At, Report};
use super::{Config, ConfigError, check_attach, check_compile, check_host, check_limits, check_listeners, check_xmpp};

/// The longest configuration file, bytes.
const MAX_FILE: u64 = 1 << 20;

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
            .map_err(|error| fault(None, why_not(path, &error)))?;
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
        // `message` and not `to_string`: the latter quotes the line, which may hold a password.
        let syntax = |error: toml::de::Error| {
            let line = error.span().map(|span| line_of(text, span.start));
            ConfigError::from(Problem::new(file_name, line, None, error.message().to_owned()))
        };
        let document = DeTable::parse(text).map_err(syntax)?;
        let report = Report::new(file_name, Lines::new(text, document.get_ref()));
        let mut file = Table::deserialize(Deserializer::from(document)).map_err(syntax)?;
        refuse_dates(&mut file, &report.top());
        let file = Given::from(Value::Table(file));
        let mut config = report.top().section(file).map(|raw| convert(raw, &report)).unwrap_or_default();
        config.warnings = report.finish().map_err(ConfigError::new)?;
        Ok(config)
    }
}

/// No key takes a date. Taken out here because reading a table a second time, as nested tables are, makes a text of it.
fn refuse_dates(table: &mut Table, at: &At<'_>) {
    table.retain(|key, value| match value {
        Value::Datetime(date) => {
            at.key(key).problem(format!("{date}: expected no date; a text has to be in quotes"));
            false
        }
        value => {
            refuse_dates_inside(value, &at.key(key));
            true
        }
    });
}

fn refuse_dates_inside(value: &mut Value, at: &At<'_>) {
    match value {
        Value::Table(table) => refuse_dates(table, at),
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                refuse_dates_inside(item, &at.index(index));
            }
        }
        _ => {}
    }
}

fn plugin_state(folder: Given<PathBuf>, at: &At<'_>) -> Option<PathBuf> {
    let off = matches!(&folder, Given::Good(folder) if folder.as_os_str() == "off");
    at.path("plugin_state", folder).filter(|_| !off)
}

fn convert(raw: RawConfig, report: &Report<'_>) -> Config {
    let at = report.top();
    let defaults = Config::default();
    let (log, http, admin, sinks) = check_listeners::all(raw.log, raw.http, raw.admin, raw.sinks, &at);
    let plugin_state = plugin_state(raw.plugin_state, &at);
    let at_compile = at.key("compile");
    let at_xmpp = at.key("xmpp");
    let xmpp = at_xmpp.section(raw.xmpp).map(|raw| check_xmpp::xmpp(raw, &http, &at_xmpp));
    let at_limits = at.key("limits");
    let limits = check_limits::process(at_limits.section(raw.limits).unwrap_or_default(), &at_limits);
    let hosts = check_host::all(raw.host, plugin_state.is_some(), &at.key("host"));
    let at_attach = at.key("attach");
    let taken = [
        ("http.listen", http.listen),
        ("http.tls.listen", http.tls.as_ref().map(|tls| tls.listen)),
        ("admin.listen", admin.listen),
    ];
    let attach = at_attach.section(raw.attach).map(|raw| check_attach::attach(raw, &hosts, &taken, &at_attach));
    check_limits::instances_fit(&limits, &hosts, &at);
    check_limits::bodies_fit(&http, &hosts, &at);
    Config {
        xmpp,
        attach,
        limits,
        shutdown_timeout: at.wait("shutdown_timeout", raw.shutdown_timeout, defaults.shutdown_timeout),
        log,
        http,
        admin,
        sinks,
        plugin_cache: check_compile::cache(raw.plugin_cache, raw.plugin_cache_size, &at),
        compile: check_compile::compile(at_compile.section(raw.compile).unwrap_or_default(), &at_compile),
        hosts,
        plugin_state,
        warnings: Vec::new(),
    }
}
