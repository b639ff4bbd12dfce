//! What the operator wrote, parsed and checked once.
//!
//! The structs here are the configuration after checking: defaults filled in, secrets read, durations and sizes
//! as numbers. Every other room takes the part it needs by reference and never looks at a file or an environment
//! variable itself. This one knows none of them.
//!
//! `tables` has every key, written once: name, type, default, range, unit, and what it is for. From that come the structs,
//! [`Config::parse`], and the reference ([`reference()`], which is `docs/configuration.md`). How a file becomes a [`Config`]: `load`
//! parses TOML; `table` goes through the keys of a table and `values` reads what they have; the checks beside the tables look at keys together
//! and `files` at the files they name; `mistakes` collects what they find, with its line, into one [`ConfigError`].

mod changes;
mod files;
mod load;
mod mistakes;
mod reference;
mod table;
mod tables;
#[cfg(test)]
mod tests;
mod values;

pub use changes::Change;
pub use mistakes::error::{ConfigError, Problem};
pub use reference::reference;
pub use tables::*;
pub use values::origin::{Origin, OriginError, Scheme};
pub use values::plugin_place::{Artifact, PluginPlace};
pub use values::secret::Secret;
