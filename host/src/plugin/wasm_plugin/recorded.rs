//! The hooks in the host's words, each call recorded if it is one to record: around what the plugin says, and knowing nothing of
//! how it comes to say so.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::WasmPlugin;
use crate::model::{Snapshot, Username};
use crate::plugin::api::{BadRequest, CallError, FetchedRoster, Outcome, Refreshed, Reply, RosterPlugin};
use crate::plugin::exchange::bulk::Together;
use crate::plugin::recording::recorder::{self, Call, Hook};
use crate::plugin::requests::network::{Requests, Witnessed};
use crate::plugin::runtime::call::About;

impl WasmPlugin {
    /// The requests of a call that begins now, and the recording of it.
    fn requests(&self, hook: Hook, about: About<'_>, user: &Username) -> Requests {
        let recording = self.recorder().begin(hook, about.began);
        let witnessed = Witnessed { user: user.clone(), counters: Arc::clone(&self.runtime().counters) };
        let most = self.module().limits.max_requests_per_call;
        Requests::new(most, self.module().max_response, recording, Some(witnessed))
    }
}

impl WasmPlugin {
    /// [`RosterPlugin::fetch`]. `given`: what came of asking for others too, if that has been done.
    pub(crate) async fn fetch_given(
        &self,
        user: &Username,
        given: Option<Together>,
    ) -> Result<FetchedRoster, CallError> {
        let about = About::now("fetch", user.as_str());
        let requests = self.requests(Hook::Fetch, about, user);
        let roster = self.exchanges.first(about, user, &requests, given).await?;
        if let Some(recording) = requests.recording() {
            let size = recorder::size_of_roster(&roster);
            self.exchanges
                .calls
                .recorder
                .keep(recording, size, || Call::Fetch { user: user.clone(), said: roster.clone() });
        }
        roster.map_err(|error| requests.explain(error).into())
    }

    /// [`RosterPlugin::refresh`], as [`Self::fetch_given`].
    pub(crate) async fn refresh_given(
        &self,
        user: &Username,
        known: Arc<Snapshot>,
        given: Option<Together>,
    ) -> Result<Refreshed, CallError> {
        let about = About::now("refresh", user.as_str());
        let requests = self.requests(Hook::Refresh, about, user);
        let refreshed = self.exchanges.again(about, user, &known, &requests, given).await?;
        if let Some(recording) = requests.recording() {
            let size = known.bytes() + recorder::size_of_refreshed(&refreshed);
            let call = || Call::Refresh { user: user.clone(), known, said: refreshed.clone() };
            self.recorder().keep(recording, size, call);
        }
        refreshed.map_err(|error| requests.explain(error).into())
    }
}

#[async_trait]
impl RosterPlugin for WasmPlugin {
    async fn fetch(&self, user: &Username) -> Result<FetchedRoster, CallError> {
        self.fetch_given(user, None).await
    }

    fn asks_together(&self) -> bool {
        self.exchanges.most_together() > 1
    }

    async fn changed_users(&self, body: Bytes) -> Result<Result<Vec<String>, BadRequest>, CallError> {
        let about = About::now("changed-users", "");
        let recording = self.recorder().begin(Hook::ChangedUsers, about.began);
        let users = self.exchanges.named(about, body.clone()).await?;
        if let Some(recording) = recording {
            let call = || Call::ChangedUsers { body: Bytes::copy_from_slice(&body), said: users.clone() };
            // The names are in the body.
            self.recorder().keep(&recording, 2 * body.len(), call);
        }
        Ok(users)
    }

    async fn refresh(&self, user: &Username, known: Arc<Snapshot>) -> Result<Refreshed, CallError> {
        self.refresh_given(user, known, None).await
    }

    async fn summary(&self, outcome: Outcome) -> Result<Reply, CallError> {
        let about = About::now("summary", "");
        let recording = self.recorder().begin(Hook::Summary, about.began);
        let reply = self.exchanges.replied(about, outcome.clone()).await?;
        if let Some(recording) = recording {
            self.recorder().keep(&recording, reply.body.len(), || Call::Summary { outcome, said: reply.clone() });
        }
        Ok(reply)
    }
}
