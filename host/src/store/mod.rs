//! Where rosters are kept: versioned snapshots, bounded in users and bytes.
//!
//! The store keeps what it is given and drops what it is told to; who is connected and when a roster is fetched is
//! the business of [`crate::rosters`].

mod memory;

use std::sync::Arc;

use crate::model::{Contacts, Snapshot, Tag, Username};

pub use memory::MemoryStore;

/// Keeps one roster per user of one virtual host.
///
/// Every method is quick and never waits for anything but a short lock.
pub trait RosterStore: Send + Sync + 'static {
    /// The user's roster, if one is kept.
    fn get(&self, user: &Username) -> Option<Arc<Snapshot>>;

    /// Keeps `contacts` as the user's roster if the version kept now is still `expected` (`None`: nothing is kept).
    ///
    /// The new version is greater than any the user ever had in this store, also when the roster was dropped in
    /// between. On an error the store is as it was.
    fn replace(
        &self,
        user: &Username,
        expected: Option<u64>,
        contacts: Contacts,
        tag: Option<Tag>,
    ) -> Result<Arc<Snapshot>, StoreError>;

    /// Keeps another tag with the same contacts and the same version, under the same condition as `replace`.
    fn retag(&self, user: &Username, expected: u64, tag: Option<Tag>) -> Result<Arc<Snapshot>, StoreError>;

    /// Drops the user's roster; the version that was kept, if one was.
    fn remove(&self, user: &Username) -> Option<u64>;

    /// What the store holds now.
    fn usage(&self) -> StoreUsage;
}

/// What a store holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreUsage {
    /// Rosters kept.
    pub users: usize,
    /// Memory they take, bytes.
    pub bytes: usize,
}

/// The roster was not kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Somebody else stored or dropped the roster in between.
    #[error("the roster of {user} was replaced meanwhile (version {found:?} instead of {expected:?})")]
    Conflict {
        /// Whose roster.
        user: Username,
        /// The version the caller built on.
        expected: Option<u64>,
        /// The version the store has.
        found: Option<u64>,
    },
    /// No room, and every roster kept belongs to somebody who is connected.
    #[error("no room for the roster of {user}: {limit} is reached ({users} users, {bytes} bytes)")]
    Full {
        /// Whose roster.
        user: Username,
        /// The key of the limit, `store.max_users` or `store.max_bytes`.
        limit: &'static str,
        /// Rosters kept.
        users: usize,
        /// Memory they take, bytes.
        bytes: usize,
    },
}
