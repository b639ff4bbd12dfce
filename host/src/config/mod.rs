//! What the operator wrote, parsed and checked once.
//!
//! The structs here are the configuration after checking: defaults filled in, secrets read, durations and sizes
//! as numbers. Every other room takes the part it needs by reference and never looks at a file or an environment
//! variable itself.

mod model;
mod secret;

pub use model::*;
pub use secret::Secret;
