//! The crate arc-swap as far as [`super::serving::serving_plugin`] uses it, in steps that shuttle can put something between.

use std::sync::Arc;

use parking_lot::Mutex;

/// An `Arc` that can be replaced.
pub struct ArcSwap<T>(Mutex<Arc<T>>);

impl<T> ArcSwap<T> {
    pub(crate) fn from_pointee(value: T) -> Self {
        Self(Mutex::new(Arc::new(value)))
    }

    pub(crate) fn load(&self) -> Arc<T> {
        Arc::clone(&self.0.lock())
    }

    pub(crate) fn load_full(&self) -> Arc<T> {
        self.load()
    }

    /// What was there before.
    pub(crate) fn compare_and_swap(&self, current: &Arc<T>, new: Arc<T>) -> Arc<T> {
        let mut value = self.0.lock();
        let found = Arc::clone(&value);
        if Arc::ptr_eq(&found, current) {
            *value = new;
        }
        found
    }

    pub(crate) fn rcu(&self, update: impl Fn(&Arc<T>) -> T) -> Arc<T> {
        loop {
            let current = self.load();
            let new = Arc::new(update(&current));
            if Arc::ptr_eq(&self.compare_and_swap(&current, new), &current) {
                return current;
            }
        }
    }
}
