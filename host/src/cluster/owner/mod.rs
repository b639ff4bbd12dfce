//! What an owner does for the other nodes, and for this one: everything that is asked of a node is served here.
//!
//! Whoever asks says in which view; a reply counts only if that is the view of this node before the work and after it.

pub(in crate::cluster) mod deliver;
pub(in crate::cluster) mod registry;

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, ready};
use futures::{FutureExt, StreamExt, stream};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::debug;

use crate::cluster::link::message::{Left, Refused, Reply, Request, RosterClaim, whole};
use crate::cluster::member::Member;
use crate::cluster::view::View;
use crate::cluster::{Cluster, Served, State};
use crate::model::Username;
use crate::plugin::CallError;
use crate::rosters::{CLUSTER, RosterError, SessionId};
use registry::Whose;

/// Rosters that are asked for at once because nodes may not have the newest.
const CHECKED_AT_ONCE: usize = 16;
/// The first wait before the application is asked again for those, and the longest.
const CHECK_AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));
/// What is kept back of a deadline for the way of the reply.
const WAY_BACK: Duration = Duration::from_millis(50);

/// A refresh that runs here.
pub(in crate::cluster) struct Running {
    pub(in crate::cluster) index: usize,
    pub(in crate::cluster) users: HashSet<Username>,
    /// Who has not said that clients were told.
    pub(in crate::cluster) unconfirmed: BTreeSet<String>,
}

/// The session that `member` is to the rosters of an owner.
pub(in crate::cluster) fn session(member: &Member) -> SessionId {
    SessionId::new(&format!("{CLUSTER}{}#{:x}", member.name, member.incarnation))
}

impl State {
    /// May `from` ask in view `number`?
    fn check(&self, from: &Member, number: u64) -> Result<&Arc<View>, Refused> {
        let view = self.membership.view().ok_or(Refused::Fenced)?;
        if view.number != number || !view.has(from) {
            return Err(Refused::View(view.number));
        }
        Ok(view)
    }

    /// The same, and may this node act as an owner?
    fn check_owner(&self, from: &Member, number: u64) -> Result<&Arc<View>, Refused> {
        let view = self.check(from, number)?;
        if !self.membership.is_live(Instant::now()) {
            return Err(Refused::Fenced);
        }
        if self.registry.is_ready(view) { Ok(view) } else { Err(Refused::NotReady) }
    }
}

