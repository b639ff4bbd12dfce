//! What all plugins of the process may use together.

/// `[limits]`: for all virtual hosts together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessLimits {
    /// `total_memory`: what the instances of all plugins may hold together, bytes, default 1 GiB: eight instances as large
    /// as one may be, or some hundreds of the built-in plugin's. A number of bytes and no part of the machine's memory, so that
    /// it is the same in a container that may use less.
    pub total_memory: usize,
}

impl Default for ProcessLimits {
    fn default() -> Self {
        Self { total_memory: 1 << 30 }
    }
}
