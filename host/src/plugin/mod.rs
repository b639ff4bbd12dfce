//! Runs plugins: one wasmtime engine, and for every virtual host a component with warm instances and limits.
//!
//! The way of a call: [`WasmPlugin`] (the hooks as [`RosterPlugin`], see [`said`]) gives it its turn and its deadline ([`call`]), takes an
//! [`instance`] from the [`pool`], sets the call's limits in its [`state`], calls the export, and puts the instance back or
//! retires it. What the component can reach while it runs is listed in [`linker`]: its settings, one roster
//! ([`known_roster`]), clocks, random numbers, and standard error, which goes to the log ([`guest_log`]); and, for plugins
//! that send requests of their own, the host's HTTP client ([`wasi_http`]).
//!
//! For a roster, an [`exchange`] calls two hooks and asks the application in between ([`network`]). A response that is the
//! one before ([`digest`]) is not read again.
//!
//! What all instances hold together is bounded by the [`budget`], and how many compute at once by the [`processor`].
//!
//! Several versions of the WIT are served side by side: [`version`] says what a version is, [`v0_1`] is one. What a plugin
//! returns is bounded in [`tidy`], whatever its version. The latest real calls are kept in [`recorder`] ([`recorded`] is
//! what does it) with what the application answered ([`recording`]), to be made again in a module that is to take over.

mod admit;
mod budget;
#[cfg(test)]
mod budget_tests;
mod builtin;
mod call;
mod collector;
mod compare;
mod compile;
mod contract;
mod cpu;
mod digest;
mod engine;
mod error;
mod exchange;
mod fit;
mod grants;
mod guest_log;
mod identity;
mod instance;
mod known_roster;
mod last_exchange;
mod linker;
mod metadata;
mod needed;
mod network;
#[cfg(test)]
mod next;
mod pool;
pub(crate) mod private_file;
mod processor;
mod recorded;
mod recorder;
mod recording;
mod request;
mod said;
mod signature;
mod source;
mod state;
mod tidy;
mod v0_1;
mod version;
mod wasi_http;
mod wasm_plugin;

pub use builtin::BUILT_IN;
pub use collector::PluginMemory;
pub use compile::{COMPILER_COMMAND, CodeFrom, CompileError, CompiledPlugin, CompilerTask, Urgency};
pub use contract::{
    BadRequest, CallError, Delta, FetchError, FetchFailure, FetchedRoster, Outcome, Refreshed, Reply, RosterPlugin,
};
pub use engine::{EngineSize, PluginEngine};
pub use error::LoadError;
pub use network::{Network, Outbound};
pub(crate) use recorder::{Call, RecordedCall};
pub(crate) use recording::{Replay, Replayed};
pub use source::{Digest, LONGEST_PLUGIN, PluginBytes, PluginSource};
pub(crate) use tidy::one_line;
pub use wasm_plugin::{LoadOptions, WasmPlugin};
