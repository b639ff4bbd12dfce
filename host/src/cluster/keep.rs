//! Keeps up with who is live: writes signs of life, reads the view, takes out who is gone, and has everybody say again whom they have
//! when the view has changed.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::join_all;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout};
use tracing::{debug, info, warn};

use super::engine::EngineError;
use super::link::message::{Body, Message, PROTOCOL, Refused, Request};
use super::member::Member;
use super::membership::{Step, VIEW, beat_key};
use super::owner::deliver;
use super::owner::registry::Whose;
use super::view::View;
use super::{Cluster, Incoming};

/// Users named in one message.
const NAMED_AT_ONCE: usize = 2000;
/// The first wait before somebody is asked again, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));
/// How long one part of the users takes at most.
const SYNC: Duration = Duration::from_secs(5);
/// Requests of other nodes that are served at once.
const SERVED_AT_ONCE: usize = 4096;

/// What a new view changes: the nodes that are new in it, and whom which nodes had of those that this node owns no more.
type Changes = (Vec<Member>, Vec<(Whose, Member)>);

/// A sign of life.
#[derive(Serialize, Deserialize)]
struct Beat {
    incarnation: u64,
    count: u64,
}

/// Serves what arrives, for as long as the host runs.
pub(super) async fn receive(cluster: Arc<Cluster>, mut incoming: Incoming) {
    let permits = Arc::new(tokio::sync::Semaphore::new(SERVED_AT_ONCE));
    loop {
        let piece = tokio::select! {
            () = cluster.stop.cancelled() => return,
            piece = incoming.recv() => piece,
        };
        let Some(piece) = piece else { return };
        let Some(Message { from, view, body, .. }) = cluster.link.receive(piece) else { continue };
        if view > *cluster.views.borrow() {
            cluster.look.notify_one();
        }
        match body {
            Body::Look => cluster.look.notify_one(),
            Body::Reply { id, reply } => cluster.link.replied(&from.name, id, reply),
            Body::Endpoint { domain, message } => cluster.endpoint_message(&domain, &from, &message),
            Body::Request { id, request } => {
                let Some(serving) = cluster.link.serve(&from, id) else { continue };
                // The semaphore is never closed.
                let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
                let cluster = Arc::clone(&cluster);
                tokio::spawn(async move {
                    let reply = cluster.serve_request(view, from.clone(), request).await;
                    let message = cluster.message(Body::Reply { id, reply });
                    if let Err(error) = cluster.link.send(Some(&from.name), &message).await {
                        debug!(to = %from.name, %error, "a reply was not sent");
                    }
                    drop((permit, serving));
                });
            }
        }
    }
}

/// Keeps this node among the others, for as long as the host runs.
pub(super) async fn keep(cluster: Arc<Cluster>) {
    let every = cluster.config.node_timeout / 5;
    let (mut beats, mut next) = (0, Instant::now());
    while !cluster.stop.is_cancelled() {
        let due = Instant::now() >= next;
        if due {
            next = Instant::now() + every;
            beats += 1;
            cluster.beat(beats).await;
        }
        if let Err(error) = cluster.turn(due).await {
            debug!(%error, "the list of nodes cannot be read now");
        }
        cluster.note_state();
        tokio::select! {
            biased;
            () = cluster.stop.cancelled() => {}
            () = tokio::time::sleep_until(next) => {}
            () = cluster.look.notified() => {}
        }
    }
}

impl Cluster {
    pub(super) fn message(&self, body: Body) -> Message {
        let state = self.state.lock();
        let view = state.membership.view().map_or(0, |view| view.number);
        Message { v: PROTOCOL, from: state.membership.me().clone(), view, body }
    }

    /// A sign of life.
    async fn beat(&self, count: u64) {
        let me = self.me();
        let Ok(beat) = serde_json::to_vec(&Beat { incarnation: me.incarnation, count }) else { return };
        let sent = Instant::now();
        match self.link.engine.write(&beat_key(&me.name), beat.into(), None).await {
            Ok(()) => self.state.lock().membership.renewed(sent),
            Err(error) => debug!(%error, "a sign of life was not taken"),
        }
    }

    /// Reads the view, and does what follows from it.
    async fn turn(self: &Arc<Self>, beats: bool) -> Result<(), EngineError> {
        for _ in 0..TURNS {
            let (view, revision) = self.read_view().await?;
            let (step, (new, let_go)) = self.take_view(view);
            match step {
                Step::Same => break,
                Step::Enter(view) => {
                    self.enter(&view, new, let_go).await;
                    break;
                }
                Step::Write(view) => {
                    if self.write(&view, revision).await? {
                        continue;
                    }
                }
                Step::Removed { by_namesake } => {
                    self.removed(by_namesake).await;
                }
                Step::Wait => {
                    warn!(node = %self.config.node, "another host has the name of this node (cluster.node); this one waits until it is gone");
                    break;
                }
            }
        }
        if beats {
            self.look_for_dead().await?;
        }
        self.ask_for_new_view().await?;
        self.register_missing();
        Ok(())
    }

