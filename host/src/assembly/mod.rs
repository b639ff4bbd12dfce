//! Puts the rooms together: from a configuration to a host that serves.

pub mod reload;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::collector::Collector;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tracing::{info, warn};

use self::reload::{Deferred, Parts, Reloader, Running, Shown, Source};
use crate::attach::Attach;
use crate::cluster::{Cluster, ClusterError};
use crate::config::{Config, HostConfig};
use crate::http::{App, EndClients, Listening, Readiness, ServeError, Server, VirtualHosts};
use crate::http_client::{ClientBuildError, ClientCollector, Clients, HttpClient};
use crate::metrics::Metrics;
use crate::plugin::{LoadError, PluginEngine, PluginMemory};
use crate::rosters::Rosters;
use crate::sinks::{EventStream, JsonLines, JsonLinesError, RosterSink};
use crate::sockets::{InheritedSockets, Purpose, Sockets, SocketsError};
use crate::swap::{Swapper, Swappers};
use crate::xmpp::{XmppError, XmppServer, XmppSink};

/// What is queued for the sinks may take so long to be written, if the deadline for refreshes is over.
const LAST_WRITES: Duration = Duration::from_secs(3);

/// The host cannot start. Each is one line.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A plugin cannot be used.
    #[error("[[host]] {domain}: {source}")]
    Plugin {
        /// The virtual host.
        domain: String,
        /// Why.
        source: LoadError,
    },
    /// The plugin engine cannot be made.
    #[error(transparent)]
    Engine(LoadError),
    /// An HTTP client cannot be made.
    #[error("[[host]] {domain}: {source}")]
    Client {
        /// The virtual host.
        domain: String,
        /// Why.
        source: ClientBuildError,
    },
    /// A sink cannot be opened.
    #[error(transparent)]
    Sink(#[from] JsonLinesError),
    /// Addresses cannot be listened on.
    #[error(transparent)]
    Sockets(#[from] SocketsError),
    /// A listener cannot be served.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The XMPP endpoint cannot be started.
    #[error(transparent)]
    Xmpp(#[from] XmppError),
    /// NATS cannot be used.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// Nothing to serve.
    #[error("the configuration has no [[host]]")]
    NoHosts,
}

/// A host whose plugins are loaded and whose sockets are bound.
pub struct Host {
    server: Server,
    xmpp: Option<XmppServer>,
    /// As they were at the start.
    rosters: Vec<Arc<Rosters>>,
    /// As they were at the start.
    swappers: Vec<Arc<Swapper>>,
    sinks: Vec<Arc<dyn RosterSink>>,
    metrics: Arc<Metrics>,
    /// Tasks that write what is queued and end when the sinks are closed.
    writers: Vec<JoinHandle<()>>,
    cluster: Option<Arc<Cluster>>,
    reloader: Arc<Reloader>,
}

impl Host {
    /// Listens everywhere and loads everything. `sinks` hear of roster events beside those that are configured. Must be called
    /// within a Tokio runtime of several threads.
    pub async fn start(config: &Config, sinks: Vec<Arc<dyn RosterSink>>) -> Result<Self, StartError> {
        ServeError::if_open(&config.admin)?;
        let sockets = Sockets::open(Purpose::wanted(config), InheritedSockets::default()).await?;
        Self::start_on(sockets, config, sinks).await
    }

    /// The same on sockets that listen already.
    pub async fn start_on(
        sockets: Sockets,
        config: &Config,
        sinks: Vec<Arc<dyn RosterSink>>,
    ) -> Result<Self, StartError> {
        Self::start_reading(sockets, config, sinks, None).await
    }

    /// The same with a configuration that can be read again while the host runs: see [`Reloader`].
    pub async fn start_reading(
        mut sockets: Sockets,
        config: &Config,
        mut sinks: Vec<Arc<dyn RosterSink>>,
        source: Option<Source>,
    ) -> Result<Self, StartError> {
        ServeError::if_open(&config.admin)?;
        let metrics = Metrics::remembering(config.admin.remembered_users);
        let events = Arc::new(EventStream::new(config.admin.event_buffer, config.admin.event_buffer_bytes));
        sinks.push(Arc::clone(&events) as Arc<dyn RosterSink>);
        let mut writers = Vec::new();
        if let Some(json_lines) = &config.sinks.json_lines {
            let (sink, writer) = JsonLines::open(json_lines, &metrics).await?;
            sinks.push(Arc::new(sink));
            writers.push(writer);
        }
        let xmpp_sink = Arc::new(XmppSink::default());
        if config.xmpp.is_some() {
            sinks.push(Arc::clone(&xmpp_sink) as Arc<dyn RosterSink>);
        }
        let attach = config.attach.as_ref().map(|attach| (attach, Attach::new(attach)));
        if let Some((_, attach)) = &attach {
            sinks.push(Arc::clone(attach) as Arc<dyn RosterSink>);
        }
        sinks.iter().for_each(|sink| metrics.sink(sink.name()));
        let mut engine = PluginEngine::configured(config, &config.hosts).map_err(StartError::Engine)?;
        if let Some(cache) = &config.plugin_cache {
            engine = engine.with_cache(cache);
        }
        let (cluster, incoming) = match &config.cluster {
            Some(cluster) => {
                Cluster::connect(cluster).await.map(|(cluster, incoming)| (Some(cluster), Some(incoming)))?
            }
            None => (None, None),
        };
        let parts = Parts {
            engine,
            metrics: Arc::clone(&metrics),
            sinks: sinks.clone(),
            state: config.plugin_state.clone(),
            cluster: cluster.clone(),
        };
        let mut running = Vec::new();
        for (index, host) in config.hosts.iter().enumerate() {
            running.push(parts.start(&parts.engine, host, index).await?);
        }
        let rosters: Vec<_> = running.iter().map(|host| Arc::clone(&host.rosters)).collect();
        let swappers: Vec<_> = running.iter().map(|host| Arc::clone(&host.swapper)).collect();
        let clients = Clients::default();
        let mut collectors: Vec<Box<dyn Collector>> =
            vec![Box::new(ClientCollector::new(Arc::clone(&clients))), Box::new(PluginMemory(parts.engine.clone()))];
        if config.xmpp.is_some() {
            collectors.push(Box::new(xmpp_sink.collector()));
        }
        if let Some((cluster, incoming)) = cluster.as_ref().zip(incoming) {
            cluster.serve(running.iter().filter_map(Running::owned).collect(), incoming);
        }
        collectors.extend(cluster.as_ref().map(|cluster| Box::new(cluster.collector()) as Box<dyn Collector>));
        collectors.extend(attach.as_ref().map(|(_, attach)| Box::new(attach.collector()) as Box<dyn Collector>));
        let hosts = VirtualHosts::new(rosters.clone()).ok_or(StartError::NoHosts)?;
        let (swapping, reload) = (Swappers::default(), Deferred::default());
        let app = App {
            hosts: hosts.clone(),
            swappers: swapping.clone(),
            events,
            metrics: Arc::clone(&metrics),
            readiness: Readiness::default(),
            collectors,
            attached: attach.as_ref().map(|(_, attach)| attach.shown()),
            cluster: cluster.as_ref().map(Cluster::shown),
            clients: config.xmpp.is_some().then(|| end_clients(&xmpp_sink)),
            reload: source.is_some().then(|| reload.action()),
        };
        let mut server = Server::new(&config.http, &config.admin, &mut sockets, app)?;
        if let Some((config_of, attach)) = &attach
            && let Some(apart) =
                attach.listen(sockets.take(Purpose::Attach), config_of, &config.http, &rosters, &metrics)?
        {
            server.serve_apart(apart);
        }
        let xmpp = match &config.xmpp {
            None => None,
            Some(xmpp) => {
                let bound = XmppServer::new(
                    &mut sockets,
                    config,
                    xmpp,
                    (&rosters, cluster.as_ref()),
                    &xmpp_sink,
                    server.tls()?,
                    &metrics,
                )?;
                if let Some((plain, secure)) = bound.websocket(xmpp, server.listening()) {
                    server.serve_beside(plain, secure);
                }
                Some(bound)
            }
        };
        let shown = Shown { hosts, swappers: swapping, clients, settings: Arc::clone(server.settings()) };
        let of_xmpp = config.xmpp.as_ref().zip(xmpp.as_ref());
        let of_xmpp = of_xmpp.map(|(xmpp, server)| server.hosts(xmpp, config, &xmpp_sink));
        let reloader = Reloader::new(source, config, parts, running, shown, of_xmpp);
        reload.set(&reloader);
        swappers.iter().for_each(Swapper::watch);
        Ok(Self { server, xmpp, rosters, swappers, sinks, metrics, writers, cluster, reloader })
    }

    /// Where it listens, with the ports the system chose.
    pub fn listening(&self) -> &Listening {
        self.server.listening()
    }

    /// The XMPP endpoint, if there is one.
    pub fn xmpp(&self) -> Option<&XmppServer> {
        self.xmpp.as_ref()
    }

    /// What reads the configuration again while the host runs.
    pub fn reloader(&self) -> &Arc<Reloader> {
        &self.reloader
    }

    /// The virtual hosts' rosters at the start, in the configuration's order.
    pub fn rosters(&self) -> &[Arc<Rosters>] {
        &self.rosters
    }

    /// What swaps the virtual hosts' plugins at the start, in the configuration's order.
    pub fn swappers(&self) -> &[Arc<Swapper>] {
        &self.swappers
    }

    /// Who is told of roster changes.
    pub fn sinks(&self) -> &[Arc<dyn RosterSink>] {
        &self.sinks
    }

    /// What is counted, and what plugins do at this moment.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Serves until `stop` ends, then accepts nothing new and gives what runs `shutdown_timeout` to finish. True if
    /// everything did.
    pub async fn serve(self, stop: impl Future<Output = ()>) -> bool {
        let Self { server, xmpp, sinks, writers, cluster, reloader, .. } = self;
        let (stop_sender, stopped) = watch::channel(false);
        let mut goodbye = stopped.clone();
        let clients = xmpp.map(|xmpp| {
            // An error says that the sender is gone.
            tokio::spawn(xmpp.serve(async move { drop(goodbye.wait_for(|stop| *stop).await) }))
        });
        let mut serving = tokio::spawn(server.serve(stopped));
        let cut_off = serving.abort_handle();
        tokio::select! {
            () = stop => {}
            // Only a defect ends it before it is told to; then there is nothing left to serve.
            _ = &mut serving => return false,
        }
        let shutdown_timeout = reloader.shutdown_timeout();
        info!(deadline = ?shutdown_timeout, "stopping: running refreshes may finish");
        stop_sender.send_replace(true);
        // A plugin that is being compiled is for nobody any more.
        reloader.swappers().iter().for_each(|swapper| swapper.stop());
        let finish = async move {
            // A server task that panicked has nothing left to finish.
            let _ = serving.await;
            if let Some(clients) = clients {
                let _ = clients.await;
            }
            for one in reloader.hosts().iter() {
                one.idle().await;
            }
            if let Some(cluster) = &cluster {
                cluster.leave().await;
            }
        };
        let deadline = Instant::now() + shutdown_timeout;
        let finished = timeout_at(deadline, finish).await.is_ok();
        if !finished {
            warn!("some refreshes did not finish in time (shutdown_timeout)");
            cut_off.abort();
        }
        for sink in &sinks {
            sink.close();
        }
        // Each gives up by itself when nobody takes what it writes.
        let written = timeout_at(deadline.max(Instant::now() + LAST_WRITES), futures::future::join_all(writers)).await;
        if written.is_err() {
            warn!("some roster events were not written in time (sinks, shutdown_timeout)");
        }
        finished
    }
}

/// How the admin listener ends streams of XMPP clients.
fn end_clients(sink: &Arc<XmppSink>) -> EndClients {
    let sink = Arc::clone(sink);
    Arc::new(move |domain, user, session| sink.dismiss(domain, user, session))
}

/// Loads the plugin of one virtual host, or the last good one in the folder `state`.
pub(crate) async fn load(
    engine: &PluginEngine,
    host: &HostConfig,
    metrics: &Arc<Metrics>,
    state: Option<&Path>,
) -> Result<Arc<Swapper>, StartError> {
    let domain = || host.domain.clone();
    let client = HttpClient::new(&host.client).map_err(|source| StartError::Client { domain: domain(), source })?;
    Swapper::start(engine, host, client, metrics, state)
        .await
        .map_err(|source| StartError::Plugin { domain: domain(), source })
}
