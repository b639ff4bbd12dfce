//! What is wrong with a file, all of it at once, each with its place.
//!
//! [`place`]: where a value stands, in which of the [`lines`]; [`report`]: what the checks have found so far; [`error`]: what the
//! operator is told.

pub(in crate::config) mod error;
pub(in crate::config) mod lines;
pub(in crate::config) mod place;
pub(in crate::config) mod report;
