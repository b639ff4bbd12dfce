//! Logging in (RFC 6120 section 6).
//!
//! - [`login`]: the exchange of one stream
//! - [`scram`]: SCRAM's messages
//! - [`throttle`]: how often it may fail
//! - [`failure`]: the conditions

mod failure;
mod login;
mod scram;
mod throttle;

pub use failure::SaslFailure;
pub(crate) use login::{Login, Step, Surroundings};
pub(crate) use throttle::Throttle;
