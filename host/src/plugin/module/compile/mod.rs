//! From bytes to machine code: once per process, and with a cache folder once per machine.
//!
//! A component is looked for in three places ([`compiler`]): among those this process runs, in the [`cache`], and
//! then it is compiled. Several virtual hosts with the same plugin share one copy of its code, and whoever wants what is
//! being compiled waits for that. Others are compiled beside it, a few at once.
//!
//! Nobody knows what a component costs to compile before it is done: 200 kB can take a minute and gigabytes. So a process of
//! its own does it ([`child`], [`task`]), which has limits and can be killed, and what comes out is as good as what the cache
//! holds. Who embeds the host may have it done [`in_process`].
//!
//! A start compiles as fast as the machine can: nobody is served yet. A swap compiles with a low [`priority`], so that those who
//! are served do not wait for it.
//!
//! The map: [`cache`] is the folder, [`private_file`](super::private_file) one file and why it is believed, [`trusted`] the
//! one place with `unsafe`.

mod cache;
mod child;
mod compiler;
mod fingerprint;
mod in_process;
mod priority;
mod task;
#[cfg(test)]
mod tests;
mod trusted;

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use wasmtime::component::Component;
use wasmtime::{Config, Engine};

use self::fingerprint::{file_name, fingerprint};

pub(in crate::plugin) use self::compiler::Compiler;
pub use self::task::{COMPILER_COMMAND, CompilerTask};

/// Who waits for the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// The host starts: use all cores.
    Start,
    /// Calls are being served, and must not notice.
    Swap,
}

/// Where compiled code came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CodeFrom {
    /// This process runs it already.
    Memory,
    /// The compile cache.
    Cache,
    /// The compiler.
    Compiler,
}

/// Machine code, shared by all who run it.
pub(in crate::plugin) struct Code {
    pub(in crate::plugin) component: Component,
}

/// A component as machine code, not linked yet.
pub struct CompiledPlugin {
    pub(in crate::plugin) code: Arc<Code>,
    imports: Vec<String>,
    from: CodeFrom,
    took: Duration,
}

impl CompiledPlugin {
    fn new(engine: &Engine, code: Arc<Code>, from: CodeFrom, took: Duration) -> Self {
        let imports = code.component.component_type().imports(engine).map(|(name, _)| name.to_owned()).collect();
        Self { code, imports, from, took }
    }

    /// The interfaces it imports, as they are written in it.
    pub fn imports(&self) -> &[String] {
        &self.imports
    }

    /// Where the machine code came from.
    pub fn code_from(&self) -> CodeFrom {
        self.from
    }

    /// How long it took to have it, waiting for other compilations not included.
    pub fn took(&self) -> Duration {
        self.took
    }
}

/// What machine code depends on: the same for an engine that runs plugins and for a process that only compiles them, which has
/// no use for the address space of the pool.
pub(in crate::plugin) fn settings() -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        // Plugins are WASI 0.2; what wasmtime prepares in every store for concurrent ones is not needed.
        .concurrency_support(false)
        .wasm_component_model(true)
        .max_wasm_stack(512 << 10);
    config
}
