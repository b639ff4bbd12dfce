//! Does a plugin do what its protocol says? Cases as data, run against a component without a network.
//!
//! The format is described in `tests/conformance/README.md`, and the cases are there too: hosts in other languages run the
//! same files. [`case`] is the format as types, [`suite`] where cases come from, [`application`] plays the web
//! application of a case, [`runner`] does between calls what a host does, [`compare`] says what is not as expected.

mod application;
mod case;
mod compare;
mod runner;
mod suite;

pub use case::contacts;
pub use runner::{CaseResult, detect, run};
pub use suite::{Suite, SuiteError};
