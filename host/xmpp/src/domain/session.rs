//! One bound resource.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use minidom::Element;
use roster_jid::resourcepart;
use roster_model::Username;
use tokio_util::sync::CancellationToken;

use super::stanza::Condition;
use crate::Outbound;
use crate::outbound::{NotQueued, Stanza};

/// One bound resource (RFC 6120 section 7), as the wire holds it. What changes of it is kept in the domain.
pub struct Session {
    /// Never given twice in one domain, other than the address.
    pub(super) number: u64,
    /// When it was bound, as [`super::nodes`] counts.
    pub(super) bound: u64,
    user: Username,
    jid: String,
    resource: String,
    bare: Arc<str>,
    source_id: String,
    pub(super) outbound: Outbound,
    /// Cancelled when the session has ended: whoever works for it stops.
    pub(super) ended: CancellationToken,
    /// Since when its client is away, among all that happens in the domain; 0 while it is here.
    asleep: AtomicU64,
}

impl Session {
    pub(super) fn new(
        (number, bound): (u64, u64),
        user: &Username,
        bare: Arc<str>,
        resource: String,
        outbound: Outbound,
    ) -> Self {
        let jid = format!("{bare}/{resource}");
        let source_id = format!("{resource}#{number}");
        let (ended, asleep) = (CancellationToken::new(), AtomicU64::new(0));
        Self { number, bound, user: user.clone(), jid, resource, bare, source_id, outbound, ended, asleep }
    }

    /// The address the session has: `john@example.com/phone`.
    pub fn jid(&self) -> &str {
        &self.jid
    }

    /// Whose session.
    pub fn user(&self) -> &Username {
        &self.user
    }

    /// `john@example.com`.
    pub fn bare(&self) -> &str {
        &self.bare
    }

    /// The resource as bound, which may not be the one asked for.
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// How the session is called at the [`crate::RosterSource`]. A session with the resource of an earlier one has another
    /// name, so the late end of the one does not end the other.
    pub fn source_id(&self) -> &str {
        &self.source_id
    }

    /// Whether the domain has let it go.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.is_cancelled()
    }

    /// The client is back.
    pub fn wake(&self) {
        self.asleep.store(0, Ordering::Relaxed);
    }

    pub(super) fn sleep(&self, since: u64) {
        self.asleep.store(since, Ordering::Relaxed);
    }

    /// Since when the client is away.
    pub(super) fn asleep(&self) -> Option<u64> {
        Some(self.asleep.load(Ordering::Relaxed)).filter(|since| *since > 0)
    }

    /// As [`Session::jid`].
    pub(super) fn address(&self) -> &str {
        &self.jid
    }

    /// Queues a stanza that `from` has sent. False if the client is away and too much of it waits already.
    pub(super) fn deliver(&self, from: &Username, stanza: Stanza) -> bool {
        if self.asleep().is_none() || *from == self.user {
            self.send(stanza);
            return true;
        }
        self.outbound.offer(from.as_str(), stanza) != Err(NotQueued::Refused)
    }

    /// Queues for this session. A failure ends the session elsewhere, and nobody else cares.
    pub(super) fn send(&self, stanza: impl Into<Stanza>) {
        let _ = self.outbound.send(stanza);
    }
}

/// The session cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BindError {
    /// The resource is not a resourcepart (RFC 7622 section 3.4).
    #[error("the resource asked for is not one that an address can have")]
    InvalidResource,
    /// The domain is no longer served.
    #[error("the domain is no longer served here")]
    HostGone,
    /// The user has as many sessions as the operator allows, and the clients of all are here.
    #[error("the user has {limit} sessions, and no more are allowed")]
    TooManySessions {
        /// Sessions allowed.
        limit: usize,
    },
}

impl BindError {
    /// The `<error/>` that goes into the answer (RFC 6120 section 7.6.2).
    pub fn element(&self) -> Element {
        match self {
            Self::InvalidResource => Condition::BadRequest.element(""),
            Self::HostGone => Condition::ItemNotFound.element(&self.to_string()),
            Self::TooManySessions { .. } => Condition::ResourceConstraint.element(&self.to_string()),
        }
    }
}

/// The resource a client asked for, normalised; one that nobody can guess if it asked for none.
pub(super) fn resource(asked: Option<&str>) -> Result<String, BindError> {
    match asked.filter(|text| !text.is_empty()) {
        None => Ok(random_text()),
        Some(text) => match resourcepart(text) {
            Ok(part) => Ok(part.into_owned()),
            Err(_) => Err(BindError::InvalidResource),
        },
    }
}

/// 128 bits of the operating system's randomness in hexadecimal.
pub(super) fn random_text() -> String {
    use std::hash::{BuildHasher, RandomState};
    let mut bytes = [0; 16];
    match getrandom::fill(&mut bytes) {
        Ok(()) => bytes.iter().fold(String::with_capacity(32), |text, byte| text + &format!("{byte:02x}")),
        // No randomness from the operating system: keys of the standard library's tables are the next best.
        Err(_) => format!("{:016x}{:016x}", RandomState::new().hash_one(0), RandomState::new().hash_one(1)),
    }
}
