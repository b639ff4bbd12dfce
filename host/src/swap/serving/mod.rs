//! The module that serves, those before it, and how one follows another.
//!
//! [`serving_plugin`] is what calls go through, [`canary`] watches the first ones of a new module, [`generations`] keeps those that can
//! be put back, and [`mod@take_over`] is the moment of the change.

pub(super) mod canary;
pub(super) mod generations;
pub(super) mod serving_plugin;
pub(super) mod take_over;
