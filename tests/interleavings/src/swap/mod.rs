//! The parts of `host/src/swap` that hold the promises; the transaction around them is made up, without a module to compile.

pub(crate) mod arc_swap;
// What another configuration asks of it is not tried here; nor what the receipt asks of the slot.
#[allow(dead_code)]
#[path = "../../../../host/src/swap/generations.rs"]
mod generations;
#[path = "../../../../host/src/swap/probation.rs"]
mod probation;
mod receipt;
#[allow(dead_code)]
#[path = "../../../../host/src/swap/slot.rs"]
mod slot;
mod swapper;
#[path = "../../../../host/src/swap/take_over.rs"]
mod take_over;

pub use slot::PluginSlot;
pub use swapper::Swapper;