    /// Takes note of the view that was read. Under one lock: what counts within the view before does not within this one.
    fn take_view(&self, view: Option<View>) -> (Step, Changes) {
        let mut state = self.state.lock();
        let step = state.membership.read(view);
        let Step::Enter(view) = &step else { return (step, Changes::default()) };
        let me = state.membership.me().clone();
        let owns = |whose: &Whose| {
            self.host(whose.0).is_some_and(|host| view.owner(&host.domain, whose.1.as_str()) == Some(&me))
        };
        let changes = state.registry.enter(view, owns);
        (step, changes)
    }

    /// This node is in a new view: what it does not own any more it forgets, and whom it has it says.
    async fn enter(self: &Arc<Self>, view: &Arc<View>, new: Vec<Member>, let_go: Vec<(Whose, Member)>) {
        let names: Vec<&str> = view.members().map(|member| member.name.as_str()).collect();
        info!(view = view.number, nodes = names.join(" "), "the cluster has these nodes");
        let before = self.views.send_replace(view.number);
        // Owners that are not those of this view forget; what is not said again within it does not count.
        for host in self.hosts() {
            host.holder.entered(view.number, |user| view.owner(&host.domain, user).cloned());
        }
        let before = Some(before).filter(|before| *before > 0);
        for ((index, user), member) in let_go {
            if let Some(host) = self.host(index) {
                host.owned.disconnect(&user, &super::owner::session(&member));
            }
        }
        let me = self.me();
        for host in self.hosts() {
            for user in host.owned.known_users() {
                if view.owner(&host.domain, user.as_str()) != Some(&me) {
                    host.owned.forget(&user).await;
                }
            }
        }
        for member in new {
            tokio::spawn(deliver::send(Arc::clone(self), member));
        }
        for member in view.members() {
            tokio::spawn(Arc::clone(self).sync(Arc::clone(view), member.clone(), before));
        }
        self.endpoints_changed(Some(view));
    }

    /// The view has this node no longer.
    async fn removed(self: &Arc<Self>, by_namesake: bool) {
        match by_namesake {
            true => {
                warn!(node = %self.config.node, "another host has taken the name of this node (cluster.node); give each its own")
            }
            false => warn!("this node was taken for gone, and joins again"),
        }
        self.views.send_replace(0);
        {
            let mut state = self.state.lock();
            state.registry = super::owner::registry::Registry::default();
        }
        self.endpoints_changed(None);
        for host in self.hosts() {
            host.holder.unregister_all();
            for user in host.owned.known_users() {
                host.owned.forget(&user).await;
            }
        }
    }

    /// Tells `member` whom it owns of those who are here, until it knows or there is another view.
    async fn sync(self: Arc<Self>, view: Arc<View>, member: Member, before: Option<u64>) {
        let (mut wait, mut before) = (RETRY.0, before);
        while *self.views.borrow() == view.number && !self.stop.is_cancelled() {
            match self.register(&view, &member, true, before).await {
                Ok(()) => return,
                Err(super::CallFailed::Refused(Refused::Everybody)) if before.is_some() => {
                    before = None;
                    self.hosts().iter().for_each(|host| host.holder.unregister(&member));
                    continue;
                }
                Err(error) => debug!(to = %member.name, %error, "a node was not told whom this one has"),
            }
            let mut views = self.views.subscribe();
            // A new view, or the time is over.
            let _ = timeout(wait, views.wait_for(|number| *number != view.number)).await;
            wait = (wait * 2).min(RETRY.1);
        }
    }

    /// Tells `member` of those here that it owns and does not know of.
    async fn register(
        self: &Arc<Self>,
        view: &View,
        member: &Member,
        last: bool,
        before: Option<u64>,
    ) -> Result<(), super::CallFailed> {
        let mut missing = Vec::new();
        for host in self.hosts() {
            let Some(here) = host.here.upgrade() else { continue };
            let owned = |user: &str| view.owner(&host.domain, user) == Some(member);
            missing.extend(host.holder.missing(&host.domain, &here, member, owned, || self.number()));
        }
        let mut parts = missing.chunks(NAMED_AT_ONCE).peekable();
        if parts.peek().is_none() && last {
            return self.say(view, member, (Vec::new(), true, before)).await;
        }
        while let Some(part) = parts.next() {
            self.say(view, member, (part.to_vec(), last && parts.peek().is_none(), before)).await?;
            for held in part {
                if let Some(host) = self.index_of(&held.domain).and_then(|index| self.host(index)) {
                    host.holder.registered(&held.user, view.number, member, held.number);
                }
            }
        }
        Ok(())
    }

    async fn say(
        self: &Arc<Self>,
        view: &View,
        member: &Member,
        (held, last, before): (Vec<super::link::message::RosterClaim>, bool, Option<u64>),
    ) -> Result<(), super::CallFailed> {
        let request = Request::Sync { held, last, before };
        self.call(view.number, member, request, Instant::now() + SYNC).await.map(|_| ())
    }

