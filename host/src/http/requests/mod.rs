//! What holds for every request, whatever route it is for.
//!
//! - [`well_formed`] and [`target`]: its form, and one spelling for each path; [`fault`]: what can be wrong with one;
//! - [`paths`]: the paths there are; [`request_log`]: one log line, one count and one id for each.

pub(in crate::http) mod fault;
pub(crate) mod paths;
pub(in crate::http) mod request_log;
mod target;
pub(in crate::http) mod well_formed;
