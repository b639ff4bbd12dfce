//! Hot swap: another module takes the place of the one that serves, and nobody notices.
//!
//! A swap is a transaction ([`Swapper`]), step by step:
//!
//! 1. [`candidate`]: everything that can fail, before anything is changed. Read the module and compare its digest, and that
//!    of its settings, limits and grants; compile it, away from the threads that serve; check its hooks and its imports; let
//!    it check its settings; [`rehearsal`](trial::rehearsal): every hook once, against canned answers; [`shadow`](trial::shadow):
//!    the latest real calls once more, compared by what they mean.
//! 2. [`serving`]: calls that begin go to the new module, those that have begun end on the old one, which is
//!    drained and kept.
//! 3. The first calls of the new module are watched. One that it fails is made again on the old module, so
//!    that no user sees it, and when it fails too many the old module is put back.
//!
//! [`reconfigure`] does the same for other settings, limits or grants.
//!
//! A failure at any step leaves the old module serving. Each attempt leaves a [`Receipt`] ([`history`]). What asks for a
//! swap: the file has changed ([`watch`]), SIGHUP and the admin listener.
//!
//! [`last_good`] keeps the module that serves well for a start at which the configured one cannot be used.
//!
//! The store and every cached roster stay as they are: what a hook returns has no effect until the host applies it, and
//! a plugin keeps no state.

mod candidate;
mod configured;
mod history;
mod last_good;
mod receipt;
mod reconfigure;
mod serving;
mod status;
mod swapper;
mod swappers;
mod trial;
mod watch;

pub use receipt::{Module, Outcome, Receipt, Step};
pub use reconfigure::Reconfiguration;
pub use serving::canary::Progress;
pub use serving::serving_plugin::ServingPlugin;
pub use status::{KeptModule, Status};
pub use swapper::Swapper;
pub use swappers::Swappers;
pub use trial::rehearsal::{Rehearsed, run as rehearse};
pub use trial::shadow::Shadow;
