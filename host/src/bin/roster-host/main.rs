//! The command line of the host. See `roster-host --help`.
//!
//! [`arguments`] says what may be said. It serves by [`serve`] with a configuration, by [`demo`] without. [`plugin`] has what plugin authors and
//! operators do with a component, [`fetch`] asks the application once, [`account`] says who may log in,
//! [`attach`] which servers are attached. [`packaged`] is what is installed beside the program, [`progress`] what is shown while it takes its
//! time.

mod account;
mod admin;
mod arguments;
mod attach;
mod cluster;
mod demo;
mod fetch;
mod out;
mod packaged;
mod plugin;
mod progress;
mod reload;
mod serve;
mod shown;
mod wire;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;
use roster_host::config::{Config, ConfigError};
use roster_host::reload::{Mistakes, Source};
use roster_host::sockets::InheritedSockets;
use roster_host::{check, descriptors, logging};

use arguments::{Arguments, Configured, Form, Other};
use progress::Progress;

// glibc's keeps what a burst has taken. jemalloc gives what is free back after ten seconds, by a thread of its own.
#[cfg(all(feature = "jemalloc", not(target_env = "msvc")))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The configuration is wrong, or something it names cannot be had.
const EXIT_CONFIG: u8 = 2;
/// Refreshes were cut off at shutdown.
const EXIT_UNFINISHED: u8 = 3;

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
    match arguments.form() {
        // Its limits are to hold from the beginning, so nothing is started before.
        Form::Other(Other::Compile(task)) => Ok(task.run()),
        Form::Other(command) => other(command),
        Form::Check(arguments) => with_log(arguments.load()?, async |config| {
            let progress = Progress::of("checking the configuration, and compiling the plugins it names");
            check::everything(&config).await?;
            drop(progress);
            out::text(&roster_host::check::summary(&config))?;
            Ok(true)
        }),
        Form::Run(arguments) => {
            let given = InheritedSockets::from_environment()?;
            with_log(arguments.load()?, async |config| serve::serve(&config, given, read_again(arguments)).await)
        }
        Form::Demo(arguments) => {
            let given = InheritedSockets::from_environment()?;
            let mut config = demo_defaults()?;
            arguments.put_over(&mut config)?;
            with_log(config, async |config| demo::serve(config, arguments, given).await)
        }
    }
}

/// What serves nobody.
fn other(command: Other) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let code = runtime.block_on(async {
        match command {
            Other::Account(command) => account::run(command),
            Other::Attach(command) => attach::run(command).await,
            Other::Cluster(command) => cluster::run(command).await,
            Other::Fetch(arguments) => fetch::run(arguments).await,
            Other::Plugin(command) => plugin::run(command).await,
            Other::Reload(admin) => reload::run(admin).await,
            Other::Completions { shell } => Ok(packaged::completions(shell).map(|()| ExitCode::SUCCESS)?),
            Other::Man { folder } => Ok(packaged::manual(&folder).map(|()| ExitCode::SUCCESS)?),
            Other::Compile(task) => Ok(task.run()),
        }
    });
    runtime.shutdown_timeout(Duration::from_millis(100));
    code
}

/// Does `work`, which is true if everything that ran was finished, with the log that the configuration asks for.
fn with_log(mut config: Config, work: impl AsyncFnOnce(Config) -> Result<bool, Failure>) -> Result<ExitCode, Failure> {
    config.compile.program = Some(this_program()?);
    // Keeps the log's writer: what is still queued is written when it is dropped.
    let _log = logging::start_on(&config.log, progress::Above)?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    descriptors::raise_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let finished = runtime.block_on(work(config))?;
    // Tasks that outlived the deadline must not keep the process.
    runtime.shutdown_timeout(Duration::from_millis(100));
    Ok(if finished { ExitCode::SUCCESS } else { ExitCode::from(EXIT_UNFINISHED) })
}

/// Reads the configuration once more while the host runs; the flags win over the file as they did at the start.
fn read_again(arguments: Configured) -> Source {
    Arc::new(move || {
        arguments.load().map_err(|error| match error.downcast::<ConfigError>() {
            Ok(error) => Mistakes::from(*error),
            Err(error) => Mistakes(vec![error.to_string()]),
        })
    })
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
