//! Compiling plugins, and keeping what comes of it.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::mistakes::place::At;
use crate::config::table::{Entry, Kind, table};
use crate::config::values::kind::{GIB, MIB, count, folder_or_off, secs, size, wait, wait_from};

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

/// `plugin_cache` and `plugin_cache_size`.
pub(super) struct CacheKeys;

impl Kind for CacheKeys {
    type Value = Option<PluginCacheConfig>;

    fn read(&self, at: &At<'_>, key: &'static str, _: Self::Value) -> Self::Value {
        if at.has("plugin_cache_size") && !at.has(key) {
            at.key("plugin_cache_size").warn("there is no plugin_cache");
        }
        let folder = folder_or_off().read(at, key, None);
        let default = PluginCacheConfig::new(folder.clone().unwrap_or_default());
        let size = size(MIB..=1024 * GIB).read(at, "plugin_cache_size", default.size);
        folder.map(|folder| PluginCacheConfig { folder, size })
    }

    fn entries(&self, key: &'static str, _: &'static str, value: &Self::Value) -> Vec<Entry> {
        let size_now = value.as_ref().map_or_else(|| PluginCacheConfig::new(PathBuf::new()).size, |cache| cache.size);
        let folder = value.as_ref().map(|cache| cache.folder.clone());
        let mut entries = folder_or_off().entries(
            key,
            "A folder that keeps compiled plugins, for a faster start. It is made if it is not there. What is in it is run as \
             machine code, so nobody but the user the host runs as may be able to write to it.",
            &folder,
        );
        entries.extend(size(MIB..=1024 * GIB).entries(
            "plugin_cache_size",
            "What its files may take together; those not used for longest go first.",
            &size_now,
        ));
        entries
    }
}

table! {
    /// What compiling a plugin may cost. A plugin that is not in the cache is compiled by a process of its own, another
    /// `roster-host`, which the host starts for it and ends when one of these is passed. What is refused so leaves the plugin that
    /// serves in its place.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct CompileConfig {
        /// Memory of one compiler.
        memory: u64 = 1 << 30, size(32 * MIB..=1024 * GIB);
        /// What all threads of one compiler may compute together, in whole seconds.
        cpu_time: Duration = secs(60), wait_from(secs(1));
        /// How long one compilation may take, and how long it may wait for others to end before that.
        timeout: Duration = secs(60), wait();
        /// The longest component that is read. Those with an interpreter inside have some 10 MiB.
        max_component: u64 = 64 << 20, size(1..=GIB);
        /// The longest machine code; usually three times the component. The host takes up to twice as much memory while it loads
        /// it.
        max_code: u64 = 256 << 20, size(1..=GIB);
        /// Compilers at once. One virtual host never has more than one.
        max_concurrent: usize = 4, count(1..=1000, "compilers");
    }
    beside {
        /// The program that compiles, called with the subcommand `compile-plugin`: `roster-host`, or one that has the same engine
        /// and does what [`CompilerTask`](crate::plugin::CompilerTask) says. There is no key for it: `roster-host` uses itself.
        ///
        /// `None`, the default, compiles in this process, for who embeds the host and trusts the plugins. Then `memory`,
        /// `cpu_time` and `timeout` bound nothing: a compilation that has begun takes what it takes and cannot be stopped.
        program: Option<PathBuf> = None;
    }
}
