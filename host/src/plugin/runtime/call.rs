//! One call of a plugin: its permit, its deadline, an instance within the limits, and what is counted of it.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use wasmtime::component::ResourceTableError;
use wasmtime::{Store, Trap};

use super::Runtime;
use super::instance::{Instance, NotMade};
use crate::config::LimitsConfig;
use crate::metrics::CallMetrics;
use crate::plugin::api::{CallError, FetchError};
use crate::plugin::engine::budget::{INSTANCE, Reservation};
use crate::plugin::imports::log::GuestLog;
use crate::plugin::imports::state::{CpuTimeExceeded, Refused, State, hostcall_bytes, new_store};
use crate::plugin::linking::loaded::LoadedModule;
use crate::plugin::recording::recorder::Recorder;
use crate::plugin::sanitize::one_line;
use crate::plugin::wit::{Checked, Hooks, Needs, SettingFault};

/// Times that an instance is begun before its call is refused: others may take the room that was there.
const ATTEMPTS: usize = 3;

/// In wasmtime's error about a copy that is longer than [`hostcall_bytes`]; it has no type that can be named.
const TOO_MUCH: &str = "fuel allocated for hostcalls";

/// What a call can run on.
enum InstanceOrRoom {
    Warm(Instance),
    /// Room for a new one.
    Room(Reservation),
}

/// The hooks of a loaded module, to be called. A clone is the same.
#[derive(Clone)]
pub(in crate::plugin) struct Calls {
    pub(in crate::plugin) module: Arc<LoadedModule>,
    pub(in crate::plugin) runtime: Arc<Runtime>,
    pub(in crate::plugin) recorder: Arc<Recorder>,
}

impl Calls {
    /// One call: an instance, the limits, the deadline; afterwards the instance is kept or retired.
    pub(in crate::plugin) async fn call<R: Send>(
        &self,
        about: About<'_>,
        call: impl for<'a> FnOnce(&'a mut Store<State>, &'a dyn Hooks) -> BoxFuture<'a, wasmtime::Result<R>> + Send,
    ) -> Result<R, CallError> {
        self.counted(about, |_| self.on_instance(about, call)).await
    }

    /// Gives the work of one call its permit, its deadline, which it is told, and counts it in the metrics. It returns a result and
    /// when the plugin returned it.
    pub(in crate::plugin) async fn counted<R, F: Future<Output = Result<(R, Instant), CallError>>>(
        &self,
        about: About<'_>,
        work: impl FnOnce(Instant) -> F,
    ) -> Result<R, CallError> {
        let result = self.in_turn(about, work).await;
        let (outcome, elapsed) = match &result {
            Ok((_, ended)) => ("ok", ended.saturating_duration_since(about.began)),
            Err(error) => (error.kind(), about.began.elapsed()),
        };
        self.count(about, outcome, elapsed);
        result.map(|(result, _)| result)
    }

    /// Counts a call that is over.
    pub(in crate::plugin) fn count(&self, about: About<'_>, outcome: &'static str, elapsed: Duration) {
        self.runtime.counters.metrics.call(about.hook, outcome, elapsed);
        self.runtime.counters.stats.call(about.hook, outcome, elapsed);
    }

    async fn in_turn<R, F: Future<Output = Result<(R, Instant), CallError>>>(
        &self,
        about: About<'_>,
        work: impl FnOnce(Instant) -> F,
    ) -> Result<(R, Instant), CallError> {
        let (_permit, began) = match self.runtime.permits.try_acquire() {
            Ok(permit) => (permit, about.began),
            Err(_) => {
                match tokio::time::timeout(self.module.limits.queue_timeout, self.runtime.permits.acquire()).await {
                    Ok(Ok(permit)) => (permit, Instant::now()),
                    _ => return Err(CallError::Busy { limit: self.module.limits.queue_timeout }),
                }
            }
        };
        let _ticking = self.runtime.common.engine.tick_while();
        // A deadline that the clock cannot reach is none.
        let deadline =
            began.checked_add(self.module.limits.call_timeout).unwrap_or_else(|| began + Duration::from_secs(1 << 30));
        let late = CallError::TimedOut { hook: about.hook, limit: self.module.limits.call_timeout };
        tokio::time::timeout_at(deadline.into(), work(deadline)).await.unwrap_or(Err(late))
    }

