//! The endpoint asks for rosters.

use std::sync::{Arc, Weak};

use async_trait::async_trait;
use roster_xmpp::{RosterSource, RosterUnavailable};
use tracing::warn;

use crate::model::{Snapshot, Username};
use crate::rosters::{CLIENT, RosterError, Rosters, SessionId};

/// The rosters of one virtual host, as the endpoint sees them.
///
/// Weak, because the rosters own the sink through which they tell the endpoint: the other way round would keep both for
/// ever.
pub(super) struct Source(Weak<Rosters>);

impl Source {
    pub(super) fn new(rosters: &Arc<Rosters>) -> Self {
        Self(Arc::downgrade(rosters))
    }
}

/// Sessions of the admin listener may have the name of somebody's resource.
fn session_id(resource: &str) -> SessionId {
    SessionId::new(&format!("{CLIENT}{resource}"))
}

#[async_trait]
impl RosterSource for Source {
    async fn connect(&self, user: &Username, session: &str) -> Result<Arc<Snapshot>, RosterUnavailable> {
        let stopped = || RosterUnavailable { reason: "the host stops".to_owned() };
        let rosters = self.0.upgrade().ok_or_else(stopped)?;
        let connected = rosters.connect(user, session_id(session)).await;
        connected.map_err(|error| {
            // The only failure that is not an update's: those are logged where updates are made, once for all who wait.
            if matches!(error, RosterError::TooManySessions { .. }) {
                warn!(domain = %rosters.domain(), %user, %error, "the roster cannot be had");
            }
            RosterUnavailable { reason: error.to_string() }
        })
    }

    fn disconnect(&self, user: &Username, session: &str) {
        if let Some(rosters) = self.0.upgrade() {
            rosters.disconnect(user, &session_id(session));
        }
    }

    fn cached(&self, user: &Username) -> Option<Arc<Snapshot>> {
        self.0.upgrade()?.cached(user).map(|cached| cached.snapshot)
    }
}
