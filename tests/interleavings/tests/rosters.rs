//! The promises of `rosters` (ARCHITECTURE.md) in every order that is tried. What sinks hear is judged by the application itself.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use roster_interleavings::config::{LimitsConfig, StoreConfig};
use roster_interleavings::metrics::Metrics;
use roster_interleavings::model::Username;
use roster_interleavings::plugin::RosterPlugin;
use roster_interleavings::rosters::{Parts, RosterError, Rosters, SessionId};
use roster_interleavings::sinks::RosterSink;
use roster_interleavings::store::{MemoryStore, RosterStore, StoreUsage};
use roster_interleavings::{Application, Truth, check};
use shuttle::future::{block_on, spawn};
use shuttle::rand::{Rng, thread_rng};
use tokio::task::yield_now;
use tokio::time::{clear_triggers, trigger_timeouts};

const HOUR: Duration = Duration::from_secs(3600);
/// Steps of others after which what is to be done by itself is done.
const SOON: usize = 1_000;

#[derive(Clone)]
struct Scenario {
    application: Arc<Application>,
    store: Arc<MemoryStore>,
    rosters: Arc<Rosters>,
}

fn john() -> Username {
    Username::new("john").unwrap()
}

impl Scenario {
    fn new(failures: u32, limits: &LimitsConfig, store: &StoreConfig) -> Self {
        let application = Application::new(failures);
        let kept = Arc::new(MemoryStore::new(store));
        let parts = Parts {
            domain: "example.com".into(),
            plugin: Arc::clone(&application) as Arc<dyn RosterPlugin>,
            store: Arc::clone(&kept) as Arc<dyn RosterStore>,
            sinks: vec![Arc::clone(&application) as Arc<dyn RosterSink>],
            metrics: Arc::new(Metrics),
            owners: None,
        };
        // As within a runtime: what it starts are tasks of this order.
        let rosters = Rosters::new(parts, limits, store);
        Self { application, store: kept, rosters }
    }

    /// The same for who is nowhere else, and whose roster is therefore kept until then.
    async fn visit_alone(&self, user: Username) {
        let session = SessionId::new("phone");
        let connected = self.rosters.connect(&user, session.clone()).await;
        self.see(&user).await;
        assert!(connected.is_err() || self.rosters.cached(&user).is_some(), "the roster of who is here is dropped");
        self.rosters.disconnect(&user, &session);
    }

    /// The user comes, sees no roster that is older than what was refreshed before, and goes.
    async fn visit(&self, user: Username, session: &str, refreshed: Truth) {
        let session = SessionId::new(session);
        match self.rosters.connect(&user, session.clone()).await {
            Ok(snapshot) => assert!(Application::read(&snapshot) >= refreshed, "an old roster is served"),
            Err(RosterError::Left | RosterError::Call(_) | RosterError::Store(_)) => {}
            Err(error) => panic!("{error}"),
        }
        self.see(&user).await;
        self.rosters.disconnect(&user, &session);
    }

    /// Of what is kept, versions only grow.
    async fn see(&self, user: &Username) {
        let mut last = (0, 0);
        for _ in 0..2 {
            if let Some(cached) = self.rosters.cached(user) {
                let seen = (cached.snapshot.version(), Application::read(&cached.snapshot));
                assert!(seen.0 >= last.0 && seen.1 >= last.1, "{seen:?} is kept after {last:?}");
                last = seen;
            }
            yield_now().await;
        }
    }

    /// The roster changes and the application says so; then nobody is shown an older one. What the roster is now, if it went well.
    async fn change(&self, user: &Username) -> Option<Truth> {
        let truth = self.application.change();
        self.rosters.refresh(user).await.ok()?;
        if let Some(cached) = self.rosters.cached(user) {
            // Without sessions it is kept only for the case that the application cannot be asked.
            let kept = Application::read(&cached.snapshot);
            assert!(kept >= truth || cached.sessions.is_empty(), "{kept} is kept after {truth} was refreshed");
        }
        Some(truth)
    }

    /// When everybody has gone, nothing is kept of anybody.
    async fn all_is_forgotten(&self) {
        for _ in 0..SOON {
            if self.store.usage() == StoreUsage::default() && self.known() == 0 {
                return;
            }
            yield_now().await;
        }
        panic!("{} rosters and {} users are kept of people who are gone", self.store.usage().users, self.known());
    }

