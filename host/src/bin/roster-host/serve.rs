//! The program with a configuration, and what ends any form of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use roster_host::config::Config;
use roster_host::reload::{Outcome, Source};
use roster_host::sockets::{InheritedSockets, Purpose, Sockets};
use roster_host::swap::Swapper;
use roster_host::{Host, descriptors};
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

use super::progress::Progress;
use super::{EXIT_UNFINISHED, Failure};

/// What takes its time before anybody is served.
pub(super) const LOADING: &str = "loading plugins";

/// If all processes of a service are told to stop, a compiler may have heard it before the host: for so long a host that cannot
/// start waits for a word.
const A_MOMENT: Duration = Duration::from_millis(100);

/// Serves until a signal. True if everything that ran was finished.
pub(super) async fn serve(config: &Config, given: InheritedSockets, source: Source) -> Result<bool, Failure> {
    let mut stop = std::pin::pin!(stop_signal()?);
    if let Some(warning) = descriptors::warning(config, descriptors::limit()) {
        tracing::warn!("{warning}");
    }
    let host = tokio::select! {
        biased;
        () = &mut stop => return Ok(true),
        host = start(config, given, source) => host,
    };
    let host = match host {
        Ok(host) => host,
        Err(error) => return tokio::time::timeout(A_MOMENT, stop).await.map(|()| true).map_err(|_| error),
    };
    let listening = host.listening();
    let shown = |address: Option<SocketAddr>| address.map_or_else(|| "off".to_owned(), |address| address.to_string());
    let (http, https) = (shown(listening.refresh_http), shown(listening.refresh_https));
    let xmpp = |tls| shown(host.xmpp().and_then(|endpoint| endpoint.address(tls)));
    let (xmpp, xmpps) = (xmpp(false), xmpp(true));
    tracing::info!(
        http,
        https,
        admin = shown(listening.admin),
        attach = shown(listening.attach),
        xmpp,
        xmpps,
        "roster-host is up"
    );
    reload_on_hangup(&host)?;
    tell_service_manager(&NotifyState::Ready);
    let stop = async move {
        stop.await;
        tell_service_manager(&NotifyState::Stopping);
    };
    Ok(host.serve(stop).await)
}

/// Whoever orders one service after another, or waits for an upgrade, waits for this. Without a service manager nobody is told.
fn tell_service_manager(state: &NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(std::slice::from_ref(state)) {
        tracing::warn!(%error, "the service manager cannot be told (NOTIFY_SOCKET)");
    }
}

async fn start(config: &Config, given: InheritedSockets, source: Source) -> Result<Host, Failure> {
    let sockets = Sockets::open(Purpose::wanted(config), given).await?;
    let _progress = Progress::of(LOADING);
    Ok(Host::start_reading(sockets, config, Vec::new(), Some(source)).await?)
}

/// SIGHUP: the sinks open their files anew, the configuration is read again, and then, unless it was refused, every virtual host's plugin. What comes of it
/// is in the log and in `GET /plugin`.
fn reload_on_hangup(host: &Host) -> Result<(), Failure> {
    let mut hangup = signal(SignalKind::hangup())?;
    let (reloader, sinks) = (Arc::clone(host.reloader()), host.sinks().to_vec());
    tokio::spawn(async move {
        let mut plugins = BTreeMap::new();
        while hangup.recv().await.is_some() {
            sinks.iter().for_each(|sink| sink.reopen());
            // A bad file changes nothing, plugins included.
            if reloader.reload().await.is_some_and(|report| report.outcome == Outcome::Refused) {
                continue;
            }
            let known = std::mem::take(&mut plugins);
            for swapper in reloader.swappers().iter() {
                let domain = swapper.domain().to_owned();
                let same = known.get(&domain).filter(|(one, _): &&Plugin| Arc::ptr_eq(one, &swapper)).cloned();
                let plugin = same.unwrap_or_else(|| (Arc::clone(&swapper), reload_when_told(swapper)));
                plugin.1.notify_one();
                plugins.insert(domain, plugin);
            }
        }
    });
    Ok(())
}

/// What swaps a plugin, and what tells it to read it again.
type Plugin = (Arc<Swapper>, Arc<Notify>);

/// A plugin takes its time, and nobody is to wait for another's. What is asked for meanwhile is one reload more.
fn reload_when_told(swapper: Arc<Swapper>) -> Arc<Notify> {
    let wanted = Arc::new(Notify::new());
    let told = Arc::clone(&wanted);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = told.notified() => {}
                () = swapper.stopped() => return,
            }
            swapper.reload().await;
        }
    });
    wanted
}

/// Ends with the first SIGTERM or SIGINT. A second one ends the process at once.
pub(super) fn stop_signal() -> Result<impl Future<Output = ()>, Failure> {
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
