//! One user's roster at one version.

use std::num::NonZeroU64;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::Contacts;

/// A keyed digest of a response, 128 bits. Not to leave the process, as its key does not.
pub type ResponseDigest = [u8; 16];

/// What is kept beside a roster, to find out soon whether it is still the application's. It means something only to whoever
/// has read the roster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tag {
    /// Who has read the roster: the module under its settings.
    pub reader: u64,
    /// Of the one response that gave the roster; `None` if it took several.
    pub digest: Option<ResponseDigest>,
    /// The validator that the plugin chose; see `tag` in `wit/types.wit`.
    pub validator: Option<Box<[u8]>>,
}

impl From<Vec<u8>> for Tag {
    fn from(validator: Vec<u8>) -> Self {
        Self { validator: Some(validator.into()), ..Self::default() }
    }
}

/// One user's roster at one version. Never changes, but for the time it was last found to be current.
#[derive(Debug)]
pub struct Snapshot {
    version: u64,
    tag: Option<Tag>,
    contacts: Contacts,
    made: Instant,
    /// Milliseconds after `made` when the application last confirmed this roster.
    confirmed_after: AtomicU64,
    /// Worked out for whoever asks first.
    content_version: OnceLock<NonZeroU64>,
}

impl Snapshot {
    /// A roster as the application had it a moment ago.
    pub fn new(version: u64, tag: Option<Tag>, contacts: Contacts) -> Self {
        Self {
            version,
            tag,
            contacts,
            made: Instant::now(),
            confirmed_after: AtomicU64::new(0),
            content_version: OnceLock::new(),
        }
    }

    /// Grows with every change of this user's roster.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The same for the same contacts, whatever host or process has them: see [`Contacts::content_version`].
    pub fn content_version(&self) -> u64 {
        self.content_version.get_or_init(|| self.contacts.content_version()).get()
    }

    /// What tells whether it is still the application's.
    pub fn tag(&self) -> Option<&Tag> {
        self.tag.as_ref()
    }

    /// The contacts.
    pub fn contacts(&self) -> &Contacts {
        &self.contacts
    }

    /// The application has just said that this is its roster.
    pub fn confirm(&self) {
        let after = u64::try_from(self.made.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.confirmed_after.fetch_max(after, Ordering::Relaxed);
    }

    /// How long ago the application last said that this is its roster.
    pub fn age(&self) -> Duration {
        let after = Duration::from_millis(self.confirmed_after.load(Ordering::Relaxed));
        self.made.elapsed().saturating_sub(after)
    }

    /// Memory taken, bytes.
    pub fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.contacts.bytes()
            + self.tag.as_ref().and_then(|tag| tag.validator.as_ref()).map_or(0, |validator| validator.len())
    }
}