    /// Runs one call on an instance, which is kept afterwards, or retired. Cut off, the call takes its instance with it.
    pub(in crate::plugin) async fn on_instance<R: Send>(
        &self,
        about: About<'_>,
        call: impl for<'a> FnOnce(&'a mut Store<State>, &'a dyn Hooks) -> BoxFuture<'a, wasmtime::Result<R>> + Send,
    ) -> Result<(R, Instant), CallError> {
        let About { hook, user, .. } = about;
        let cut_off = Lost(&self.runtime.counters.metrics);
        let mut instance = match self.instance(about).await {
            Ok(instance) => instance,
            Err(error) => {
                cut_off.found();
                return Err(error);
            }
        };
        instance.store().data().log.begin_call(hook, user);
        let metrics = &self.runtime.counters.metrics;
        let watched = metrics.activity().is_watched().then(Instant::now);
        let result = instance.run(call).await;
        if let Some(began) = watched {
            metrics.called(hook, user, began.elapsed(), result.is_ok());
        }
        let state = instance.store().data();
        state.log.end_call();
        self.runtime.counters.stats.used(state.used());
        let result = result.map_err(|error| explain(hook, &self.module.limits, &error, state))?;
        cut_off.found();
        let ended = instance.idle_since;
        self.put_back(hook, instance);
        Ok((result, ended))
    }

    /// A warm instance, or a new one as soon as there is room for it.
    async fn instance(&self, about: About<'_>) -> Result<Instance, CallError> {
        let hook = about.hook;
        // Not later than the call's own deadline, and told apart from it.
        let wait = self.module.limits.queue_timeout.min(self.module.limits.call_timeout);
        let deadline = about.began.checked_add(wait).unwrap_or(about.began);
        for _ in 0..ATTEMPTS {
            let needed = || self.runtime.common.needed.by(hook);
            let found = self.runtime.common.account.wait(deadline, || {
                let Some(mut warm) = self.runtime.pool.take() else {
                    return self.runtime.common.account.try_hold(needed()).map(InstanceOrRoom::Room);
                };
                // It may have served only calls that need less.
                if warm.store().data_mut().memory.set_aside(needed()) {
                    return Some(InstanceOrRoom::Warm(warm));
                }
                self.runtime.pool.put(warm);
                None
            });
            let held = match found.await {
                Some(InstanceOrRoom::Warm(instance)) => return Ok(instance),
                Some(InstanceOrRoom::Room(held)) => held,
                None => break,
            };
            match self.new_instance(held).await {
                Ok(instance) => {
                    self.runtime.counters.metrics.instance("made");
                    return Ok(instance);
                }
                // Now it is known what to wait for.
                Err(NotMade { no_room: true, wanted, .. }) => {
                    self.runtime.common.needed.wanted(hook, wanted);
                }
                Err(NotMade { error, .. }) => {
                    return Err(CallError::Instance { hook, reason: one_line(&format!("{error:#}")) });
                }
            }
        }
        Err(CallError::NoRoom { hook, limit: self.runtime.common.account.limit() })
    }

    /// Asks the plugin whether its settings can work, and what it needs.
    pub(in crate::plugin) async fn check(&self) -> Result<Checked, CallError> {
        self.call(About::now("check", ""), |store, hooks| hooks.check(store)).await
    }

    /// What the plugin needs. Whoever has not checked the settings is told here that they are wrong.
    pub(in crate::plugin) async fn needs(&self) -> Result<Result<&Needs, FetchError>, CallError> {
        if let Some(needs) = self.module.needs.get() {
            return Ok(Ok(needs));
        }
        match self.check().await? {
            Ok(needs) => Ok(Ok(self.module.needs.get_or_init(|| needs))),
            Err(SettingFault { key, reason }) => Ok(Err(FetchError::Misconfigured(format!("{key}: {reason}")))),
        }
    }

