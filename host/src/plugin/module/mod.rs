//! A component before anybody calls it: where its bytes come from, what it says of itself, whether it can be used, and its machine
//! code.

pub(in crate::plugin) mod builtin;
pub(in crate::plugin) mod compile;
pub(in crate::plugin) mod compile_error;
pub(in crate::plugin) mod digest;
pub(in crate::plugin) mod error;
pub(in crate::plugin) mod identity;
pub(in crate::plugin) mod loaded;
pub(in crate::plugin) mod metadata;
pub(in crate::plugin) mod not_granted;
pub(crate) mod private_file;
pub(in crate::plugin) mod registry;
pub(in crate::plugin) mod signature;
pub(in crate::plugin) mod source;
pub(in crate::plugin) mod type_check;
