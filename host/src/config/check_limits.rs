//! `[limits]`, and whether limits that depend on each other fit.

use super::raw::RawProcessLimits;
use super::report::At;
use super::{HostConfig, ProcessLimits};

const MIB: u64 = 1 << 20;
const TIB: u64 = 1 << 40;

/// `[limits]`.
pub(super) fn process(raw: RawProcessLimits, at: &At<'_>) -> ProcessLimits {
    let d = ProcessLimits::default();
    ProcessLimits { total_memory: at.size("total_memory", raw.total_memory, d.total_memory, MIB..=TIB) }
}

/// An instance that may have more memory than all together never gets it.
pub(super) fn instances_fit(limits: &ProcessLimits, hosts: &[HostConfig], at: &At<'_>) {
    for (index, host) in hosts.iter().enumerate() {
        let (one, all) = (host.limits.max_memory, limits.total_memory);
        if one > all {
            at.key("host").index(index).key("limits").key("max_memory").problem(format!(
                "{one} bytes for one instance are more than all may have together: limits.total_memory is {all}"
            ));
        }
    }
}
