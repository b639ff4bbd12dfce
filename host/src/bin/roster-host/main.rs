//! The command line of the host. See `roster-host --help`.
//!
//! Without a subcommand it serves: [`serve`] with a configuration, [`demo`] without. [`plugin`] has what plugin authors and
//! operators do with a component, [`fetch`] asks the application once, [`account`] says who may log in,
//! [`attach`] which servers are attached.

mod account;
mod admin;
mod attach;
mod cluster;
mod demo;
mod fetch;
mod out;
mod plugin;
mod serve;
mod shown;
mod wire;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use clap::{Parser, Subcommand};
use roster_host::config::{Config, LogFormat};
use roster_host::plugin::{COMPILER_COMMAND, CompilerTask};
use roster_host::{check, descriptors, logging};

// glibc's keeps what a burst has taken. jemalloc gives what is free back after ten seconds, by a thread of its own.
#[cfg(all(feature = "jemalloc", not(target_env = "msvc")))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The configuration is wrong, or something it names cannot be had.
const EXIT_CONFIG: u8 = 2;
/// Refreshes were cut off at shutdown.
const EXIT_UNFINISHED: u8 = 3;

/// Serves rosters that a web application owns. Without --config: a demo with a sample web application.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// The configuration (TOML); roster-host.example.toml documents every key.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Check the configuration and the plugins it names, say what would listen where, and exit.
    #[arg(long, requires = "config")]
    check_config: bool,
    /// Listen for refresh requests here, or "off" (http.listen).
    #[arg(long, value_name = "ADDRESS:PORT")]
    http_listen: Option<Listen>,
    /// Listen for refresh requests over HTTPS here, or "off" (http.tls.listen); needs [http.tls].
    #[arg(long, value_name = "ADDRESS:PORT", requires = "config")]
    https_listen: Option<Listen>,
    /// Listen for the operator here, or "off" (admin.listen).
    #[arg(long, value_name = "ADDRESS:PORT")]
    admin_listen: Option<Listen>,
    /// Listen for XMPP clients here, or "off" (xmpp.listen).
    #[arg(long, value_name = "ADDRESS:PORT")]
    xmpp_listen: Option<Listen>,
    /// Listen here for XMPP clients that begin with TLS, or "off" (xmpp.tls_listen).
    #[arg(long, value_name = "ADDRESS:PORT")]
    xmpp_tls_listen: Option<Listen>,
    /// Listen here for servers of other make, or "off" (attach.listen).
    #[arg(long, value_name = "ADDRESS:PORT")]
    attach_listen: Option<Listen>,
    /// Where the demo's web application listens.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:5283", conflicts_with = "config")]
    demo_listen: SocketAddr,
    /// The demo's plugin, in the place of the one that is built in; it is swapped when the file changes.
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    demo_plugin: Option<PathBuf>,
    /// What is logged, such as debug (of this program's own parts), or warn,roster_host::http=debug,hyper=debug (log.filter).
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// Log one JSON object a line (log.format).
    #[arg(long)]
    log_json: bool,
}

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

#[derive(Subcommand)]
enum Command {
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
    /// Compile the plugin on standard input: what a host starts another of itself for.
    #[command(name = COMPILER_COMMAND, hide = true)]
    Compile(CompilerTask),
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    // What whoever started this has left open is not for the compilers that it starts; what it opens itself never is.
    close_fds::set_fds_cloexec(3, &[]);
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => out::usage(error, std::env::args_os()).exit(),
    };
    match run(arguments) {
        Ok(code) => code,
        Err(error) => {
            // Standard error may be closed, or a pipe that nobody reads; the exit code says it too.
            let lines = out::lines(&error);
            logging::within(Duration::from_secs(1), move || drop(out::failure(&lines)));
            ExitCode::from(EXIT_CONFIG)
        }
    }
}

fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    if let Some(command) = arguments.command {
        let command = match command {
            // Its limits are to hold from the beginning, so nothing is started before.
            Command::Compile(task) => return Ok(task.run()),
            command => command,
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let code = runtime.block_on(async {
            match command {
                Command::Account(command) => account::run(command),
                Command::Attach(command) => attach::run(command).await,
                Command::Cluster(command) => cluster::run(command).await,
                Command::Fetch(arguments) => fetch::run(arguments).await,
                Command::Plugin(command) => plugin::run(command).await,
                Command::Compile(task) => Ok(task.run()),
            }
        });
        runtime.shutdown_timeout(Duration::from_millis(100));
        return code;
    }
    let mut config = match &arguments.config {
        Some(path) => Config::load(path)?,
        None => demo_defaults()?,
    };
    overrides(&mut config, &arguments)?;
    config.compile.program = Some(this_program()?);
    // Keeps the log's writer: what is still queued is written when it is dropped.
    let _log = logging::start(&config.log)?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    descriptors::raise_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let code = runtime.block_on(async {
        if arguments.check_config {
            check::everything(&config).await?;
            out::text(&roster_host::check::summary(&config))?;
            return Ok(ExitCode::SUCCESS);
        }
        let finished = match &arguments.config {
            Some(_) => serve::serve(&config).await?,
            None => demo::serve(config, arguments.demo_listen, arguments.demo_plugin).await?,
        };
        Ok::<_, Failure>(if finished { ExitCode::SUCCESS } else { ExitCode::from(EXIT_UNFINISHED) })
    })?;
    // Tasks that outlived the deadline must not keep the process.
    runtime.shutdown_timeout(Duration::from_millis(100));
    Ok(code)
}

/// The demo speaks for itself; the log only has what is wrong.
fn demo_defaults() -> Result<Config, Failure> {
    let mut config = Config::default();
    config.log.filter = "warn".to_owned();
    config.xmpp = Some(roster_host::demo::xmpp()?);
    config.admin.upload_token = Some(roster_host::demo::upload_token()?);
    Ok(config)
}

/// What compiles plugins: this program, even if another file has been put in the place of its own since it was started.
fn this_program() -> std::io::Result<PathBuf> {
    let own = Path::new("/proc/self/exe");
    if own.exists() { Ok(own.to_owned()) } else { std::env::current_exe() }
}

fn overrides(config: &mut Config, arguments: &Arguments) -> Result<(), Failure> {
    if let Some(Listen(address)) = arguments.http_listen {
        config.http.listen = address;
    }
    if let Some(Listen(address)) = arguments.https_listen {
        let needs = "--https-listen needs [http.tls] in the configuration";
        match (address, config.http.tls.as_mut()) {
            (_, None) => return Err(needs.into()),
            (Some(address), Some(tls)) => tls.listen = address,
            (None, Some(_)) => config.https_off(),
        }
    }
    if let Some(Listen(address)) = arguments.xmpp_listen {
        config.xmpp.as_mut().ok_or("--xmpp-listen needs [xmpp] in the configuration")?.listen = address;
    }
    if let Some(Listen(address)) = arguments.xmpp_tls_listen {
        config.xmpp.as_mut().ok_or("--xmpp-tls-listen needs [xmpp] in the configuration")?.tls_listen = address;
    }
    if let Some(Listen(address)) = arguments.attach_listen {
        config.attach.as_mut().ok_or("--attach-listen needs [attach] in the configuration")?.listen = address;
    }
    if let Some(Listen(address)) = arguments.admin_listen {
        config.admin.listen = address;
    }
    if let Some(filter) = &arguments.log {
        config.log.filter.clone_from(filter);
    }
    if arguments.log_json {
        config.log.format = LogFormat::Json;
    }
    Ok(())
}
