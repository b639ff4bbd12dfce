//! A bound session, which may outlive its connection.

use std::sync::Arc;

use roster_model::Username;
use tokio::time::{Instant, sleep_until};
use tracing::debug;

use super::management::Management;
use super::resume::{HandOver, Registration};
use crate::config::EndpointConfig;
use crate::counters::Counters;
use crate::domain::{Domain, Session};
use crate::outbound::Outgoing;

/// See the module.
pub(crate) struct Live {
    pub(super) domain: Arc<Domain>,
    pub(super) session: Arc<Session>,
    pub(super) user: Username,
    pub(super) outgoing: Outgoing,
    pub(super) management: Option<Management>,
    pub(super) registration: Option<Registration<Self>>,
    /// Default language of what the client sends.
    pub(super) lang: Option<String>,
    counters: Arc<Counters>,
    finished: bool,
}

/// What becomes of a session whose client is away.
pub(super) enum Waited {
    /// Its client is back, on another connection.
    Resumed(HandOver<Live>),
    /// More came for it than may wait.
    Overflow,
    /// Nobody came, or it was ended from outside.
    Over,
}

impl Live {
    pub(super) fn new(
        domain: Arc<Domain>,
        session: Arc<Session>,
        user: Username,
        outgoing: Outgoing,
        lang: Option<String>,
        counters: Arc<Counters>,
    ) -> Self {
        counters.sessions.increase();
        counters.sessions_total.increase();
        Self { domain, session, user, outgoing, management: None, registration: None, lang, counters, finished: false }
    }

    /// The address of the session, as text.
    pub(super) fn address(&self) -> &str {
        self.session.jid()
    }

    /// What is kept for the client has changed.
    pub(super) fn weigh(&mut self) {
        self.outgoing.keeps(self.management.as_ref().map_or(0, Management::weight));
    }

    /// Waits for the client to come back.
    pub(super) async fn hibernate(&mut self, config: &EndpointConfig, stop: impl Future<Output = ()>) -> Waited {
        let Some(registration) = &mut self.registration else { return Waited::Over };
        let until = Instant::now() + config.resumption.window;
        self.counters.sessions_hibernating.increase();
        self.outgoing.set_asleep(true);
        self.domain.sleep(&self.session);
        debug!(session = self.session.jid(), "the connection is lost; waiting for the client to come back");
        let waited = tokio::select! {
            request = registration.request() => Waited::Resumed(request),
            () = self.outgoing.overflow() => Waited::Overflow,
            _ = self.outgoing.ended() => Waited::Over,
            () = sleep_until(until) => Waited::Over,
            () = stop => Waited::Over,
        };
        self.domain.wake(&self.session);
        self.outgoing.set_asleep(false);
        self.counters.sessions_hibernating.decrease();
        waited
    }

    /// The end: whoever saw the session is told, and then the senders of what never arrived.
    pub(super) async fn finish(mut self) {
        self.finished = true;
        self.registration = None;
        self.domain.leave(&self.session).await;
        // From now on nobody finds the session; what was queued before is here.
        self.outgoing.close();
        let unacknowledged = self.management.take().map(Management::into_unacknowledged).unwrap_or_default();
        for stanza in unacknowledged {
            self.domain.undelivered(&self.session, &stanza);
        }
        while let Some(stanza) = self.outgoing.try_take() {
            self.domain.undelivered(&self.session, &stanza);
        }
        self.counters.sessions.decrease();
        debug!(session = self.address(), "the session has ended");
    }
}

impl Drop for Live {
    /// A session that was cut off before its end, in the middle of a login or of being handed over, must not stay behind.
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        self.counters.sessions.decrease();
        let (domain, session) = (Arc::clone(&self.domain), Arc::clone(&self.session));
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { domain.leave(&session).await });
        }
    }
}
