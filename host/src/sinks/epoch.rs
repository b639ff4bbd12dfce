//! What tells the events of this process from those of others.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::SystemTime;

/// A new one. Not to be guessed, only to be different: after a restart nobody is to take old numbers for new ones.
pub(crate) fn new() -> Arc<str> {
    format!("{:016x}", RandomState::new().hash_one(SystemTime::now())).into()
}
