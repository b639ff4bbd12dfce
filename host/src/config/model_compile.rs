//! The parts of the configuration about compiling plugins and keeping what comes of it.

use std::path::PathBuf;
use std::time::Duration;

/// Compiled plugins on disk, for a faster start.
///
/// Off unless it is set: what is in the folder is run as machine code, so which one that is, is for the operator to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginCacheConfig {
    /// `plugin_cache`: a folder that nobody else can write to. It is made if it is not there.
    pub folder: PathBuf,
    /// `plugin_cache_size`: what its files may take together, bytes, default 256 MiB. Those not used for longest go first.
    pub size: u64,
}

impl PluginCacheConfig {
    /// `folder` with the default size.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, size: 256 << 20 }
    }
}

/// `[compile]`: what compiling one plugin may cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompileConfig {
    /// `memory`: of one compiler, bytes, default 1 GiB.
    pub memory: u64,
    /// `cpu_time`: what all threads of one compiler may compute together, in whole seconds, default 60 s.
    pub cpu_time: Duration,
    /// `timeout`: wall clock of one compilation, default 60 s; as long it may wait for other plugins' before.
    pub timeout: Duration,
    /// `max_component`: the longest component that is read, bytes, default 64 MiB. Those with an interpreter inside have some
    /// 10 MiB.
    pub max_component: u64,
    /// `max_code`: the longest machine code, bytes, default 256 MiB. It has some three times the length of the component.
    pub max_code: u64,
    /// `max_concurrent`: compilers at once, default 4. For one virtual host there is never more than one.
    pub max_concurrent: usize,
    /// The program that compiles, called with the subcommand `compile-plugin`: `roster-host`, or one that has the same engine
    /// and does what [`CompilerTask`](crate::plugin::CompilerTask) says. There is no key for it: `roster-host` uses itself.
    ///
    /// `None`, the default, compiles in this process, for who embeds the host and trusts the plugins. Then `memory`,
    /// `cpu_time` and `timeout` bound nothing: a compilation that has begun takes what it takes and cannot be stopped.
    pub program: Option<PathBuf>,
}

impl Default for CompileConfig {
    fn default() -> Self {
        Self {
            memory: 1 << 30,
            cpu_time: Duration::from_secs(60),
            timeout: Duration::from_secs(60),
            max_component: 64 << 20,
            max_code: 256 << 20,
            max_concurrent: 4,
            program: None,
        }
    }
}
