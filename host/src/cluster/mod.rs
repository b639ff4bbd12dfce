//! Several nodes that serve the same virtual hosts. NATS carries what they say to each other (`docs/cluster.md`).
//!
//! Each user's roster has one *owner*, a node that follows from the list of live nodes ([`view`]). The owner asks the application,
//! as a host alone does, with [`crate::rosters`] of its own. The other nodes are to it what sessions are to a host: it knows which
//! of them have the user ([`owner::registry`]) and tells them of changes ([`owner::deliver`]). A node where the user is logged in asks the owner
//! in the place of the application ([`holder`]), and its own `rosters` do the rest: versions, sessions, sinks.
//!
//! - [`membership`] says who is live, and whether this node may act; [`keep`] keeps it up to date
//! - [`spread`] brings a refresh to the owners; [`owner`] serves it
//! - [`link`] asks and replies; [`link::message`] is what is said, [`link::pieces`] how long ones travel
//! - [`engine`] is the seam to what carries it all: [`engine::nats`], or a simulated network in tests
//! - [`status`] is what the operator sees
//!
//! What holds it together: nothing counts but what is said within one view, and an owner acts only when every node of the view has said whom it
//! has. A node that may have missed something is not in the view, or has not said so yet.

mod endpoint;
mod engine;
mod holder;
mod keep;
mod link;
mod member;
mod membership;
mod owner;
mod spread;
mod status;
mod view;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use roster_xmpp::Domain;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::config::{ClusterConfig, StoreConfig};
use crate::plugin::RosterPlugin;
use crate::rosters::{Owners, Rosters};
use crate::sinks::RosterSink;

use engine::Engine;
use holder::{Holder, Source};
use link::message::{Refused, Reply, Request};
use link::{CallFailed, Link};
use member::Member;
use membership::Membership;
use owner::registry::Registry;
use view::View;

pub use engine::nats::ClusterError;
pub use member::NodeName;
pub use status::{ClusterStatus, NodeStatus};

/// This node among the others.
pub struct Cluster {
    config: ClusterConfig,
    link: Arc<Link>,
    state: Mutex<State>,
    served: OnceLock<Vec<Served>>,
    /// The number of the view.
    views: watch::Sender<u64>,
    /// An owner has become ready, or a node has been told something.
    news: watch::Sender<()>,
    /// See [`link::message::RosterClaim::number`].
    next_number: AtomicU64,
    /// The list of nodes is to be read again now.
    look: tokio::sync::Notify,
    /// Rosters were served here that no owner knows of: a new view is wanted.
    bump: AtomicBool,
    counts: Counts,
    /// The XMPP endpoints of this node, by domain.
    endpoints: OnceLock<Vec<(Arc<str>, Weak<Domain>)>>,
    outgoing: mpsc::Sender<endpoint::Outgoing>,
    /// Taken when the cluster begins to serve.
    to_send: Mutex<Option<mpsc::Receiver<endpoint::Outgoing>>>,
    stop: CancellationToken,
}

/// What has to be true at one moment.
struct State {
    membership: Membership,
    registry: Registry,
    /// Those that run here as an owner.
    refreshes: BTreeMap<u64, owner::Running>,
}

/// One virtual host.
struct Served {
    domain: Arc<str>,
    /// The rosters that this node owns.
    owned: Arc<Rosters>,
    /// The rosters of those who are here, which own the way to this.
    here: Weak<Rosters>,
    holder: Holder,
}

/// What is counted.
#[derive(Default)]
struct Counts {
    alone: AtomicU64,
    refused: AtomicU64,
    fenced: AtomicBool,
    endpoint_lost: AtomicU64,
}

/// Lives that a process may have as a member: bits of [`Member::incarnation`].
const LIFE_BITS: u32 = 20;

/// What arrives from other nodes.
pub(crate) type Incoming = mpsc::Receiver<Bytes>;

impl Cluster {
    /// Connects to NATS. Waits for it no longer than a while: without it the node serves logins, and joins when it can.
    pub async fn connect(config: &ClusterConfig) -> Result<(Arc<Self>, Incoming), ClusterError> {
        let (engine, incoming) = engine::nats::Nats::connect(config).await?;
        Ok((Self::new(config, Arc::new(engine)), incoming))
    }

    fn new(config: &ClusterConfig, engine: Arc<dyn Engine>) -> Arc<Self> {
        let me = Member { name: NodeName::new(&config.node), incarnation: random() << LIFE_BITS };
        let (outgoing, to_send) = mpsc::channel(endpoint::WAITING);
        let state = State {
            membership: Membership::new(me, config.node_timeout),
            registry: Registry::default(),
            refreshes: BTreeMap::new(),
        };
        Arc::new(Self {
            config: config.clone(),
            link: Arc::new(Link::new(engine, random() >> 1)),
            state: Mutex::new(state),
            served: OnceLock::new(),
            views: watch::Sender::new(0),
            news: watch::Sender::new(()),
            next_number: AtomicU64::new(1),
            look: tokio::sync::Notify::new(),
            bump: AtomicBool::new(false),
            counts: Counts::default(),
            endpoints: OnceLock::new(),
            outgoing,
            to_send: Mutex::new(Some(to_send)),
            stop: CancellationToken::new(),
        })
    }

