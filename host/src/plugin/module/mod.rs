//! A component before anybody calls it: where its bytes come from, what it says of itself, and its machine code.

pub(in crate::plugin) mod builtin;
pub(in crate::plugin) mod compile;
pub(in crate::plugin) mod compile_error;
pub(in crate::plugin) mod digest;
pub(in crate::plugin) mod error;
pub(in crate::plugin) mod identity;
pub(in crate::plugin) mod metadata;
pub(crate) mod private_file;
pub(in crate::plugin) mod registry;
pub(in crate::plugin) mod source;
