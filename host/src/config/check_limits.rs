//! `[limits]`, and whether limits that depend on each other fit.

use super::raw::RawProcessLimits;
use super::report::At;
use super::{HostConfig, HttpConfig, ProcessLimits};

const MIB: u64 = 1 << 20;
const TIB: u64 = 1 << 40;

/// `[limits]`.
pub(super) fn process(raw: RawProcessLimits, at: &At<'_>) -> ProcessLimits {
    let d = ProcessLimits::default();
    ProcessLimits { total_memory: at.size("total_memory", raw.total_memory, d.total_memory, MIB..=TIB) }
}

/// Memory that a plugin needs for each byte of a request body, at most: of JSON in which each name has three bytes, the built-in
/// one takes twenty.
const MEMORY_PER_BYTE: usize = 32;

/// What the refresh route takes, a plugin should be able to read.
pub(super) fn bodies_fit(http: &HttpConfig, hosts: &[HostConfig], at: &At<'_>) {
    for (index, host) in hosts.iter().enumerate() {
        let (body, memory) = (http.max_body, host.limits.max_memory);
        let fits = memory / MEMORY_PER_BYTE;
        if body > fits {
            at.key("http").key("max_body").warn(format!(
                "a plugin may need {MEMORY_PER_BYTE} bytes of memory for each byte of a body, so that \
                 host[{index}].limits.max_memory ({memory} bytes) is enough for bodies of {fits} bytes and not for {body}: \
                 longer ones may be refused with 413 although they were taken"
            ));
        }
    }
}

/// An instance that may have more memory than all together never gets it.
pub(super) fn instances_fit(limits: &ProcessLimits, hosts: &[HostConfig], at: &At<'_>) {
    for (index, host) in hosts.iter().enumerate() {
        let (one, all) = (host.limits.max_memory, limits.total_memory);
        if one > all {
            at.key("host").index(index).key("limits").key("max_memory").warn(format!(
                "{one} bytes for one instance are more than all may have together, which is {all} (limits.total_memory)"
            ));
        }
    }
}
