//! What a plugin says to each question of the host, bounded and mended: the same for every version of the WIT.

use std::sync::Arc;

use bytes::Bytes;

use super::bulk::Together;
use super::{Context, ExchangeResult, Exchanges, News, compare, nothing_to_compare};
use crate::model::{Snapshot, Username};
use crate::plugin::api::{BadRequest, CallError, Delta, FetchError, FetchedRoster, Outcome, Refreshed, Reply};
use crate::plugin::requests::network::Requests;
use crate::plugin::runtime::call::About;
use crate::plugin::sanitize;
use crate::plugin::sanitize::contacts::Owner;

/// The error of what is said is the application's, or that of its request.
type HookResult<T, E = FetchError> = Result<Result<T, E>, CallError>;

impl Exchanges {
    /// The whole roster.
    pub(in crate::plugin) async fn first(
        &self,
        about: About<'_>,
        user: &Username,
        requests: &Requests,
        given: Option<Together>,
    ) -> HookResult<FetchedRoster> {
        Ok(match self.ask(about, (user, None), requests, given).await? {
            Ok(ExchangeResult { news: News::Roster(roster), tag }) => {
                Ok(FetchedRoster { tag: Some(tag), ..sanitize::roster(roster, self.owner(user)) })
            }
            Ok(_) => return Err(nothing_to_compare()),
            Err(error) => Err(error),
        })
    }

    /// What has changed since `known`.
    pub(in crate::plugin) async fn again(
        &self,
        about: About<'_>,
        user: &Username,
        known: &Arc<Snapshot>,
        requests: &Requests,
        given: Option<Together>,
    ) -> HookResult<Refreshed> {
        let found = self.ask(about, (user, Some(known)), requests, given).await?;
        Ok(found.map(|ExchangeResult { news, tag }| {
            let delta = match news {
                News::Unchanged if known.tag() == Some(&tag) => return Refreshed::Unchanged,
                News::Unchanged => Delta { changes: Vec::new(), tag: None, warnings: Vec::new() },
                News::Changed(delta) => sanitize::delta(delta, self.owner(user)),
                News::Roster(roster) => {
                    let FetchedRoster { contacts, warnings, .. } = sanitize::roster(roster, self.owner(user));
                    Delta { changes: compare::changes(known.contacts(), contacts), tag: None, warnings }
                }
            };
            Refreshed::Changed(Delta { tag: Some(tag), ..delta })
        }))
    }

    /// Whom a refresh request names.
    pub(in crate::plugin) async fn named(&self, about: About<'_>, body: Bytes) -> HookResult<Vec<String>, BadRequest> {
        let users = self.calls.call(about, |store, hooks| hooks.changed_users(store, body)).await?;
        Ok(users.map_err(sanitize::bad_request))
    }

    /// What the application is told.
    pub(in crate::plugin) async fn replied(&self, about: About<'_>, outcome: Outcome) -> Result<Reply, CallError> {
        self.calls.call(about, |store, hooks| hooks.summary(store, outcome)).await
    }

    /// Asks the application for the roster of `user`, of which `known` is kept.
    async fn ask(
        &self,
        about: About<'_>,
        (user, known): (&Username, Option<&Arc<Snapshot>>),
        requests: &Requests,
        given: Option<Together>,
    ) -> HookResult<ExchangeResult> {
        let needs = match self.calls.needs().await? {
            Ok(needs) => needs,
            Err(error) => return Ok(Err(error)),
        };
        let context = Context { about, user, known, needs, requests };
        let found = self.find(&context, given).await?;
        let found = found.map(|found| ExchangeResult { tag: sanitize::tag(found.tag), ..found });
        Ok(found.map_err(sanitize::fetch_error))
    }

    fn owner<'a>(&'a self, user: &'a Username) -> Owner<'a> {
        Owner { user, domain: &self.calls.module.domain }
    }
}