impl Cluster {
    /// Serves a request of `from`, which may be this node.
    pub(in crate::cluster) fn serve_request(
        self: &Arc<Self>,
        view: u64,
        from: Member,
        request: Request,
    ) -> BoxFuture<'static, Result<Reply, Refused>> {
        let cluster = Arc::clone(self);
        async move {
            match request {
                Request::Sync { held, last, before } => cluster.serve_sync(view, &from, held, last, before),
                Request::Fetch(held) => cluster.serve_fetch(view, &from, held).await,
                Request::Leave { users } => cluster.serve_leave(view, &from, users),
                Request::Refresh { domain, users, within } => {
                    let deadline = Instant::now() + Duration::from_millis(within).saturating_sub(WAY_BACK);
                    cluster.serve_refresh(view, &from, &domain, users, deadline).await
                }
                Request::Tell { rosters } => {
                    cluster.state.lock().check(&from, view)?;
                    Ok(Reply::Told(cluster.apply(view, rosters).await))
                }
            }
        }
        .boxed()
    }

    fn serve_sync(
        self: &Arc<Self>,
        number: u64,
        from: &Member,
        held: Vec<RosterClaim>,
        last: bool,
        before: Option<u64>,
    ) -> Result<Reply, Refused> {
        let mut doubtful = Vec::new();
        {
            let mut state = self.state.lock();
            let view = Arc::clone(state.check(from, number)?);
            if before.is_some_and(|before| !state.registry.remembers(before, number)) {
                return Err(Refused::Everybody);
            }
            for one in held {
                let Some((whose, host)) = self.whose(&one.domain, &one.user) else { continue };
                if view.owner(&host.domain, whose.1.as_str()) != Some(state.membership.me()) {
                    continue;
                }
                if let Err(error) = host.owned.arrive(&whose.1, session(from)) {
                    debug!(user = %whose.1, %error, "a user of another node cannot be noted");
                    continue;
                }
                if !state.registry.register(&whose, from, one.number, one.version, false) {
                    continue;
                }
                match host.owned.version_of(&whose.1) {
                    // It may be newer than what is here: first the application is asked.
                    _ if !one.sure => {
                        state.registry.doubt(&whose, from, one.number);
                        doubtful.push((whose, one.number));
                    }
                    Some(version) if one.version != Some(version) => state.registry.again(&whose, from),
                    Some(_) => {}
                    // Nobody knows which of them is the application's.
                    None if state.registry.differs(&whose, one.version) => doubtful.push((whose, one.number)),
                    None => {}
                }
            }
            if last {
                state.registry.synced(from);
            }
        }
        self.news.send_replace(());
        if !doubtful.is_empty() {
            tokio::spawn(Arc::clone(self).check_rosters(doubtful, from.clone()));
        }
        Ok(Reply::Synced)
    }

    /// Asks the application for rosters of which some node may not have the newest, until it has answered for each. `member`, which has said so
    /// with these numbers, is told in any case: it is sure then.
    async fn check_rosters(self: Arc<Self>, mut users: Vec<(Whose, u64)>, member: Member) {
        let mut wait = CHECK_AGAIN.0;
        loop {
            let check = |(whose, number): (Whose, u64)| {
                let (cluster, member) = (Arc::clone(&self), member.clone());
                async move { cluster.check_roster(&whose, number, &member).await.then_some((whose, number)) }
            };
            users = stream::iter(users).map(check).buffer_unordered(CHECKED_AT_ONCE).filter_map(ready).collect().await;
            if users.is_empty() {
                return;
            }
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = sleep(wait) => wait = (wait * 2).min(CHECK_AGAIN.1),
            }
        }
    }

    /// True if the application has to be asked again: it has not answered, and until it has `member` is told nothing.
    async fn check_roster(&self, whose: &Whose, number: u64, member: &Member) -> bool {
        let Some(host) = self.host(whose.0) else { return false };
        // Before that another may be the owner still, and tell something newer.
        if !self.may_own(&host.domain, &whose.1).await {
            return false;
        }
        // How it went is logged where it ended.
        if host.owned.refresh(&whose.1).await.is_err() {
            return self.state.lock().registry.doubts(whose, member, number);
        }
        {
            let mut state = self.state.lock();
            state.registry.settle(whose, member, number);
            state.registry.again(whose, member);
        }
        self.tell_differing(whose.0, std::iter::once(&whose.1));
        false
    }

    /// Waits until this node may act as the owner of `user`. False: it is another's.
    async fn may_own(&self, domain: &str, user: &Username) -> bool {
        let (mut news, mut views) = (self.news.subscribe(), self.views.subscribe());
        loop {
            {
                let state = self.state.lock();
                let me = state.membership.me();
                let Some(view) = state.membership.view().filter(|view| view.owner(domain, user.as_str()) == Some(me))
                else {
                    return false;
                };
                if state.check_owner(me, view.number).is_ok() {
                    return true;
                }
            }
            tokio::select! {
                () = self.stop.cancelled() => return false,
                _ = news.changed() => {}
                _ = views.changed() => {}
            }
        }
    }

    /// Whoever has another roster of one of `users` than this owner is told.
    fn tell_differing<'a>(&self, index: usize, users: impl Iterator<Item = &'a Username>) {
        let Some(host) = self.host(index) else { return };
        let mut state = self.state.lock();
        for user in users {
            if let Some(version) = host.owned.version_of(user) {
                state.registry.changed(&(index, user.clone()), version, None);
            }
        }
    }

    async fn serve_fetch(self: &Arc<Self>, number: u64, from: &Member, held: RosterClaim) -> Result<Reply, Refused> {
        let unknown = || Refused::Failed {
            kind: "misconfigured".to_owned(),
            status: None,
            text: format!("the node {} has no virtual host {}", self.config.node, held.domain),
        };
        let (whose, host) = self.whose(&held.domain, &held.user).ok_or_else(unknown)?;
        let is_new = {
            let mut state = self.state.lock();
            let view = state.check_owner(from, number)?;
            if view.owner(&host.domain, whose.1.as_str()) != Some(state.membership.me()) {
                return Err(Refused::View(number));
            }
            host.owned.arrive(&whose.1, session(from)).map_err(|error| failed(&error))?;
            let is_new = state.registry.register(&whose, from, held.number, held.version, true);
            if is_new && !held.sure {
                state.registry.doubt(&whose, from, held.number);
            }
            is_new
        };
        let found = match held.sure {
            true => host.owned.current(&whose.1).await.map(|_| ()),
            false => host.owned.refresh(&whose.1).await,
        };
        let mut state = self.state.lock();
        let newest = found.is_ok().then(|| host.owned.cached(&whose.1)).flatten().map(|cached| cached.snapshot);
        let version = newest.as_ref().map(|newest| newest.content_version());
        if is_new {
            state.registry.fetched(&whose, from, version);
        }
        if !held.sure && version.is_some() {
            state.registry.settle(&whose, from, held.number);
        }
        state.check_owner(from, number)?;
        drop(state);
        found.map_err(|error| failed(&error))?;
        let newest = newest.ok_or(Refused::NotReady)?;
        let contacts = (version != held.version).then(|| whole(newest.contacts()));
        Ok(Reply::Roster { stamp: newest.version(), version: newest.content_version(), contacts })
    }

    fn serve_leave(&self, number: u64, from: &Member, users: Vec<Left>) -> Result<Reply, Refused> {
        let mut state = self.state.lock();
        state.check(from, number)?;
        for left in users {
            let Some((whose, host)) = self.whose(&left.domain, &left.user) else { continue };
            if state.registry.unregister(&whose, from, left.number) {
                host.owned.disconnect(&whose.1, &session(from));
            }
        }
        Ok(Reply::Left)
    }

    async fn serve_refresh(
        self: &Arc<Self>,
        number: u64,
        from: &Member,
        domain: &str,
        names: Vec<String>,
        deadline: Instant,
    ) -> Result<Reply, Refused> {
        let index = self.index_of(domain);
        let Some((index, host)) = index.and_then(|index| Some((index, self.host(index)?))) else {
            return Ok(Reply::Refreshed { failed: names, unconfirmed: Vec::new() });
        };
        let (known, doubtful) = {
            let state = self.state.lock();
            state.check_owner(from, number)?;
            let user = |name: &String| Username::new(name).ok();
            let known: Vec<_> = names.iter().filter_map(user).filter(|user| host.owned.is_known(user)).collect();
            let doubtful = state.registry.doubtful(index, &known);
            (known, doubtful)
        };
        let running = Refreshing::begin(self, index, &known);
        let (failed, _) = host.owned.refresh_and_tell(&known, deadline).await;
        {
            let mut state = self.state.lock();
            for (whose, member, number) in doubtful.iter().filter(|(whose, ..)| !failed.contains(&whose.1)) {
                state.registry.settle(whose, member, *number);
            }
        }
        self.tell_differing(index, known.iter());
        let untold = self.all_told(number, index, known.iter().cloned().collect(), deadline).await;
        let unconfirmed = running.end();
        self.state.lock().check_owner(from, number)?;
        let failed: HashSet<Username> = failed.into_iter().chain(untold).collect();
        let failed = failed.iter().map(|user| user.as_str().to_owned()).collect();
        Ok(Reply::Refreshed { failed, unconfirmed: unconfirmed.into_iter().collect() })
    }

    /// Waits until every node that has one of `users` has been told; who has not been by `deadline`.
    async fn all_told(
        &self,
        number: u64,
        index: usize,
        users: HashSet<Username>,
        deadline: Instant,
    ) -> HashSet<Username> {
        let mut news = self.news.subscribe();
        loop {
            news.borrow_and_update();
            let (untold, nodes) = self.state.lock().registry.untold(index, &users);
            if untold.is_empty() || *self.views.borrow() != number {
                return untold;
            }
            match timeout_at(deadline, news.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => {
                    debug!(?nodes, users = untold.len(), "nodes were not told in time");
                    return untold;
                }
            }
        }
    }

    /// Who is meant, and where the rosters are.
    pub(in crate::cluster) fn whose(&self, domain: &str, user: &str) -> Option<(Whose, &Served)> {
        let index = self.index_of(domain)?;
        Some(((index, Username::new(user).ok()?), self.host(index)?))
    }
}

