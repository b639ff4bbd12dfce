//! The endpoint hears of changes.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use roster_xmpp::Domain;
use roster_xmpp::counters::Counters;

use super::collector::XmppCollector;
use crate::model::Username;
use crate::rosters::{CLIENT, SessionId};
use crate::sinks::{RosterEvent, RosterSink, Undelivered};

/// Hands roster events to the endpoint's domains: when [`RosterSink::deliver`] returns, every push is queued to every
/// interested session.
///
/// Made before the rosters, which own their sinks, and so before the endpoint, which asks the rosters.
#[derive(Default)]
pub struct XmppSink {
    domains: ArcSwap<HashMap<Arc<str>, Arc<Domain>>>,
    counters: Arc<OnceLock<Arc<Counters>>>,
}

impl XmppSink {
    /// For the metrics, which are put together before the endpoint too.
    pub(crate) fn collector(&self) -> XmppCollector {
        XmppCollector(Arc::clone(&self.counters))
    }

    /// Ends the streams of `user`, or the one whose session the rosters know by this name; how many those are. Each client is told
    /// why, and its session leaves by itself.
    pub(crate) fn dismiss(&self, domain: &str, user: &Username, session: Option<&SessionId>) -> usize {
        let Some(domain) = self.domains.load().get(domain).cloned() else { return 0 };
        match session {
            None => domain.dismiss(user, None),
            Some(session) => match session.as_str().strip_prefix(CLIENT) {
                Some(name) => domain.dismiss(user, Some(name)),
                None => 0,
            },
        }
    }

    pub(super) fn serve(&self, domains: Vec<(Arc<str>, Arc<Domain>)>, counters: Arc<Counters>) {
        self.replace(domains);
        // Set once: a host binds one endpoint.
        let _ = self.counters.set(counters);
    }

    /// Others are served from now on.
    pub(super) fn replace(&self, domains: Vec<(Arc<str>, Arc<Domain>)>) {
        self.domains.store(Arc::new(domains.into_iter().collect()));
    }
}

#[async_trait]
impl RosterSink for XmppSink {
    fn name(&self) -> &'static str {
        "xmpp"
    }

    async fn deliver(&self, event: Arc<RosterEvent>) -> Result<(), Undelivered> {
        let domain = self.domains.load().get(&event.domain).cloned();
        if let Some(domain) = domain {
            // Waits for nobody: a session whose queue is full is ended.
            domain.roster_event(&event).await;
        }
        Ok(())
    }
}
