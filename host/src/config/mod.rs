//! What the operator wrote, parsed and checked once.
//!
//! The structs here are the configuration after checking: defaults filled in, secrets read, durations and sizes
//! as numbers. Every other room takes the part it needs by reference and never looks at a file or an environment
//! variable itself. This one knows none of them.
//!
//! `tables` has every key, written once: name, type, default, range, unit, and what it is for. From that come the structs,
//! [`Config::parse`], and the reference ([`reference()`], which is `docs/configuration.md`). How a file becomes a [`Config`]: `load`
//! parses TOML; `table` goes through the keys of a table and `kind` reads the values, at the places in the file that `place` knows;
//! the checks beside the tables look at keys together and `files` at the files they name; `report` collects what they find into
//! one [`ConfigError`].

mod changes;
mod error;
mod files;
mod kind;
mod kind_secret;
mod lines;
mod load;
mod origin;
mod place;
mod plugin_place;
mod reference;
mod report;
mod secret;
mod table;
mod tables;
#[cfg(test)]
mod tests;

pub use changes::Change;
pub use error::{ConfigError, Problem};
pub use origin::{Origin, OriginError, Scheme};
pub use plugin_place::{Artifact, PluginPlace};
pub use reference::reference;
pub use secret::Secret;
pub use tables::*;
