//! What `check` and `run` need before they can begin: settings, limits, an engine.

use std::path::PathBuf;
use std::time::Duration;

use roster_host::config::{CompileConfig, Config, HostConfig, LimitsConfig};
use roster_host::plugin::{EngineSize, LoadError, PluginEngine};
use roster_jid::DomainName;

use crate::{Failure, this_program};

/// What compiling may take without a configuration. On a machine that is busy with other builds the time that passes says nothing
/// of a plugin; what it may compute (`compile.cpu_time`) is the same as in a host.
const COMPILE_TIMEOUT: Duration = Duration::from_secs(600);

/// Where settings and limits come from.
#[derive(Default, clap::Args)]
pub(super) struct Setup {
    /// A setting of the plugin; may be given several times.
    #[arg(long = "setting", value_name = "KEY=VALUE", value_parser = pair)]
    settings: Vec<(String, String)>,
    /// Take settings, limits and domain from a virtual host of this configuration; --setting is put over them.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Which one; the first if absent. Without --config: the XMPP domain, example.com if absent.
    #[arg(long)]
    domain: Option<DomainName>,
}

impl Setup {
    /// There is a configuration, which says where requests may go.
    pub(super) fn is_configured(&self) -> bool {
        self.config.is_some()
    }

    /// The virtual host that the plugin is tried for, and what compiling it may cost.
    pub(super) fn host(&self) -> Result<(HostConfig, CompileConfig), Failure> {
        let (mut host, mut compile) = match &self.config {
            Some(path) => {
                let config = Config::load(path)?;
                let wanted =
                    |host: &HostConfig| self.domain.as_ref().is_none_or(|domain| domain.as_str() == host.domain);
                let found = config.hosts.into_iter().find(wanted);
                (found.ok_or_else(|| format!("{}: no such [[host]]", path.display()))?, config.compile)
            }
            None => {
                let domain = self.domain.as_ref().map_or("example.com", DomainName::as_str).to_owned();
                let compile = CompileConfig { timeout: COMPILE_TIMEOUT, ..CompileConfig::default() };
                (HostConfig { domain, ..HostConfig::default() }, compile)
            }
        };
        host.settings.extend(self.settings.iter().cloned());
        compile.program = Some(this_program()?);
        Ok((host, compile))
    }
}

/// An engine for a few calls at a time.
pub(super) fn engine(limits: &LimitsConfig, compile: &CompileConfig) -> Result<PluginEngine, LoadError> {
    Ok(PluginEngine::new(EngineSize { instances: 8, memory: limits.max_memory })?.with_compiler(compile))
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}
