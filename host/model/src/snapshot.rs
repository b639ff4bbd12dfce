//! One user's roster at one version.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::Contacts;

/// A validator the plugin chose; see `tag` in `wit/types.wit`.
pub type Tag = Box<[u8]>;

/// One user's roster at one version. Never changes, but for the time it was last found to be current.
#[derive(Debug)]
pub struct Snapshot {
    version: u64,
    tag: Option<Tag>,
    contacts: Contacts,
    made: Instant,
    /// Milliseconds after `made` when the application last confirmed this roster.
    confirmed_after: AtomicU64,
}

impl Snapshot {
    /// A roster as the application had it a moment ago.
    pub fn new(version: u64, tag: Option<Tag>, contacts: Contacts) -> Self {
        Self { version, tag, contacts, made: Instant::now(), confirmed_after: AtomicU64::new(0) }
    }

    /// Grows with every change of this user's roster.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The plugin's validator, if it gave one.
    pub fn tag(&self) -> Option<&[u8]> {
        self.tag.as_deref()
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
        size_of::<Self>() + self.contacts.bytes() + self.tag.as_ref().map_or(0, |tag| tag.len())
    }
}