    fn known(&self) -> usize {
        self.rosters.known()
    }
}

/// Time passes: whoever waits with a deadline misses it.
async fn pass_time() {
    for _ in 0..3 {
        yield_now().await;
        trigger_timeouts(|_| true);
        yield_now().await;
        clear_triggers();
    }
}

/// Comings, goings and changes of one user at the same time.
fn one_user(failures: u32, limits: LimitsConfig, store: StoreConfig, time_passes: bool) {
    check(300, move || {
        let (limits, store) = (limits.clone(), store.clone());
        block_on(async move {
            clear_triggers();
            let scenario = Scenario::new(failures, &limits, &store);
            let mut tasks = Vec::new();
            let all = scenario.clone();
            tasks.push(spawn(async move {
                all.visit(john(), "phone", 0).await;
                all.visit(john(), "phone", 0).await;
            }));
            let all = scenario.clone();
            tasks.push(spawn(async move {
                for _ in 0..2 {
                    if let Some(truth) = all.change(&john()).await {
                        // Whoever comes from now on has it.
                        all.visit(john(), "desk", truth).await;
                    }
                }
            }));
            let all = scenario.clone();
            tasks.push(spawn(async move {
                let _ = all.rosters.connect(&john(), SessionId::new("car")).await;
                all.change(&john()).await;
                all.rosters.disconnect_all(&john());
            }));
            if time_passes {
                tasks.push(spawn(pass_time()));
            }
            for task in tasks {
                task.await.unwrap();
            }
            if store.grace.is_zero() {
                scenario.all_is_forgotten().await;
            }
        });
    });
}

#[test]
fn versions_grow_and_nothing_is_kept_when_all_goes_well() {
    one_user(0, LimitsConfig::default(), StoreConfig::default(), false);
}

#[test]
fn the_promises_hold_when_every_update_is_overdue_at_once() {
    let limits = LimitsConfig { overdue_after: Duration::ZERO, ..LimitsConfig::default() };
    one_user(0, limits, StoreConfig::default(), true);
}

#[test]
fn the_promises_hold_when_the_application_fails_and_updates_wait_for_their_turn() {
    let limits = LimitsConfig { max_concurrent_calls: 1, overdue_after: Duration::ZERO, ..LimitsConfig::default() };
    one_user(3, limits, StoreConfig::default(), true);
}

#[test]
fn the_promises_hold_when_rosters_are_kept_for_who_returns() {
    one_user(0, LimitsConfig::default(), StoreConfig { grace: HOUR, ..StoreConfig::default() }, false);
}

#[test]
fn a_user_who_hangs_up_while_the_roster_is_fetched_is_forgotten() {
    check(4000, || {
        block_on(async {
            clear_triggers();
            let scenario = Scenario::new(0, &LimitsConfig::default(), &StoreConfig::default());
            let connection = {
                let all = scenario.clone();
                spawn(async move { drop(all.rosters.connect(&john(), SessionId::new("phone")).await) })
            };
            for _ in 0..thread_rng().gen_range(4..16) {
                yield_now().await;
            }
            connection.abort();
            // Whether it was answered before makes no difference.
            let _ = connection.await;
            scenario.rosters.disconnect_all(&john());
            // Ends the update that may still be under way, also while it waits to store what it brings.
            scenario.change(&john()).await;
            scenario.all_is_forgotten().await;
        });
    });
}

#[test]
fn a_full_store_drops_those_who_are_away_and_keeps_nothing_of_them() {
    check(300, || {
        block_on(async {
            clear_triggers();
            let store = StoreConfig { max_users: 1, ..StoreConfig::default() };
            let scenario = Scenario::new(0, &LimitsConfig::default(), &store);
            let visit = |name: &'static str| {
                let all = scenario.clone();
                spawn(async move {
                    let user = Username::new(name).unwrap();
                    all.visit_alone(user.clone()).await;
                    all.change(&user).await;
                    all.visit_alone(user).await;
                })
            };
            for task in [visit("john"), visit("marie"), visit("michael")] {
                task.await.unwrap();
            }
            assert!(scenario.store.usage().users <= 1);
            scenario.all_is_forgotten().await;
        });
    });
}
