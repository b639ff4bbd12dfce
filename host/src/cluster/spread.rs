//! A refresh: each owner is asked to bring its users up to date, and asked again elsewhere while nodes come and go.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use tokio::time::{Instant, timeout_at};
use tracing::{debug, warn};

use super::holder::Source;
use super::link::message::{Reply, Request};
use super::member::Member;
use super::view::View;
use crate::model::Username;
use crate::rosters::{NotNow, Owners, Spread};

/// Names in one message.
const NAMED_AT_ONCE: usize = 5000;
/// How long to wait before owners are asked again.
const AGAIN: Duration = Duration::from_millis(30);

#[async_trait]
impl Owners for Source {
    async fn refresh(&self, users: Vec<Username>, deadline: Instant) -> Result<Spread, NotNow> {
        let cut_off = || NotNow { reason: "it is cut off from the other nodes".to_owned() };
        let Some(host) = self.cluster.host(self.index) else { return Err(cut_off()) };
        if !self.cluster.is_live() {
            self.cluster.counts.refused.fetch_add(1, Ordering::Relaxed);
            return Err(cut_off());
        }
        let total = users.len();
        let mut open = users;
        let (mut failed, mut unconfirmed) = (Vec::new(), BTreeSet::new());
        let mut views = self.cluster.views.subscribe();
        let mut reason = String::new();
        while !open.is_empty() && Instant::now() < deadline {
            views.borrow_and_update();
            if let Some(view) = self.cluster.live_view() {
                let asked = self.ask_owners(&host.domain, &view, &open, deadline).await;
                open.clear();
                for (users, reply) in asked {
                    match reply {
                        Ok((not_done, not_confirmed)) => {
                            let not_done: HashSet<String> = not_done.into_iter().collect();
                            failed.extend(users.into_iter().filter(|user| not_done.contains(user.as_str())));
                            unconfirmed.extend(not_confirmed);
                        }
                        Err(why) => {
                            reason = why;
                            open.extend(users);
                        }
                    }
                }
            }
            if !open.is_empty() {
                // Another view, or a little later.
                let _ = timeout_at(deadline.min(Instant::now() + AGAIN), views.changed()).await;
            }
        }
        if !open.is_empty() {
            warn!(users = open.len(), reason, "the owners of rosters could not be asked in time");
            if open.len() == total {
                self.cluster.counts.refused.fetch_add(1, Ordering::Relaxed);
                return Err(NotNow { reason: format!("the nodes that own the rosters cannot be asked: {reason}") });
            }
        }
        failed.extend(open);
        Ok(Spread { failed, unconfirmed: unconfirmed.into_iter().map(Into::into).collect() })
    }

    fn left(&self, user: &Username) {
        self.cluster.user_left(self.index, user);
    }
}

/// Users that one owner was asked for, and what it says: who failed and who has not confirmed; or why it says nothing.
type OwnerAnswer = (Vec<Username>, Result<(Vec<String>, Vec<String>), String>);

impl Source {
    async fn ask_owners(&self, domain: &str, view: &View, users: &[Username], deadline: Instant) -> Vec<OwnerAnswer> {
        let mut by_owner: BTreeMap<&Member, Vec<Username>> = BTreeMap::new();
        for user in users {
            if let Some(owner) = view.owner(domain, user.as_str()) {
                by_owner.entry(owner).or_default().push(user.clone());
            }
        }
        let parts = by_owner.into_iter().flat_map(|(owner, users)| {
            let parts: Vec<_> = users.chunks(NAMED_AT_ONCE).map(<[Username]>::to_vec).collect();
            parts.into_iter().map(move |part| (owner, part))
        });
        join_all(parts.map(|(owner, part)| self.ask_owner(domain, view.number, owner, part, deadline))).await
    }

    async fn ask_owner(
        &self,
        domain: &str,
        view: u64,
        owner: &Member,
        users: Vec<Username>,
        deadline: Instant,
    ) -> OwnerAnswer {
        let names = users.iter().map(|user| user.as_str().to_owned()).collect();
        let within = deadline.saturating_duration_since(Instant::now());
        let within = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
        let request = Request::Refresh { domain: domain.to_owned(), users: names, within };
        let reply = match self.cluster.call(view, owner, request, deadline).await {
            Ok(Reply::Refreshed { failed, unconfirmed }) => Ok((failed, unconfirmed)),
            Ok(_) => Err("the owner's reply makes no sense".to_owned()),
            Err(error) => {
                debug!(owner = %owner.name, %error, "an owner did not refresh");
                Err(error.to_string())
            }
        };
        (users, reply)
    }
}
