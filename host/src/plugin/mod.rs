//! Runs plugins: one wasmtime engine, and for every virtual host a component with warm instances and limits.
//!
//! What the others see is [`api`]; [`WasmPlugin`] is what does it, [`hooks`] what it says to each question, and [`many`] what it says
//! of users together. The folders, in
//! the order of a plugin's life:
//!
//! - [`module`]: where a component comes from, whether it fits, its machine code;
//! - [`wit`]: the versions of `xmpp:roster`, side by side;
//! - [`imports`]: what a component can reach while it runs;
//! - [`runtime`]: calls, the instances they run on, and what they may take of memory and time;
//! - [`exchange`]: from the request that a plugin wants to what the response means, without a call where it is the one before;
//! - [`sanitize`]: what is kept of what a plugin says;
//! - [`recording`]: the latest real calls, to be made again in a module that is to take over.

mod api;
mod exchange;
mod hooks;
mod imports;
mod many;
mod module;
mod recording;
mod runtime;
mod sanitize;
mod wasm_plugin;
mod wit;

pub use api::{
    BadRequest, CallError, Delta, FetchError, FetchFailure, FetchedRoster, Outcome, Refreshed, Reply, RosterPlugin,
};
pub(crate) use exchange::bulk::{BulkError, Together};
pub use exchange::network::{Network, Outbound};
pub use module::builtin::BUILT_IN;
pub use module::compile::{COMPILER_COMMAND, CodeFrom, CompiledPlugin, CompilerTask, Urgency};
pub use module::compile_error::CompileError;
pub use module::digest::Digest;
pub use module::error::LoadError;
pub(crate) use module::private_file;
pub use module::registry::{IfUnreachable, Registry, RegistryError};
pub use module::source::{LONGEST_PLUGIN, PluginBytes, PluginSource};
pub(crate) use recording::recorder::{Call, PieceDigest, RecordedCall};
pub(crate) use recording::{Replay, Replayed};
pub use runtime::collector::PluginMemory;
pub use runtime::engine::{EngineSize, PluginEngine};
pub(crate) use sanitize::one_line;
pub use wasm_plugin::{LoadOptions, WasmPlugin};
