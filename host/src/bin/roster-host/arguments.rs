//! What may be said on the command line, and which of the forms it comes to.
//!
//! `run`, `check` and `demo` are the program's work. Without a subcommand it does the same, by whether there is a configuration.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Parser, Subcommand};
use clap_complete::Shell;
use roster_host::config::{Config, LogFormat};
use roster_host::plugin::{COMPILER_COMMAND, CompilerTask};

use super::admin::Admin;
use super::{Failure, account, attach, cluster, fetch, plugin};

/// For those who start it from a script.
const AFTER_HELP: &str = "\
Exit codes: 0: done, or stopped by a signal. 2: the arguments or the configuration are wrong, or something they name cannot be \
had. 3: stopped, but not everything that ran was finished (shutdown_timeout). Some subcommands have more; their help says which.

Environment: NO_COLOR: no colours. LISTEN_FDS: sockets that a service manager has opened. NOTIFY_SOCKET: where it is told that \
the host is up. ROSTER_HOST_ADMIN_TOKEN: the admin token, for subcommands that ask a running host.";

/// Serves rosters that a web application owns. Without a subcommand and without --config: a demo with a sample web application.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true, after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    bare: Bare,
}

#[derive(Subcommand)]
enum Command {
    /// Show the host at work: a sample web application, the host, and two users.
    Demo(Demo),
    /// Serve with a configuration.
    Run(Configured),
    /// Check the configuration and the plugins it names, say what would listen where, and exit.
    Check(Configured),
    #[command(flatten)]
    Other(Other),
}

/// The subcommands that serve nobody.
#[derive(Subcommand)]
pub(crate) enum Other {
    /// Look at a plugin, try it, or swap it into a running host.
    #[command(subcommand)]
    Plugin(plugin::Command),
    /// Ask the application once for a user's roster, as a host with this configuration would: what is asked, answered and
    /// made of it. Exit code 0: there is a roster; 1: there is none; 2: the host cannot start with this configuration.
    Fetch(fetch::Arguments),
    /// Say who may log in to the XMPP endpoint.
    #[command(subcommand)]
    Account(account::Command),
    /// Look at the servers of other make that get their rosters from a running host.
    #[command(subcommand)]
    Attach(attach::Command),
    /// The other nodes of a cluster.
    #[command(subcommand)]
    Cluster(cluster::Command),
    /// Have a running host read its configuration again, and say what has come of it. Exit code 0: it is taken over, as far as it can be
    /// without a restart; 1: it is refused, and nothing has changed; 2: the host could not be asked.
    Reload(Admin),
    /// Print what a shell completes this program's arguments with. For bash:
    /// roster-host completions bash > ~/.local/share/bash-completion/completions/roster-host
    Completions {
        /// Which shell.
        shell: Shell,
    },
    /// Write the manual pages into a folder.
    Man {
        /// The folder; it is made if there is none.
        folder: PathBuf,
    },
    /// Compile the plugin on standard input: what a host starts another of itself for.
    #[command(name = COMPILER_COMMAND, hide = true)]
    Compile(CompilerTask),
}

/// The form without a subcommand.
#[derive(clap::Args)]
struct Bare {
    /// The configuration (TOML); roster-host.example.toml documents every key.
    #[arg(long, short, value_name = "FILE", conflicts_with = "of_demo")]
    config: Option<PathBuf>,
    /// Check the configuration and the plugins it names, say what would listen where, and exit.
    #[arg(long, requires = "config")]
    check_config: bool,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    more: OfConfigured,
    #[command(flatten)]
    demo: OfDemo,
}

/// `demo`.
#[derive(clap::Args)]
pub(crate) struct Demo {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(flatten)]
    pub(crate) own: OfDemo,
}

/// `run` and `check`.
#[derive(clap::Args)]
pub(crate) struct Configured {
    /// The configuration (TOML); roster-host.example.toml documents every key.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) config: PathBuf,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    more: OfConfigured,
}

/// What is put over a configuration, or over the demo's.
#[derive(clap::Args)]
#[group(id = "common")]
pub(crate) struct Common {
    /// Listen for refresh requests here, or "off" (http.listen).
    #[arg(long, value_name = "ADDRESS:PORT")]
    http_listen: Option<Listen>,
    /// Listen for the operator here, or "off" (admin.listen).
    #[arg(long, value_name = "ADDRESS:PORT")]
    admin_listen: Option<Listen>,
    /// Listen for XMPP clients here, or "off" (xmpp.listen).
    #[arg(long, value_name = "ADDRESS:PORT")]
    xmpp_listen: Option<Listen>,
    /// Listen here for XMPP clients that begin with TLS, or "off" (xmpp.tls_listen).
    #[arg(long, value_name = "ADDRESS:PORT")]
    xmpp_tls_listen: Option<Listen>,
    /// What is logged, such as debug (of this program's own parts), or warn,roster_host::http=debug,hyper=debug (log.filter).
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// Log one JSON object a line (log.format).
    #[arg(long)]
    log_json: bool,
}

/// What the demo has no use for.
#[derive(clap::Args)]
#[group(id = "of_configured", requires = "config")]
struct OfConfigured {
    /// Listen for refresh requests over HTTPS here, or "off" (http.tls.listen); needs [http.tls].
    #[arg(long, value_name = "ADDRESS:PORT")]
    https_listen: Option<Listen>,
    /// Listen here for servers of other make, or "off" (attach.listen).
    #[arg(long, value_name = "ADDRESS:PORT")]
    attach_listen: Option<Listen>,
}

