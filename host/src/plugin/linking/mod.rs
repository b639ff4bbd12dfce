//! Does a component fit, and what is it under the configuration of one virtual host? [`type_check`] compares what it has and needs
//! with the version of `xmpp:roster` that it was built for, [`loaded`] is what comes of it.

pub(in crate::plugin) mod loaded;
mod not_granted;
mod signature;
pub(in crate::plugin) mod type_check;
