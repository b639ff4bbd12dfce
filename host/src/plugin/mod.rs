//! Runs one plugin: engine, linker, limits, warm instances.

mod contract;

pub use contract::{Answer, BadRequest, CallError, Delta, FetchError, FetchedRoster, Outcome, Refreshed, RosterPlugin};