/// What only the demo has.
#[derive(clap::Args)]
#[group(id = "of_demo", multiple = true)]
pub(crate) struct OfDemo {
    /// Where the demo's web application listens [default: 127.0.0.1:5283].
    #[arg(long, value_name = "ADDRESS:PORT")]
    demo_listen: Option<SocketAddr>,
    /// The demo's plugin, in the place of the one that is built in; it is swapped when the file changes.
    #[arg(long, value_name = "FILE")]
    pub(crate) demo_plugin: Option<PathBuf>,
    /// Open the demo's page in a browser.
    #[arg(long)]
    pub(crate) open: bool,
    /// The demo's ports, five from this one on: refresh requests, the operator, the web application, XMPP clients, XMPP clients
    /// that begin with TLS. 0: whichever are free. Flags that name one address are put over it.
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(..=i64::from(HIGHEST_BASE)))]
    port_base: Option<u16>,
}

/// The ports of the demo.
const DEMO_PORTS: u16 = 5;
const HIGHEST_BASE: u16 = u16::MAX - DEMO_PORTS + 1;
/// Where its web application is if nobody says otherwise.
const DEMO_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5283);

/// Where to listen, or `off`: as the configuration has it.
#[derive(Clone, Copy)]
struct Listen(Option<SocketAddr>);

impl FromStr for Listen {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "off" => Ok(Self(None)),
            _ => text
                .parse()
                .map(|address| Self(Some(address)))
                .map_err(|_| "expected an IP address and a port, such as 127.0.0.1:5280, or off"),
        }
    }
}

/// What is to be done.
pub(crate) enum Form {
    Demo(Demo),
    Run(Configured),
    Check(Configured),
    Other(Other),
}

impl Arguments {
    pub(crate) fn form(self) -> Form {
        let Bare { config, check_config, common, more, demo } = self.bare;
        match (self.command, config) {
            (Some(Command::Demo(demo)), _) => Form::Demo(demo),
            (Some(Command::Run(configured)), _) => Form::Run(configured),
            (Some(Command::Check(configured)), _) => Form::Check(configured),
            (Some(Command::Other(other)), _) => Form::Other(other),
            (None, None) => Form::Demo(Demo { common, own: demo }),
            (None, Some(config)) if check_config => Form::Check(Configured { config, common, more }),
            (None, Some(config)) => Form::Run(Configured { config, common, more }),
        }
    }
}

impl Configured {
    /// The configuration, with what was said over it.
    pub(crate) fn load(&self) -> Result<Config, Failure> {
        let mut config = Config::load(&self.config)?;
        if let Some(Listen(address)) = self.more.https_listen {
            let needs = "--https-listen needs [http.tls] in the configuration";
            match (address, config.http.tls.as_mut()) {
                (_, None) => return Err(needs.into()),
                (Some(address), Some(tls)) => tls.listen = address,
                (None, Some(_)) => config.https_off(),
            }
        }
        if let Some(Listen(address)) = self.more.attach_listen {
            config.attach.as_mut().ok_or("--attach-listen needs [attach] in the configuration")?.listen = address;
        }
        self.common.put_over(&mut config)?;
        Ok(config)
    }
}

impl Demo {
    /// Puts what was said over the demo's own configuration.
    pub(crate) fn put_over(&self, config: &mut Config) -> Result<(), Failure> {
        if let Some(base) = self.own.port_base {
            let [http, admin, _, xmpp, xmpp_tls] = ports(base).map(Some);
            (config.http.listen, config.admin.listen) = (http, admin);
            if let Some(endpoint) = config.xmpp.as_mut() {
                (endpoint.listen, endpoint.tls_listen) = (xmpp, xmpp_tls);
            }
        }
        self.common.put_over(config)
    }

    /// Where its web application listens.
    pub(crate) fn listen(&self) -> SocketAddr {
        let [_, _, application, ..] = self.own.port_base.map_or([DEMO_LISTEN; 5], ports);
        self.own.demo_listen.unwrap_or(application)
    }
}

/// The demo's addresses, in the order of the help of `--port-base`.
fn ports(base: u16) -> [SocketAddr; DEMO_PORTS as usize] {
    [0, 1, 2, 3, 4].map(|n| SocketAddr::from((Ipv4Addr::LOCALHOST, if base == 0 { 0 } else { base.saturating_add(n) })))
}

impl Common {
    fn put_over(&self, config: &mut Config) -> Result<(), Failure> {
        if let Some(Listen(address)) = self.http_listen {
            config.http.listen = address;
        }
        if let Some(Listen(address)) = self.xmpp_listen {
            config.xmpp.as_mut().ok_or("--xmpp-listen needs [xmpp] in the configuration")?.listen = address;
        }
        if let Some(Listen(address)) = self.xmpp_tls_listen {
            config.xmpp.as_mut().ok_or("--xmpp-tls-listen needs [xmpp] in the configuration")?.tls_listen = address;
        }
        if let Some(Listen(address)) = self.admin_listen {
            config.admin.listen = address;
        }
        if let Some(filter) = &self.log {
            config.log.filter.clone_from(filter);
        }
        if self.log_json {
            config.log.format = LogFormat::Json;
        }
        Ok(())
    }
}
