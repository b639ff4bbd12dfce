//! What nodes say to each other: JSON, with the version of the protocol in each message.
//!
//! All of it can be said twice and can get lost: whoever asks asks again.

use serde::{Deserialize, Serialize};

use crate::cluster::member::Member;
use crate::model::{Change, Contact, Contacts, Subscription};
use crate::plugin::FetchError;

/// The version of the protocol, which each message has. A node reads its own and the one before.
pub(in crate::cluster) const PROTOCOL: u32 = 1;
/// The oldest that is read.
const OLDEST: u32 = 1;

/// Whether messages of `protocol` can be read.
pub(in crate::cluster) fn is_understood(protocol: u32) -> bool {
    (OLDEST..=PROTOCOL).contains(&protocol)
}

/// One message.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::cluster) struct Message {
    /// [`PROTOCOL`] of the sender.
    pub(in crate::cluster) v: u32,
    pub(in crate::cluster) from: Member,
    /// The number of the sender's view.
    pub(in crate::cluster) view: u64,
    pub(in crate::cluster) body: Body,
}

#[derive(Debug, Serialize, Deserialize)]
pub(in crate::cluster) enum Body {
    /// The list of nodes has changed, or may have: it is to be read again.
    Look,
    /// To be answered with the same number.
    Request {
        id: u64,
        request: Request,
    },
    Reply {
        id: u64,
        reply: Result<Reply, Refused>,
    },
    /// What the XMPP endpoints of a domain tell each other; they know what it means.
    Endpoint {
        domain: String,
        message: String,
    },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::cluster) enum Request {
    /// To an owner: these of its users are here, beside those whom it was told of already. `last`: there are no others. `before`: the
    /// view in which the sender was before this one, if it has not named everybody.
    Sync { held: Vec<RosterClaim>, last: bool, before: Option<u64> },
    /// To an owner: the roster of a user who is here.
    Fetch(RosterClaim),
    /// To an owner: these users are here no longer.
    Leave { users: Vec<Left> },
    /// To an owner: the application says that these rosters have changed. To be answered within so many milliseconds.
    Refresh { domain: String, users: Vec<String>, within: u64 },
    /// To who holds rosters: they have changed.
    Tell { rosters: Vec<OwnerRoster> },
}

/// A user who is at the node that says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::cluster) struct RosterClaim {
    pub(in crate::cluster) domain: String,
    pub(in crate::cluster) user: String,
    /// The content version of the roster there, if there is one.
    pub(in crate::cluster) version: Option<u64>,
    /// Nothing can have been missed since.
    pub(in crate::cluster) sure: bool,
    /// Grows with everything that the node says of its users.
    pub(in crate::cluster) number: u64,
}

/// A user who has left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::cluster) struct Left {
    pub(in crate::cluster) domain: String,
    pub(in crate::cluster) user: String,
    /// As [`RosterClaim::number`]: what was said before is over.
    pub(in crate::cluster) number: u64,
}

/// A roster as its owner has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::cluster) struct OwnerRoster {
    pub(in crate::cluster) domain: String,
    pub(in crate::cluster) user: String,
    /// Grows with each roster of the user that this owner has within a view.
    pub(in crate::cluster) stamp: u64,
    /// The latest that the owner has heard of the user, see [`RosterClaim::number`].
    pub(in crate::cluster) number: u64,
    /// Its content version.
    pub(in crate::cluster) version: u64,
    pub(in crate::cluster) content: Content,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::cluster) enum Content {
    /// What turns the roster with this content version into it.
    Delta { from: u64, changes: Vec<OneChange> },
    /// All of it.
    Whole(Vec<OneContact>),
}

#[derive(Debug, Serialize, Deserialize)]
pub(in crate::cluster) enum Reply {
    Synced,
    /// `contacts`: none, if the roster is the one whose version was named.
    Roster {
        stamp: u64,
        version: u64,
        contacts: Option<Vec<OneContact>>,
    },
    Left,
    Refreshed {
        failed: Vec<String>,
        unconfirmed: Vec<String>,
    },
    /// Of the rosters told: who is not here; which were not applied; which are needed whole; and who has not confirmed.
    Told(Applied),
}

