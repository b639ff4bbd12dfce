//! Those of all virtual hosts, which come and go while the host runs.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::Swapper;

/// The swappers of the virtual hosts, in the operator's order. A clone is the same.
#[derive(Clone, Default)]
pub struct Swappers(Arc<ArcSwap<Vec<Arc<Swapper>>>>);

impl Swappers {
    /// Those that there are now.
    pub fn iter(&self) -> impl Iterator<Item = Arc<Swapper>> + use<> {
        self.0.load().to_vec().into_iter()
    }

    /// Others from now on, for all clones.
    pub fn replace(&self, swappers: Vec<Arc<Swapper>>) {
        self.0.store(Arc::new(swappers));
    }
}
