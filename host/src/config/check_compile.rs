//! `[compile]`, and where compiled plugins are kept.

use std::path::PathBuf;
use std::time::Duration;

use super::given::Given;
use super::raw::RawCompile;
use super::report::At;
use super::value::Size;
use super::{CompileConfig, PluginCacheConfig};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

pub(super) fn compile(raw: RawCompile, at: &At<'_>) -> CompileConfig {
    let d = CompileConfig::default();
    let size = |key, given, default: u64, range| {
        at.size(key, given, usize::try_from(default).unwrap_or(usize::MAX), range) as u64
    };
    let cpu_time = at.wait("cpu_time", raw.cpu_time, d.cpu_time);
    if cpu_time < Duration::from_secs(1) {
        // The system counts in whole seconds.
        at.key("cpu_time").problem(format!("{}: expected 1s or more", humantime::format_duration(cpu_time)));
    }
    CompileConfig {
        // Less does not start the program.
        memory: size("memory", raw.memory, d.memory, 32 * MIB..=1 << 40),
        cpu_time,
        timeout: at.wait("timeout", raw.timeout, d.timeout),
        max_component: size("max_component", raw.max_component, d.max_component, 1..=GIB),
        max_code: size("max_code", raw.max_code, d.max_code, 1..=GIB),
        max_concurrent: at.count("max_concurrent", raw.max_concurrent, d.max_concurrent, 1..=1000),
        program: d.program,
    }
}

pub(super) fn cache(folder: Given<PathBuf>, size: Given<Size>, at: &At<'_>) -> Option<PluginCacheConfig> {
    const SIZES: std::ops::RangeInclusive<u64> = 1 << 20..=1 << 40;
    if folder.is_absent() && !size.is_absent() {
        at.key("plugin_cache_size").warn("there is no plugin_cache");
    }
    let off = matches!(&folder, Given::Good(folder) if folder.as_os_str() == "off");
    let defaults = PluginCacheConfig::new(at.path("plugin_cache", folder).unwrap_or_default());
    let default = usize::try_from(defaults.size).unwrap_or(usize::MAX);
    let size = at.size("plugin_cache_size", size, default, SIZES) as u64;
    let folder = defaults.folder;
    (!off && !folder.as_os_str().is_empty()).then_some(PluginCacheConfig { folder, size })
}
