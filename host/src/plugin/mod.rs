//! Runs plugins: one wasmtime engine, and for every virtual host a component with warm instances and limits.
//!
//! What the others see is [`api`], and [`WasmPlugin`] is what does it. The folders, each of which uses only those before it:
//!
//! - [`sanitize`]: what is kept of what a plugin says;
//! - [`module`]: where a component comes from, and its machine code;
//! - [`recording`]: the latest real calls, to be made again in a module that is to take over;
//! - [`requests`]: what is asked of the application for one roster, and what it may cost;
//! - [`engine`]: wasmtime's, and what all instances together may take of memory and time;
//! - [`imports`]: what a component can reach while it runs, and what belongs to its store;
//! - [`wit`]: the versions of `xmpp:roster`, side by side;
//! - [`linking`]: does the component fit, and what is it for one virtual host;
//! - [`runtime`]: calls, and the instances they run on;
//! - [`exchange`]: from the request that a plugin wants to what the response means, without a call where it is the one before;
//! - [`wasm_plugin`]: all of it together.

mod api;
mod engine;
mod exchange;
mod imports;
mod linking;
mod module;
mod outbound;
mod recording;
mod requests;
mod runtime;
mod sanitize;
mod wasm_plugin;
mod wit;

pub use api::{
    BadRequest, CallError, Delta, FetchError, FetchFailure, FetchedRoster, Outcome, Refreshed, Reply, RosterPlugin,
};
pub use engine::collector::PluginMemory;
pub use engine::{EngineSize, PluginEngine};
pub(crate) use exchange::bulk::{BulkError, Together};
pub use module::builtin::BUILT_IN;
pub use module::compile::{COMPILER_COMMAND, CodeFrom, CompiledPlugin, CompilerTask, Urgency};
pub use module::compile_error::CompileError;
pub use module::digest::Digest;
pub use module::error::LoadError;
pub(crate) use module::private_file;
pub use module::registry::{IfUnreachable, Registry, RegistryError};
pub use module::source::{LONGEST_PLUGIN, PluginBytes, PluginSource};
pub use outbound::Outbound;
pub(crate) use recording::recorder::{Call, PieceDigest, RecordedCall};
pub(crate) use recording::{Replay, Replayed};
pub use requests::network::Network;
pub(crate) use sanitize::one_line;
pub use wasm_plugin::{LoadOptions, WasmPlugin};