/// Ends by itself, also when nobody waits any more.
struct Refreshing<'a> {
    cluster: &'a Cluster,
    id: u64,
}

impl<'a> Refreshing<'a> {
    fn begin(cluster: &'a Cluster, index: usize, users: &[Username]) -> Self {
        let id = cluster.number();
        let users = users.iter().cloned().collect();
        let running = Running { index, users, unconfirmed: BTreeSet::new() };
        cluster.state.lock().refreshes.insert(id, running);
        Self { cluster, id }
    }

    /// Who has not said that clients were told.
    fn end(self) -> BTreeSet<String> {
        let mut state = self.cluster.state.lock();
        state.refreshes.get_mut(&self.id).map(|running| std::mem::take(&mut running.unconfirmed)).unwrap_or_default()
    }
}

impl Drop for Refreshing<'_> {
    fn drop(&mut self) {
        self.cluster.state.lock().refreshes.remove(&self.id);
    }
}

/// What the application, or this node, could not do, as other nodes hear of it.
fn failed(error: &RosterError) -> Refused {
    match error {
        RosterError::Call(CallError::Fetch(failure)) => Refused::of(&failure.error, error.to_string()),
        RosterError::Left => Refused::NotReady,
        error => Refused::Failed { kind: "node".to_owned(), status: None, text: error.to_string() },
    }
}