    /// The sink of the rosters that this node owns of the virtual host with this `index`.
    pub(crate) fn sink(self: &Arc<Self>, index: usize) -> Arc<dyn RosterSink> {
        Arc::new(owner::deliver::Tell { cluster: Arc::downgrade(self), index })
    }

    /// Where the rosters of that virtual host come from, and who brings them up to date.
    pub(crate) fn source(
        self: &Arc<Self>,
        index: usize,
        plugin: Arc<dyn RosterPlugin>,
    ) -> (Arc<dyn RosterPlugin>, Arc<dyn Owners>) {
        let source = Arc::new(Source { cluster: Arc::clone(self), index, plugin });
        (Arc::clone(&source) as Arc<dyn RosterPlugin>, source)
    }

    /// Serves the virtual hosts: of each the rosters that are owned, and those that are here. Begins to find the others.
    pub(crate) fn serve(self: &Arc<Self>, hosts: Vec<(Arc<Rosters>, Arc<Rosters>)>, incoming: Incoming) {
        let served = hosts.into_iter().map(|(owned, here)| Served {
            domain: Arc::clone(here.domain()),
            owned,
            here: Arc::downgrade(&here),
            holder: Holder::default(),
        });
        // Set once: a host is put together once.
        let _ = self.served.set(served.collect());
        if let Some(to_send) = self.to_send.lock().take() {
            tokio::spawn(endpoint::send(Arc::clone(self), to_send));
        }
        tokio::spawn(keep::receive(Arc::clone(self), incoming));
        tokio::spawn(keep::keep(Arc::clone(self)));
    }

    /// How the rosters of those who are here are kept: their owners have them for those who have left, and renew them.
    pub(crate) fn store_of_copies(store: &StoreConfig) -> StoreConfig {
        StoreConfig { grace: Duration::ZERO, max_age: None, ..store.clone() }
    }

    fn hosts(&self) -> &[Served] {
        self.served.get().map_or(&[], Vec::as_slice)
    }

    fn host(&self, index: usize) -> Option<&Served> {
        self.hosts().get(index)
    }

    fn index_of(&self, domain: &str) -> Option<usize> {
        self.hosts().iter().position(|one| *one.domain == *domain)
    }

    fn me(&self) -> Member {
        self.state.lock().membership.me().clone()
    }

    /// The view, if this node may act.
    fn live_view(&self) -> Option<Arc<View>> {
        let state = self.state.lock();
        state.membership.view().filter(|_| state.membership.is_live(Instant::now())).cloned()
    }

    /// Whether it may.
    fn is_live(&self) -> bool {
        self.state.lock().membership.is_live(Instant::now())
    }

    fn number(&self) -> u64 {
        self.next_number.fetch_add(1, Ordering::Relaxed)
    }

    /// Asks another node, or this one, within view `view`.
    async fn call(
        self: &Arc<Self>,
        view: u64,
        to: &Member,
        request: Request,
        deadline: Instant,
    ) -> Result<Reply, CallFailed> {
        let me = self.me();
        if *to == me {
            // In a task, as for other nodes: it ends by itself, also when nobody waits any more.
            let served = tokio::time::timeout_at(deadline, tokio::spawn(self.serve_request(view, me, request))).await;
            let late = || CallFailed::TimedOut(to.name.clone());
            return Ok(served.map_err(|_| late())?.map_err(|_| late())??);
        }
        let is_gone = |member: &Member| self.state.lock().membership.view().is_none_or(|view| !view.has(member));
        let reply = self.link.call((&me, view), to, request, deadline, self.views.subscribe(), is_gone).await;
        if matches!(reply, Err(CallFailed::Refused(Refused::View(other))) if other > view) {
            self.look.notify_one();
        }
        reply
    }

    /// The host stops: the others need not wait until they miss this node.
    pub(crate) async fn leave(&self) {
        self.stop.cancel();
        let view = self.state.lock().membership.without_me();
        if let Some(view) = view {
            // Those who do not hear of it miss this node soon.
            let _ = tokio::time::timeout(LEAVE, keep::write_view(self, &view)).await;
        }
    }
}

/// How long a node that stops tries to say so.
const LEAVE: Duration = Duration::from_secs(1);

/// From the operating system: no two lives of nodes have the same.
fn random() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    getrandom::u64().unwrap_or_else(|_| RandomState::new().hash_one(std::time::SystemTime::now()))
}
