//! Hot swap: another module takes the place of the one that serves, and nobody notices.
//!
//! A swap is a transaction ([`Swapper::swap`]): read the module and compare its digest; compile it and check its type and
//! its imports; [`rehearsal`]: every hook once, against canned answers; then calls that begin go to the new module
//! ([`slot`]), those that have begun end on the old one, which is drained. For its first calls the new module is on
//! [`probation`]: a call that it fails is made again on the old module, so that no user sees it, and when it fails too
//! many the old module is put back. A failure at any step leaves the old module serving. Each attempt leaves a
//! [`Receipt`].
//!
//! The store and every cached roster stay as they are: what a hook returns has no effect until the host applies it, and
//! a plugin keeps no state.

mod probation;
mod receipt;
mod rehearsal;
mod slot;
mod swapper;

pub use receipt::{Outcome, Receipt, Step};
pub use rehearsal::Rehearsed;
pub use slot::PluginSlot;
pub use swapper::{Status, Swapper};
