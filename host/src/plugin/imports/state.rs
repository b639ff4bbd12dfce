//! What belongs to one instance: its WASI, its handles, its settings, and the limits of the call it serves.

use std::collections::BTreeMap;
use std::time::Duration;

use wasmtime::component::{HasData, ResourceTable};
use wasmtime::{ResourceLimiter, Result, Store, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_config::WasiConfigVariables;
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::http::Outgoing;
use super::log::GuestLog;
use crate::config::LimitsConfig;
use crate::metrics::Used;
use crate::plugin::engine::budget::Reservation;
use crate::plugin::engine::cpu::CpuMeter;
use crate::plugin::engine::{PluginEngine, TICK};
use crate::plugin::requests::HEADER_BYTES;
use crate::plugin::requests::network::Network;

/// Most bytes a plugin may pass to the host in one call, either way round. A roster of 100,000 contacts is about
/// ten megabytes, a list of 100,000 users about three.
const HOSTCALL_BYTES: usize = 16 << 20;
/// What a username takes of that, beside its letters, of which most have fewer.
const USERNAME: usize = 64;
/// Most random bytes in one host call: more would be a way to compute on the host's account.
const RANDOM_BYTES: u64 = 64 << 10;
/// Entries a table may grow to; components from Rust have a few hundred.
const TABLE_ELEMENTS: usize = 20_000;

/// The data of a wasmtime store.
pub(in crate::plugin) struct State {
    pub(in crate::plugin) table: ResourceTable,
    pub(in crate::plugin) settings: WasiConfigVariables,
    pub(in crate::plugin) log: GuestLog,
    pub(in crate::plugin) outgoing: Outgoing,
    pub(in crate::plugin) memory: MemoryLimit,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    pub(in crate::plugin) cpu: CpuMeter,
    cpu_time: Duration,
}

impl HasData for State {
    type Data<'a> = &'a mut State;
}

/// The plugin computed for longer than its limit.
#[derive(Debug, thiserror::Error)]
#[error("it computed for longer than {0:?}")]
pub(in crate::plugin) struct CpuTimeExceeded(pub(in crate::plugin) Duration);

/// A store for one instance.
pub(in crate::plugin) fn new_store(
    engine: &PluginEngine,
    limits: &LimitsConfig,
    settings: &BTreeMap<String, String>,
    network: Network,
    log: GuestLog,
    held: Reservation,
) -> Store<State> {
    let mut http = WasiHttpCtx::new();
    http.set_field_size_limit(HEADER_BYTES);
    let mut table = ResourceTable::new();
    table.set_max_capacity(limits.max_handles);
    let cpu = CpuMeter::new(limits.cpu_time);
    let state = State {
        table,
        settings: settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect(),
        outgoing: Outgoing::new(network),
        memory: MemoryLimit { limit: limits.max_memory, used: 0, refused: None, wanted: 0, held },
        wasi: WasiCtx::builder()
            .stdout(log.clone())
            .stderr(log.clone())
            .max_random_size(RANDOM_BYTES)
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .build(),
        log,
        http,
        cpu,
        cpu_time: limits.cpu_time,
    };
    let mut store = Store::new(engine.engine(), state);
    store.limiter(|state| &mut state.memory);
    store.set_hostcall_fuel(hostcall_bytes(limits));
    store.set_max_component_handles(limits.max_handles);
    store.epoch_deadline_callback(|mut context| context.data_mut().tick());
    store
}

/// What may be copied at once between the host and a plugin.
pub(in crate::plugin) fn hostcall_bytes(limits: &LimitsConfig) -> usize {
    // So many users that a request is refused because of their number, which can then be said.
    HOSTCALL_BYTES.max(limits.max_users_per_request.saturating_mul(4 * USERNAME))
}

impl State {
    /// Renews what a call may use.
    pub(in crate::plugin) fn begin_call(&mut self) {
        self.cpu.reset();
        self.outgoing.begin_call(None);
        self.memory.refused = None;
    }

    /// What the call has used so far.
    pub(in crate::plugin) fn used(&self) -> Used {
        Used { cpu: self.cpu.used(), memory: self.memory.used, fetched: self.outgoing.fetched() }
    }

    /// Runs on a plugin's first loop or call after the engine's clock has ticked. Other tasks get a chance to run, and the call
    /// goes on when it has a permit: see [`processor`](crate::plugin::engine::processor).
    fn tick(&mut self) -> Result<UpdateDeadline> {
        if self.cpu.used() > self.cpu_time {
            return Err(CpuTimeExceeded(self.cpu_time).into());
        }
        // While it waited for a permit the clock went on.
        if self.cpu.stretch() < TICK / 2 {
            return Ok(UpdateDeadline::Continue(1));
        }
        self.cpu.interrupt();
        Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.outgoing }
    }
}

/// Bounds an instance's linear memory and remembers that it wanted more: what a program does then is its own affair
/// (most abort), and the operator should read of memory and not of an `unreachable`.
pub(in crate::plugin) struct MemoryLimit {
    limit: usize,
    pub(in crate::plugin) used: usize,
    pub(in crate::plugin) refused: Option<Refused>,
    /// What it would hold of the budget for all instances, had it got what it asked for last.
    pub(in crate::plugin) wanted: usize,
    held: Reservation,
}

/// Why an instance did not get more memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::plugin) enum Refused {
    /// It has what one instance may have.
    Limit,
    /// All instances together have what they may have.
    NoRoom,
}

impl MemoryLimit {
    /// Sets aside what a call will need in all. False: there is no room for it.
    pub(in crate::plugin) fn set_aside(&mut self, bytes: usize) -> bool {
        self.held.set_aside(bytes)
    }

    /// What was set aside for the call and not needed is for others.
    pub(in crate::plugin) fn end_call(&mut self) {
        self.held.trim();
    }

    /// What it has of the budget for all.
    pub(in crate::plugin) fn held(&self) -> usize {
        self.held.used()
    }

    /// That budget.
    pub(in crate::plugin) fn limit_of_all(&self) -> usize {
        self.held.limit()
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        // Summed over the memories of an instance: only growth counts.
        let growth = desired.saturating_sub(current);
        let used = self.used.saturating_add(growth);
        if used > self.limit {
            self.refused = Some(Refused::Limit);
            return Ok(false);
        }
        self.wanted = self.held.used().saturating_add(growth);
        if !self.held.grow(growth) {
            self.refused = Some(Refused::NoRoom);
            return Ok(false);
        }
        self.used = used;
        Ok(true)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        Ok(desired <= TABLE_ELEMENTS)
    }
}