    /// Users whom no owner knows of, because none could be asked, are made known.
    fn register_missing(self: &Arc<Self>) {
        let Some(view) = self.live_view().filter(|_| self.hosts().iter().any(|host| host.holder.has_unregistered()))
        else {
            return;
        };
        for member in view.members().cloned() {
            let (cluster, view) = (Arc::clone(self), Arc::clone(&view));
            tokio::spawn(async move {
                if let Err(error) = cluster.register(&view, &member, false, None).await {
                    debug!(to = %member.name, %error, "a node was not told whom this one has");
                }
            });
        }
    }

    /// Takes those out of the view who have given no sign of life for too long.
    async fn look_for_dead(&self) -> Result<(), EngineError> {
        let others: Vec<Member> = {
            let state = self.state.lock();
            let me = state.membership.me();
            state
                .membership
                .view()
                .into_iter()
                .flat_map(|view| view.members())
                .filter(|one| *one != me)
                .cloned()
                .collect()
        };
        let beats = join_all(others.iter().map(|member| async move {
            let beat = self.link.engine.read(&beat_key(&member.name)).await.ok()?;
            let beat = beat.and_then(|entry| serde_json::from_slice::<Beat>(&entry.value).ok());
            Some((member, beat.filter(|beat| beat.incarnation == member.incarnation).map(|beat| beat.count)))
        }));
        let beats = beats.await;
        let (dead, known) = {
            let mut state = self.state.lock();
            for (member, beat) in beats.into_iter().flatten() {
                state.membership.heard(member, beat, Instant::now());
            }
            let known = state.membership.view().map_or(0, |view| view.number);
            (state.membership.without_dead(Instant::now()), known)
        };
        let Some(view) = dead else { return Ok(()) };
        for member in others.iter().filter(|member| !view.has(member)) {
            warn!(node = %member.name, timeout = ?self.config.node_timeout, "a node has given no sign of life (cluster.node_timeout): it is taken for gone");
        }
        self.replace_view(known, &view).await
    }

    /// Rosters were served here that nobody else knows of: everybody is to say again whom they have.
    async fn ask_for_new_view(&self) -> Result<(), EngineError> {
        let again = {
            let state = self.state.lock();
            let view = state.membership.again().filter(|_| state.membership.is_live(Instant::now()));
            view.filter(|_| self.bump.swap(false, Ordering::Relaxed))
        };
        match again {
            Some(view) => self.replace_view(view.number - 1, &view).await,
            None => Ok(()),
        }
    }

    /// Writes `view` if the one with number `known` is still there.
    async fn replace_view(&self, known: u64, view: &View) -> Result<(), EngineError> {
        let (now, revision) = self.read_view().await?;
        if now.is_some_and(|now| now.number == known) {
            self.write(view, revision).await?;
        }
        Ok(())
    }

    /// The view that the engine has, and its revision. One that cannot be read is left to those who have written it.
    async fn read_view(&self) -> Result<(Option<View>, u64), EngineError> {
        let Some(entry) = self.link.engine.read(VIEW).await? else { return Ok((None, 0)) };
        let unreadable = |error| EngineError::Unavailable(format!("the list of nodes is of another release: {error}"));
        Ok((Some(serde_json::from_slice(&entry.value).map_err(unreadable)?), entry.revision))
    }

    /// False: somebody else was faster.
    async fn write(&self, view: &View, revision: u64) -> Result<bool, EngineError> {
        let Ok(text) = serde_json::to_vec(view) else { return Ok(false) };
        match self.link.engine.write(VIEW, text.into(), Some(revision)).await {
            Ok(()) => {}
            Err(EngineError::Conflict) => return Ok(false),
            Err(error) => return Err(error),
        }
        // Those who do not hear of it look by themselves soon.
        let _ = self.link.send(None, &self.message(Body::Look)).await;
        self.look.notify_one();
        Ok(true)
    }

    /// Tells the operator when this node is cut off, and when it is not any more.
    fn note_state(&self) {
        let live = self.is_live();
        let was_fenced = self.counts.fenced.swap(!live, Ordering::Relaxed);
        match (live, was_fenced) {
            (false, false) => warn!(
                "this node is cut off from NATS or from the other nodes: it serves what it has and refuses refreshes"
            ),
            (true, true) => info!("this node is among the others again"),
            _ => {}
        }
        if live == was_fenced {
            self.news.send_replace(());
        }
    }
}

/// Steps of one turn: to join takes a few.
const TURNS: usize = 8;

/// Replaces the view by `view`, which this node is to leave by.
pub(super) async fn write_view(cluster: &Cluster, view: &View) {
    if let Err(error) = cluster.replace_view(view.number - 1, view).await {
        debug!(%error, "the other nodes were not told that this one stops");
    }
    // For a new process with this name.
    let _ = cluster.link.engine.remove(&beat_key(&cluster.me().name)).await;
}
