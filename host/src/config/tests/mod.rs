//! The loader as an operator meets it: text in, a configuration or lines about faults out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod any_text;
mod changes;
mod example;
mod faults;
mod files;
mod reference;
mod values;
mod warnings;

use std::path::Path;

use super::{Config, ConfigError};

/// The least there has to be.
const LEAST: &str =
    "[[host]]\ndomain = 'example.com'\nsettings.http_roster_url = 'http://app.example.org/contacts/%s'\n";

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("t.toml"))
}

/// The configuration of `LEAST` with `top` before and `host` after it, which has to be right.
fn good(top: &str, host: &str) -> Config {
    parse(&format!("{top}\n{LEAST}{host}\n")).unwrap_or_else(|error| panic!("{error}"))
}

/// The faults of `LEAST` with `top` before and `host` after it, without file and line.
fn faults(top: &str, host: &str) -> Vec<String> {
    let Err(error) = parse(&format!("{top}\n{LEAST}{host}\n")) else { panic!("no fault in {top:?} {host:?}") };
    error.problems().iter().map(|found| format!("{}: {}", found.key().unwrap_or("-"), found.reason())).collect()
}