    /// Who reads rosters, for their tags: this code under these settings.
    pub(in crate::plugin) fn reader(&self) -> u64 {
        let mut reader = [0; 8];
        reader.iter_mut().zip(self.module.identity.as_bytes()).for_each(|(to, from)| *to = *from);
        u64::from_le_bytes(reader)
    }

    async fn new_instance(&self, mut held: Reservation) -> Result<Instance, NotMade> {
        // Set aside already.
        held.grow(INSTANCE);
        let log = GuestLog::new(Arc::clone(&self.module.domain), self.module.limits.max_log_per_call);
        let store = new_store(
            &self.runtime.common.engine,
            &self.module.limits,
            &self.module.settings,
            self.runtime.network.clone(),
            log,
            held,
        );
        Instance::new(store, &*self.module.prepared, self.most_calls(), Arc::clone(&self.runtime.common.share)).await
    }

    fn put_back(&self, hook: &str, mut instance: Instance) {
        instance.store().data_mut().memory.end_call();
        self.runtime.common.needed.learn(hook, instance.held());
        match instance.retire(&self.module.limits) {
            None => {
                self.runtime.pool.put(instance);
                // Whoever waits for room may have it.
                self.runtime.common.account.wake();
            }
            Some(why) => self.runtime.counters.metrics.instance(why.name()),
        }
    }

    /// Between three quarters of `max_calls_per_instance` and all of them, so that instances made together do not retire
    /// together.
    fn most_calls(&self) -> u32 {
        let most = self.module.limits.max_calls_per_instance.max(1);
        let jitter = self.runtime.jitter.hash_one(self.runtime.made.fetch_add(1, Ordering::Relaxed));
        most - u32::try_from(jitter % u64::from(most / 4 + 1)).unwrap_or(0)
    }
}

/// Which call it is.
#[derive(Clone, Copy)]
pub(in crate::plugin) struct About<'a> {
    pub(in crate::plugin) hook: &'static str,
    /// Whom it serves, if it is one user.
    user: &'a str,
    pub(in crate::plugin) began: Instant,
}

/// An instance that is lost with its call, unless it is [`found`](Self::found) again.
struct Lost<'a>(&'a CallMetrics);

impl Lost<'_> {
    fn found(self) {
        std::mem::forget(self);
    }
}

impl Drop for Lost<'_> {
    fn drop(&mut self) {
        self.0.instance("failed");
    }
}

impl<'a> About<'a> {
    pub(in crate::plugin) fn now(hook: &'static str, user: &'a str) -> Self {
        Self { hook, user, began: Instant::now() }
    }

    /// The hook of an exchange that is called now.
    pub(in crate::plugin) fn within(self, hook: &'static str) -> Self {
        Self { hook, began: Instant::now(), ..self }
    }
}

/// What went wrong, in the operator's terms.
fn explain(hook: &'static str, limits: &LimitsConfig, error: &wasmtime::Error, state: &State) -> CallError {
    if error.downcast_ref::<CpuTimeExceeded>().is_some() {
        return CallError::CpuTime { hook, limit: limits.cpu_time };
    }
    match state.memory.refused {
        Some(Refused::Limit) => return CallError::Memory { hook, limit: limits.max_memory },
        Some(Refused::NoRoom) => return CallError::NoRoom { hook, limit: state.memory.limit_of_all() },
        None => {}
    }
    if matches!(error.downcast_ref(), Some(ResourceTableError::Full)) {
        let reason = format!("more than {} handles (limits.max_handles)", limits.max_handles);
        return CallError::Rule { hook, reason };
    }
    match error.downcast_ref::<Trap>() {
        Some(trap) => CallError::Trap { hook, reason: one_line(&trap.to_string()) },
        None if state.outgoing.was_refused() => {
            CallError::Rule { hook, reason: format!("more than {} requests", limits.max_requests_per_call) }
        }
        None if error.root_cause().to_string().contains(TOO_MUCH) => {
            CallError::TooLarge { hook, limit: hostcall_bytes(limits) }
        }
        // The outer layers are a backtrace of the plugin; the innermost says what happened.
        None => CallError::Rule { hook, reason: one_line(&error.root_cause().to_string()) },
    }
}
