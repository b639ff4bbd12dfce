//! One instance of a plugin, and whether it may serve another call.

use std::sync::Arc;
use std::time::Instant;

use futures::future::BoxFuture;
use wasmtime::{Result, Store};

use crate::config::LimitsConfig;
use crate::plugin::engine::cpu::Metered;
use crate::plugin::engine::processor::Share;
use crate::plugin::imports::state::{Refused, State};
use crate::plugin::wit::{Hooks, Prepared};

/// Output streams an instance may keep open between calls: standard output and error, which languages open once.
const KEPT_STREAMS: usize = 3;

/// A component instance in its store.
pub(in crate::plugin) struct Instance {
    store: Store<State>,
    hooks: Box<dyn Hooks>,
    calls: u32,
    /// Retired after so many calls.
    most_calls: u32,
    /// Linear memory after starting up: a language with an interpreter begins with more than another ever uses.
    memory_at_start: usize,
    /// What its virtual host computes.
    share: Arc<Share>,
    /// When it was last used.
    pub(super) idle_since: Instant,
}

/// There is no instance.
pub(super) struct NotMade {
    pub(in crate::plugin) error: wasmtime::Error,
    /// It may be tried again when all instances together hold so much less that there is room for [`wanted`](Self::wanted).
    pub(in crate::plugin) no_room: bool,
    /// What it held of the budget and wanted more of it, bytes.
    pub(in crate::plugin) wanted: usize,
}

/// Why an instance is not used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retire {
    /// It has served its calls.
    Calls,
    /// Its memory has grown.
    Memory,
    /// It has kept handles (requests, bodies, ...) after a call.
    Handles,
    /// Every call gets a fresh instance.
    Always,
}

impl Retire {
    pub(in crate::plugin) fn name(self) -> &'static str {
        match self {
            Self::Calls => "retired-calls",
            Self::Memory => "retired-memory",
            Self::Handles => "retired-handles",
            Self::Always => "retired-fresh",
        }
    }
}

impl Instance {
    /// An instance in `store`, to be retired after `most_calls`.
    pub(super) async fn new(
        mut store: Store<State>,
        plugin: &dyn Prepared,
        most_calls: u32,
        share: Arc<Share>,
    ) -> std::result::Result<Self, NotMade> {
        // Starting up is not charged to a call, and is bounded by the pool's deadline.
        store.set_epoch_deadline(1);
        let meter = store.data().cpu.clone();
        let made = Metered::new(plugin.instantiate(&mut store), meter, Arc::clone(&share)).await;
        let memory = &store.data().memory;
        match made {
            Ok(hooks) => {
                let memory_at_start = memory.used;
                Ok(Self { store, hooks, calls: 0, most_calls, memory_at_start, share, idle_since: Instant::now() })
            }
            Err(error) => {
                Err(NotMade { error, wanted: memory.wanted, no_room: memory.refused == Some(Refused::NoRoom) })
            }
        }
    }

    /// What it holds of the budget for all instances.
    pub(in crate::plugin) fn held(&self) -> usize {
        self.store.data().memory.held()
    }

    pub(in crate::plugin) fn store(&mut self) -> &mut Store<State> {
        &mut self.store
    }

    /// Runs one call with fresh limits.
    pub(in crate::plugin) async fn run<R>(
        &mut self,
        call: impl for<'a> FnOnce(&'a mut Store<State>, &'a dyn Hooks) -> BoxFuture<'a, Result<R>>,
    ) -> Result<R> {
        self.calls += 1;
        self.store.data_mut().begin_call();
        self.store.set_epoch_deadline(1);
        let meter = self.store.data().cpu.clone();
        let result = Metered::new(call(&mut self.store, &*self.hooks), meter, Arc::clone(&self.share)).await;
        self.idle_since = self.store.data().cpu.ended();
        result
    }

    /// After a call that went well: must it go all the same?
    pub(super) fn retire(&mut self, limits: &LimitsConfig) -> Option<Retire> {
        if !limits.reuse_instances {
            Some(Retire::Always)
        } else if self.calls >= self.most_calls {
            Some(Retire::Calls)
        } else if self.store.data().memory.used - self.memory_at_start > limits.retire_memory {
            Some(Retire::Memory)
        } else if self.has_leftovers() {
            Some(Retire::Handles)
        } else {
            None
        }
    }

    fn has_leftovers(&mut self) -> bool {
        type Stream = Box<dyn wasmtime_wasi::p2::OutputStream>;
        let mut streams = 0;
        for entry in self.store.data_mut().table.iter_mut() {
            if !entry.is::<Stream>() {
                return true;
            }
            streams += 1;
        }
        streams > KEPT_STREAMS
    }
}