/// What became of rosters that were told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::cluster) struct Applied {
    pub(in crate::cluster) gone: Vec<(String, String)>,
    pub(in crate::cluster) failed: Vec<(String, String)>,
    pub(in crate::cluster) whole: Vec<(String, String)>,
    pub(in crate::cluster) unconfirmed: Vec<String>,
}

/// Why a request is not granted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub(in crate::cluster) enum Refused {
    /// The nodes have different lists of who is live.
    #[error("the node has another list of nodes (view {0})")]
    View(u64),
    /// Not all nodes have said yet whom they have.
    #[error("the node has not heard from all others yet")]
    NotReady,
    /// The node may have forgotten somebody whom it was told of: everybody is to be named again.
    #[error("the node has been in another view meanwhile")]
    Everybody,
    /// The node is cut off from the others.
    #[error("the node is cut off")]
    Fenced,
    /// A message of another release.
    #[error("the node speaks another version of the protocol")]
    Protocol,
    /// The application could not be asked, or what it said cannot be kept.
    #[error("{text}")]
    Failed { kind: String, status: Option<u16>, text: String },
}

impl Refused {
    /// A failure of the application, as it is told at other nodes.
    pub(in crate::cluster) fn of(error: &FetchError, text: String) -> Self {
        let (kind, status) = match error {
            FetchError::Unreachable(_) => ("unreachable", None),
            FetchError::TimedOut => ("timed-out", None),
            FetchError::Status(status) => ("status", Some(*status)),
            FetchError::TooLarge => ("too-large", None),
            FetchError::Malformed(_) => ("malformed", None),
            FetchError::Misconfigured(_) => ("misconfigured", None),
        };
        Self::Failed { kind: kind.to_owned(), status, text }
    }

    /// The other way round.
    pub(in crate::cluster) fn as_fetch_error(&self) -> Option<FetchError> {
        let Self::Failed { kind, status, text } = self else { return None };
        Some(match (kind.as_str(), status) {
            ("timed-out", _) => FetchError::TimedOut,
            ("status", Some(status)) => FetchError::Status(*status),
            ("too-large", _) => FetchError::TooLarge,
            ("malformed", _) => FetchError::Malformed(text.clone()),
            ("misconfigured", _) => FetchError::Misconfigured(text.clone()),
            _ => FetchError::Unreachable(text.clone()),
        })
    }
}

/// A contact, with short keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::cluster) struct OneContact {
    j: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    n: Option<String>,
    /// `0` none, `1` to, `2` from, `3` both; 4 more if a request is pending.
    s: u8,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    g: Vec<String>,
}

/// A change of one contact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::cluster) enum OneChange {
    Put(OneContact),
    Remove(String),
}

const ASK: u8 = 4;

impl From<Contact> for OneContact {
    fn from(contact: Contact) -> Self {
        let Contact { jid, name, subscription, ask, groups } = contact;
        Self { j: jid, n: name, s: subscription as u8 + if ask { ASK } else { 0 }, g: groups }
    }
}

impl From<OneContact> for Contact {
    fn from(contact: OneContact) -> Self {
        let OneContact { j, n, s, g } = contact;
        let subscription = match s & 3 {
            0 => Subscription::None,
            1 => Subscription::To,
            2 => Subscription::From,
            _ => Subscription::Both,
        };
        Self { jid: j, name: n, subscription, ask: s & ASK != 0, groups: g }
    }
}

impl From<&Change> for OneChange {
    fn from(change: &Change) -> Self {
        match change {
            Change::Put(contact) => Self::Put(contact.clone().into()),
            Change::Remove(jid) => Self::Remove(jid.clone()),
        }
    }
}

impl From<OneChange> for Change {
    fn from(change: OneChange) -> Self {
        match change {
            OneChange::Put(contact) => Self::Put(contact.into()),
            OneChange::Remove(jid) => Self::Remove(jid),
        }
    }
}

/// All contacts of a roster.
pub(in crate::cluster) fn whole(contacts: &Contacts) -> Vec<OneContact> {
    contacts.iter().map(|contact| contact.to_contact().into()).collect()
}
