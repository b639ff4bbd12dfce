//! How things are written: JSON, and server-sent events around it.

use bytes::Bytes;
use serde::Serialize;
use serde::ser::{SerializeSeq, Serializer};

use crate::model::{Change, Contacts, EventKind, RosterEvent};
use crate::rosters::LoadedRoster;

/// One user's roster.
#[derive(Serialize)]
pub(super) struct Roster<'a> {
    pub(super) user: &'a str,
    pub(super) version: u64,
    #[serde(serialize_with = "contacts")]
    pub(super) contacts: &'a Contacts,
    /// What events up to this one say of the user is contained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seq: Option<u64>,
    /// The application could not be asked; so old is this, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stale: Option<u64>,
}

impl<'a> Roster<'a> {
    pub(super) fn new(user: &'a str, found: &'a LoadedRoster, seq: Option<u64>) -> Self {
        let LoadedRoster { snapshot, stale } = found;
        Self {
            user,
            version: snapshot.content_version(),
            contacts: snapshot.contacts(),
            seq,
            stale: stale.map(|stale| stale.as_secs()),
        }
    }
}

/// A change of one user's roster within an event.
#[derive(Serialize)]
struct Delta<'a> {
    user: &'a str,
    from: u64,
    to: u64,
    changes: &'a [Change],
}

/// The same as a whole.
#[derive(Serialize)]
struct Whole<'a> {
    user: &'a str,
    to: u64,
    #[serde(serialize_with = "contacts")]
    contacts: &'a Contacts,
}

/// A user of a sync whose roster cannot be had.
#[derive(Serialize)]
pub(super) struct Failed<'a> {
    pub(super) user: &'a str,
    pub(super) error: &'a str,
    pub(super) retry: bool,
}

fn contacts<S: Serializer>(contacts: &Contacts, serializer: S) -> Result<S::Ok, S::Error> {
    let mut list = serializer.serialize_seq(Some(contacts.len()))?;
    for contact in contacts.iter() {
        list.serialize_element(&contact)?;
    }
    list.end()
}

/// Only a defect makes it empty: everything that is written has text as keys.
pub(super) fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

/// `event`, as it is within an event of a node's stream.
pub(super) fn change(event: &RosterEvent, whole: bool) -> Vec<u8> {
    let user = event.user.as_str();
    match &event.kind {
        EventKind::Changed { before, snapshot, changes } if !whole => {
            json(&Delta { user, from: before.content_version(), to: snapshot.content_version(), changes })
        }
        EventKind::Changed { snapshot, .. } | EventKind::Loaded(snapshot) => {
            json(&Whole { user, to: snapshot.content_version(), contacts: snapshot.contacts() })
        }
        EventKind::Dropped { .. } => Vec::new(),
    }
}

/// An event without an id.
pub(super) fn event(name: &str, data: &impl Serialize) -> Bytes {
    let mut text = format!("event: {name}\ndata: ").into_bytes();
    text.extend(json(data));
    text.extend_from_slice(b"\n\n");
    text.into()
}

/// A sign of life.
pub(super) const COMMENT: Bytes = Bytes::from_static(b":\n\n");
