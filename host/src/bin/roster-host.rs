//! The command line of the host. See `roster-host --help`.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use roster_host::config::{Config, LogFormat};
use roster_host::demo::{self, Narrator, WebApp};
use roster_host::model::Username;
use roster_host::rosters::SessionId;
use roster_host::sinks::RosterSink;
use roster_host::{Host, check, logging};
use tokio::signal::unix::{SignalKind, signal};

/// The configuration is wrong, or something it names cannot be had.
const EXIT_CONFIG: u8 = 2;
/// Refreshes were cut off at shutdown.
const EXIT_UNFINISHED: u8 = 3;

/// Serves rosters that a web application owns. Without --config: a demo with a sample web application.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The configuration (TOML); roster-host.example.toml documents every key.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Check the configuration and the plugins it names, say what would listen where, and exit.
    #[arg(long, requires = "config")]
    check_config: bool,
    /// Listen for refresh requests here (http.listen).
    #[arg(long, value_name = "ADDRESS:PORT")]
    http_listen: Option<SocketAddr>,
    /// Listen for refresh requests over HTTPS here (http.tls.listen); needs [http.tls].
    #[arg(long, value_name = "ADDRESS:PORT", requires = "config")]
    https_listen: Option<SocketAddr>,
    /// Listen for the operator here (admin.listen).
    #[arg(long, value_name = "ADDRESS:PORT")]
    admin_listen: Option<SocketAddr>,
    /// Where the demo's web application listens.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:5283", conflicts_with = "config")]
    demo_listen: SocketAddr,
    /// What is logged, such as debug or warn,roster_host::http=debug (log.filter).
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// Log one JSON object a line (log.format).
    #[arg(long)]
    log_json: bool,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(code) => code,
        Err(error) => {
            // Standard error may be closed; the exit code says it too.
            let _ = writeln!(std::io::stderr(), "roster-host: {error}");
            ExitCode::from(EXIT_CONFIG)
        }
    }
}

fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let mut config = match &arguments.config {
        Some(path) => Config::load(path)?,
        None => demo_defaults(),
    };
    overrides(&mut config, &arguments)?;
    // Keeps the log's writer: what is still queued is written when it is dropped.
    let _log = logging::start(&config.log)?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let code = runtime.block_on(async {
        if arguments.check_config {
            check::everything(&config).await?;
            write!(std::io::stdout(), "{}", config.check_summary())?;
            return Ok(ExitCode::SUCCESS);
        }
        let finished = match &arguments.config {
            Some(_) => serve(&config).await?,
            None => serve_demo(config, arguments.demo_listen).await?,
        };
        Ok::<_, Failure>(if finished { ExitCode::SUCCESS } else { ExitCode::from(EXIT_UNFINISHED) })
    })?;
    // Tasks that outlived the deadline must not keep the process.
    runtime.shutdown_timeout(Duration::from_millis(100));
    Ok(code)
}

/// The demo speaks for itself; the log only has what is wrong.
fn demo_defaults() -> Config {
    let mut config = Config::default();
    config.log.filter = "warn".to_owned();
    config
}

fn overrides(config: &mut Config, arguments: &Arguments) -> Result<(), Failure> {
    if let Some(address) = arguments.http_listen {
        config.http.listen = Some(address);
    }
    if let Some(address) = arguments.https_listen {
        let tls = config.http.tls.as_mut().ok_or("--https-listen needs [http.tls] in the configuration")?;
        tls.listen = address;
    }
    if let Some(address) = arguments.admin_listen {
        config.admin.listen = Some(address);
    }
    if let Some(filter) = &arguments.log {
        config.log.filter.clone_from(filter);
    }
    if arguments.log_json {
        config.log.format = LogFormat::Json;
    }
    Ok(())
}

async fn serve(config: &Config) -> Result<bool, Failure> {
    let mut stop = std::pin::pin!(stop_signal()?);
    let host = tokio::select! {
        host = Host::start(config, Vec::new()) => host?,
        () = &mut stop => return Ok(true),
    };
    let listening = host.listening();
    let shown = |address: Option<SocketAddr>| address.map_or_else(|| "off".to_owned(), |address| address.to_string());
    let (http, https) = (shown(listening.refresh_http), shown(listening.refresh_https));
    tracing::info!(http, https, admin = shown(listening.admin), "roster-host is up");
    reload_on_hangup(&host)?;
    Ok(host.serve(stop).await)
}

/// SIGHUP: every virtual host reads its plugin again. What comes of it is in the log and in `GET /plugin`.
fn reload_on_hangup(host: &Host) -> Result<(), Failure> {
    let mut hangup = signal(SignalKind::hangup())?;
    let swappers = host.swappers().to_vec();
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            for swapper in &swappers {
                swapper.reload().await;
            }
        }
    });
    Ok(())
}

async fn serve_demo(mut config: Config, demo_listen: SocketAddr) -> Result<bool, Failure> {
    let stop = stop_signal()?;
    let web_app = WebApp::bind(demo_listen).await?;
    let address = web_app.address();
    demo::configure(&mut config, address)?;
    let host = Host::start(&config, vec![Arc::new(Narrator) as Arc<dyn RosterSink>]).await?;
    let listening = host.listening();
    let (Some(refresh), Some(admin)) = (listening.refresh_http, listening.admin) else {
        return Err("the demo needs both listeners".into());
    };
    web_app.refresh_at(refresh);
    let web_app = tokio::spawn(web_app.serve());
    writeln!(std::io::stdout(), "{}", demo::greeting(address, refresh, admin))?;
    let rosters: Vec<_> = host.rosters().to_vec();
    tokio::spawn(async move {
        for one in &rosters {
            for name in demo::CONNECTED {
                let Ok(user) = Username::new(name) else { continue };
                if let Err(error) = one.connect(&user, SessionId::new("demo")).await {
                    tracing::warn!(%user, %error, "the demo's roster could not be fetched");
                }
            }
        }
    });
    let finished = host.serve(stop).await;
    web_app.abort();
    Ok(finished)
}

/// Ends with the first SIGTERM or SIGINT. A second one ends the process at once.
fn stop_signal() -> Result<impl Future<Output = ()>, Failure> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            std::process::exit(i32::from(EXIT_UNFINISHED));
        });
    })
}
