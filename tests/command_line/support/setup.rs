//! A folder with a configuration in it.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::program::{Ended, Program, run};
use super::web_app::WebApp;

/// The folder. It is removed when dropped.
pub(crate) struct Setup(TempDir);

impl Setup {
    /// With `roster-host.toml`: `top`, one host for `app`, and `host` after its settings.
    pub(crate) fn new(app: &WebApp, top: &str, host: &str) -> Self {
        Self::with(&format!("{top}\n{}{host}\n", one_host(&app.roster_url())))
    }

    /// With this text as `roster-host.toml`.
    pub(crate) fn with(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("roster-host.toml"), text).unwrap();
        Self(folder)
    }

    /// A file in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The configuration.
    pub(crate) fn config(&self) -> PathBuf {
        self.path("roster-host.toml")
    }

    /// Starts the program with the configuration, on ports that the system picks.
    pub(crate) fn start(&self, more: &[&str]) -> Program {
        self.share_compiled_plugins();
        Program::start(with_config(
            &self.config(),
            &["--http-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"],
            more,
        ))
    }

    /// What one test has had compiled is there for the next, unless the configuration says something else about it.
    fn share_compiled_plugins(&self) {
        let text = fs::read_to_string(self.config()).unwrap();
        if !text.contains("plugin_cache") {
            let folder = concat!(env!("CARGO_TARGET_TMPDIR"), "/compiled-plugins");
            fs::write(self.config(), format!("plugin_cache = '{folder}'\n{text}")).unwrap();
        }
    }

    /// The same by somebody who has left this file open.
    pub(crate) fn start_with_open(&self, file: &Path) -> Program {
        let listen = ["--http-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
        Program::start_with_open(file, with_config(&self.config(), &listen, &[]))
    }

    /// Runs the program with the configuration and these arguments until it ends by itself.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        run(with_config(&self.config(), arguments, &[]))
    }
}

/// The tables of a host, up to its settings.
pub(crate) fn one_host(roster_url: &str) -> String {
    format!("[[host]]\ndomain = 'example.com'\n[host.settings]\nhttp_roster_url = '{roster_url}'\n")
}

fn with_config(config: &Path, arguments: &[&str], more: &[&str]) -> Vec<String> {
    let config = ["--config", config.to_str().unwrap()];
    [&config, arguments, more].concat().into_iter().map(str::to_owned).collect()
}
