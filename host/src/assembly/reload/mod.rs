//! Another configuration while the host runs: a transaction, as a swap is.
//!
//! 1. The file is read and checked. If anything is wrong with it, all of that is told, and nothing has changed.
//! 2. [`prepare`]: everything else that can fail. The plugin of each virtual host that is new or has another configuration is
//!    loaded, lets its settings be checked and is rehearsed; accounts and sinks are opened. What fails is told in the same way.
//! 3. [`commit`]: what was prepared takes over at once. A virtual host that has another configuration keeps its rosters and its
//!    sessions; one that is gone ends those of its users with a stream error.
//!
//! What a host that runs cannot take over is named in the [`Report`], and stays as it was until the host is started again; so it is
//! named at each reload. Which keys these are, `config` knows ([`Config::changes`]).

mod commit;
mod prepare;
mod report;
mod running;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::FutureExt as _;
use parking_lot::Mutex;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::config::{Change, Config, ConfigError};
use crate::http::{Reload, Settings, VirtualHosts};
use crate::http_client::Clients;
use crate::swap::Swappers;
use crate::xmpp::XmppHosts;

pub use report::{Outcome, Report};
pub(crate) use running::{Parts, Running};

/// A file that does not come, such as a pipe that nobody writes to, holds up later reloads for so long and not for ever.
const READING: Duration = Duration::from_secs(10);

/// Reads the configuration again. The error is the operator's, one line for each mistake.
pub type Source = Arc<dyn Fn() -> Result<Config, Mistakes> + Send + Sync>;

/// What is wrong with a configuration, one line each.
pub struct Mistakes(pub Vec<String>);

impl From<ConfigError> for Mistakes {
    fn from(error: ConfigError) -> Self {
        Self(error.problems().iter().map(ToString::to_string).collect())
    }
}

/// What other rooms see of the virtual hosts.
pub(crate) struct Shown {
    pub(crate) hosts: VirtualHosts,
    pub(crate) swappers: Swappers,
    pub(crate) clients: Clients,
    pub(crate) settings: Arc<Settings>,
}

/// What runs now, and how.
struct State {
    config: Config,
    hosts: Vec<Running>,
}

/// Takes over what has changed in the configuration of a host that runs.
pub struct Reloader {
    source: Option<Source>,
    parts: Parts,
    shown: Shown,
    xmpp: Option<XmppHosts>,
    shutdown_timeout: Mutex<Duration>,
    /// One reload after another.
    state: tokio::sync::Mutex<State>,
}

impl Reloader {
    pub(crate) fn new(
        source: Option<Source>,
        config: &Config,
        parts: Parts,
        hosts: Vec<Running>,
        shown: Shown,
        xmpp: Option<XmppHosts>,
    ) -> Arc<Self> {
        shown.show(&hosts);
        let shutdown_timeout = Mutex::new(config.shutdown_timeout);
        let state = tokio::sync::Mutex::new(State { config: config.clone(), hosts });
        Arc::new(Self { source, parts, shown, xmpp, shutdown_timeout, state })
    }

    /// The virtual hosts' rosters.
    pub fn hosts(&self) -> &VirtualHosts {
        &self.shown.hosts
    }

    /// What swaps the virtual hosts' plugins.
    pub fn swappers(&self) -> &Swappers {
        &self.shown.swappers
    }

    /// How long running refreshes may take to finish when the host stops.
    pub fn shutdown_timeout(&self) -> Duration {
        *self.shutdown_timeout.lock()
    }

    /// Reads the configuration again and takes over what has changed. `None` if there is no file to read again.
    pub async fn reload(&self) -> Option<Report> {
        let source = Arc::clone(self.source.as_ref()?);
        let mut state = self.state.lock().await;
        let refused = |why: String| Report::refused(Vec::new(), vec![why]);
        let report = match timeout(READING, tokio::task::spawn_blocking(move || source())).await {
            Ok(Ok(Ok(config))) => self.take_over(&mut state, config).await,
            Ok(Ok(Err(Mistakes(mistakes)))) => Report::refused(Vec::new(), mistakes),
            Ok(Err(_)) => refused("reading the configuration ended in an internal error".to_owned()),
            Err(_) => refused(format!(
                "the configuration could not be read within {READING:?}; is it, or a file it names, a pipe?"
            )),
        };
        log(&report);
        Some(report)
    }

    async fn take_over(&self, state: &mut State, config: Config) -> Report {
        let changes = state.config.changes(&config);
        let same_order =
            state.hosts.iter().map(|host| &host.config.domain).eq(config.hosts.iter().map(|host| &host.domain));
        if changes.is_empty() && same_order {
            return Report::unchanged(config.warnings);
        }
        match self.prepare(state, &config).await {
            Err(mistakes) => Report::refused(changes, mistakes),
            Ok(prepared) => {
                let mut warnings = config.warnings.clone();
                warnings.extend(prepared.hosts.iter().filter_map(prepare::Host::warning));
                let swaps = self.commit(state, config, prepared).await;
                Report::reloaded(changes, warnings, swaps)
            }
        }
    }
}

impl Shown {
    /// These are the virtual hosts from now on.
    fn show(&self, hosts: &[Running]) {
        let stats = |host: &Running| (Arc::clone(host.rosters.domain()), Arc::clone(host.swapper.client().stats()));
        self.clients.store(Arc::new(hosts.iter().map(stats).collect()));
        self.swappers.replace(hosts.iter().map(|host| Arc::clone(&host.swapper)).collect());
        self.hosts.replace(hosts.iter().map(|host| Arc::clone(&host.rosters)).collect());
    }
}

/// What `/reload` does, which the listener is told before there is a [`Reloader`].
#[derive(Clone, Default)]
pub(crate) struct Deferred(Arc<OnceLock<Arc<Reloader>>>);

impl Deferred {
    pub(crate) fn set(&self, reloader: &Arc<Reloader>) {
        // Set once: a host is put together once.
        let _ = self.0.set(Arc::clone(reloader));
    }

    pub(crate) fn action(&self) -> Reload {
        let this = self.clone();
        Arc::new(move || {
            let reloader = this.0.get().cloned();
            async move { reloader?.reload().await.map(|report| report.answer()) }.boxed()
        })
    }
}

fn log(report: &Report) {
    for mistake in &report.mistakes {
        warn!("the configuration is not taken over: {mistake}");
    }
    for warning in &report.warnings {
        warn!("{warning}");
    }
    for Change { key, old, new, needs_restart } in report.changes() {
        match needs_restart {
            _ if report.outcome == Outcome::Refused => {}
            false => info!(key, old, new, "the configuration has changed"),
            true => warn!(key, old, new, "the configuration has changed; this needs a restart"),
        }
    }
    info!(outcome = report.outcome.name(), changes = report.changes().len(), "the configuration was read again");
}
