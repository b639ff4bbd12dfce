//! Whose memory long bodies take.

/// A body up to this length is on nobody's account: bytes. There are no more of them at once than calls.
pub(super) const FREE: usize = 64 << 10;

/// Who has memory for the bodies of responses, such as the budget for all plugins.
pub trait Memory: Send + Sync + 'static {
    /// Takes `bytes`, which are given back when the result is dropped. `None`: there is no room for them.
    fn hold(&self, bytes: usize) -> Option<Box<dyn Send + Sync>>;
}
