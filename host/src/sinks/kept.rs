//! An event while it waits for somebody: without what nobody will ask it for, and what it weighs.

use std::sync::Arc;

use super::{EventKind, RosterEvent};
use crate::model::{Change, Contacts, Snapshot};

/// The event without the whole roster, which a change does not tell: it would be kept for a few bytes.
pub(super) fn slim(event: Arc<RosterEvent>) -> Arc<RosterEvent> {
    match &event.kind {
        EventKind::Loaded(_) | EventKind::Dropped { .. } => event,
        EventKind::Changed { snapshot, changes, .. } => {
            let empty = Arc::new(Snapshot::new(snapshot.version(), None, Contacts::default()));
            Arc::new(RosterEvent {
                domain: Arc::clone(&event.domain),
                user: event.user.clone(),
                kind: EventKind::Changed { before: Arc::clone(&empty), snapshot: empty, changes: Arc::clone(changes) },
            })
        }
    }
}

/// The memory that an event keeps, bytes. A roster that was loaded is shared with the store for as long as it is current.
pub(super) fn weight(event: &RosterEvent) -> usize {
    let kind = match &event.kind {
        EventKind::Loaded(snapshot) => snapshot.bytes(),
        EventKind::Changed { changes, .. } => {
            size_of::<Snapshot>() + changes.iter().map(weight_of_change).sum::<usize>()
        }
        EventKind::Dropped { .. } => 0,
    };
    size_of::<RosterEvent>() + event.user.as_str().len() + kind
}

fn weight_of_change(change: &Change) -> usize {
    let texts = match change {
        Change::Remove(jid) => jid.len(),
        Change::Put(contact) => {
            let groups = contact.groups.iter().map(|group| size_of::<String>() + group.len()).sum::<usize>();
            contact.jid.len() + contact.name.as_ref().map_or(0, String::len) + groups
        }
    };
    size_of::<Change>() + texts
}
