//! What has changed from one roster to another.
//!
//! `in_step` (with `shape`): both read at once, the fast way; [`diff`]: any two rosters, the thorough way.

pub mod diff;
pub(crate) mod in_step;
mod shape;
