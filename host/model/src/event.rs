//! What happens to rosters, as sinks hear of it.

use std::sync::Arc;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::{Change, Snapshot, Username};

/// Something happened to one user's roster.
#[derive(Clone, Debug)]
pub struct RosterEvent {
    /// The XMPP domain.
    pub domain: Arc<str>,
    /// Whose roster.
    pub user: Username,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum EventKind {
    /// The roster was fetched: the user has connected.
    Loaded(Arc<Snapshot>),
    /// The application's roster has changed.
    Changed {
        /// The roster before the changes.
        before: Arc<Snapshot>,
        /// The roster after the changes.
        snapshot: Arc<Snapshot>,
        /// What changed; never empty, at most one change per contact.
        changes: Arc<[Change]>,
    },
    /// The roster is no longer kept: the user has left.
    Dropped {
        /// The version that was kept.
        version: u64,
    },
}

impl RosterEvent {
    /// `loaded`, `changed` or `dropped`.
    pub fn name(&self) -> &'static str {
        match self.kind {
            EventKind::Loaded(_) => "loaded",
            EventKind::Changed { .. } => "changed",
            EventKind::Dropped { .. } => "dropped",
        }
    }
}

/// `{"event": "changed", "domain": ..., "user": ..., "version": 7, "changes": [{"put": {...}}, {"remove": "jid"}]}`;
/// `loaded` has `contacts` in the place of `changes`, `dropped` has neither.
impl Serialize for RosterEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("event", self.name())?;
        object.serialize_entry("domain", &*self.domain)?;
        object.serialize_entry("user", self.user.as_str())?;
        match &self.kind {
            EventKind::Loaded(snapshot) => {
                object.serialize_entry("version", &snapshot.version())?;
                object.serialize_entry("contacts", &snapshot.contacts().iter().collect::<Vec<_>>())?;
            }
            EventKind::Changed { snapshot, changes, .. } => {
                object.serialize_entry("version", &snapshot.version())?;
                object.serialize_entry("changes", &**changes)?;
            }
            EventKind::Dropped { version } => object.serialize_entry("version", version)?,
        }
        object.end()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Contact, Contacts, Subscription};

    #[test]
    fn events_are_one_json_object_each() {
        let marie = Contact {
            jid: "marie@x".into(),
            name: Some("Marie".into()),
            subscription: Subscription::Both,
            ask: false,
            groups: vec!["Work".into()],
        };
        let snapshot = Arc::new(Snapshot::new(7, None, Contacts::pack(std::slice::from_ref(&marie), 9).unwrap()));
        let changes = Arc::from([Change::Put(marie), Change::Remove("aaron@x".into())]);
        let item = r#"{"jid":"marie@x","name":"Marie","subscription":"both","groups":["Work"]}"#;
        for (kind, expected) in [
            (
                EventKind::Loaded(Arc::clone(&snapshot)),
                format!(r#""loaded","domain":"x","user":"john","version":7,"contacts":[{item}]"#),
            ),
            (
                EventKind::Changed { before: Arc::clone(&snapshot), snapshot, changes },
                format!(
                    r#""changed","domain":"x","user":"john","version":7,"changes":[{{"put":{item}}},{{"remove":"aaron@x"}}]"#
                ),
            ),
            (EventKind::Dropped { version: 7 }, r#""dropped","domain":"x","user":"john","version":7"#.into()),
        ] {
            let event = RosterEvent { domain: "x".into(), user: Username::new("john").unwrap(), kind };
            assert_eq!(serde_json::to_string(&event).unwrap(), format!("{{\"event\":{expected}}}"));
        }
    }
}
