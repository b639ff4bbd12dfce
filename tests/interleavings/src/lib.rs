//! The host's state machines under [shuttle]: the same source files as in `host/src`, compiled here with shuttle's `parking_lot`
//! and `tokio` in the place of the real ones, so that the order in which threads and tasks take their steps is chosen at
//! random and can be chosen again.
//!
//! [`rosters`], [`store`] and `sharded` are whole; of [`swap`] the plugin that serves, the canary, the generations and the moment of taking
//! over. What stands around them (configuration, metrics, sinks, a plugin) is made up here, and as small as it can be.
//! Standard atomics are not shuttle's: an operation of one is never in the middle of another step.

// Messages of tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

// `arc_swap::ArcSwap` is the one below.
extern crate self as arc_swap;

mod application;
mod check;
pub mod config;
pub mod metrics;
pub mod plugin;
#[path = "../../../host/src/rosters/mod.rs"]
pub mod rosters;
#[path = "../../../host/src/sharded.rs"]
mod sharded;
pub mod sinks;
#[path = "../../../host/src/store/mod.rs"]
pub mod store;
#[path = "../../../host/src/subject.rs"]
mod subject;
pub mod swap;

pub use application::{Application, Truth};
pub use check::check;
pub use roster_model as model;
pub use swap::arc_swap::ArcSwap;
