//! The promises of `swap` (ARCHITECTURE.md) in every order that is tried. A module is known by its name, which is in all it says.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use bytes::Bytes;
use roster_interleavings::check;
use roster_interleavings::config::SwapConfig;
use roster_interleavings::model::Username;
use roster_interleavings::plugin::{CallError, RosterPlugin, WasmPlugin};
use roster_interleavings::swap::Swapper;
use shuttle::future::{JoinHandle, block_on, spawn};
use tokio::task::yield_now;

const KEEP: usize = 2;

fn swapper(canary_calls: u32) -> Arc<Swapper> {
    let config = SwapConfig { keep: KEEP, canary_calls, canary_failures: 1 };
    Swapper::new(WasmPlugin::new("first", 0), &config)
}

/// A call; the module that it ran on.
async fn call(swapper: &Swapper) -> Result<String, CallError> {
    let john = Username::new("john").unwrap();
    let roster = swapper.serving().fetch(&john).await?;
    swapper.serving().changed_users(Bytes::new()).await?.unwrap();
    Ok(roster.contacts[0].name.clone().unwrap())
}

/// Calls that begin after a module has failed as a canary do not run on it. None fails, unless all modules are bad.
fn caller(swapper: &Arc<Swapper>, all_are_bad: bool) -> JoinHandle<()> {
    let swapper = Arc::clone(swapper);
    spawn(async move {
        for _ in 0..4 {
            let before = swapper.failed();
            let ran_on = call(&swapper).await;
            assert!(all_are_bad || ran_on.is_ok(), "{ran_on:?}, and the module before can do it");
            let on_failed = before.iter().any(|failed| Ok(failed.name()) == ran_on.as_deref());
            assert!(!on_failed, "a call begins on {ran_on:?}, which was rolled back");
        }
    })
}

/// What is kept is in order: not what serves, not twice, not more than is wanted.
fn all_is_in_order(swapper: &Swapper) {
    let (serves, kept) = (swapper.serving().plugin(), swapper.kept());
    assert!(kept.len() <= KEEP);
    assert!(kept.iter().all(|kept| !Arc::ptr_eq(kept, &serves)), "{} serves and is kept", serves.name());
    for (place, one) in kept.iter().enumerate() {
        assert!(kept.iter().skip(place + 1).all(|other| !Arc::ptr_eq(one, other)), "{} is kept twice", one.name());
    }
    let mut numbers: Vec<_> = kept.iter().chain([&serves]).map(|module| module.number()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!((numbers.len(), numbers[0] > 0), (kept.len() + 1, true), "every generation has a number of its own");
}

#[test]
fn a_module_that_fails_as_a_canary_is_put_away_once_and_no_user_sees_it_fail() {
    check(400, || {
        block_on(async {
            let swapper = swapper(100);
            let callers = [caller(&swapper, false), caller(&swapper, false)];
            let bad = WasmPlugin::new("bad", 10);
            swapper.swap(Arc::clone(&bad)).await;
            for caller in callers {
                caller.await.unwrap();
            }
            while swapper.serving().is_canary() {
                call(&swapper).await.unwrap();
            }
            while swapper.failed().is_empty() {
                yield_now().await;
            }
            assert_eq!(swapper.failed().len(), 1, "it is put away once");
            assert_eq!((swapper.serving().plugin().name(), call(&swapper).await.as_deref()), ("first", Ok("first")));
            all_is_in_order(&swapper);
        });
    });
}

#[test]
fn a_generation_is_not_lost_when_another_takes_over_while_it_is_put_back() {
    check(400, || {
        block_on(async {
            let swapper = swapper(100);
            swapper.swap(WasmPlugin::new("bad", 10)).await;
            let callers = [caller(&swapper, false), caller(&swapper, false)];
            swapper.swap(WasmPlugin::new("good", 0)).await;
            for caller in callers {
                caller.await.unwrap();
            }
            for _ in 0..100 {
                yield_now().await;
            }
            all_is_in_order(&swapper);
            // "bad" is kept only if it served until "good" took over, and had not failed.
            let kept = swapper.kept();
            let names: Vec<_> = kept.iter().map(|kept| kept.name()).collect();
            let expected: &[&str] = if swapper.failed().is_empty() { &["bad", "first"] } else { &["first"] };
            assert_eq!((swapper.serving().plugin().name(), &names[..]), ("good", expected));
        });
    });
}

#[test]
fn a_call_runs_on_one_generation_while_modules_are_swapped_and_rolled_back() {
    check(400, || {
        block_on(async {
            let swapper = swapper(2);
            let callers = [caller(&swapper, true), caller(&swapper, true)];
            let other = Arc::clone(&swapper);
            let operator = spawn(async move {
                other.swap(WasmPlugin::new("third", 3)).await;
                other.roll_back().await;
            });
            swapper.swap(WasmPlugin::new("second", 3)).await;
            swapper.roll_back().await;
            operator.await.unwrap();
            for caller in callers {
                caller.await.unwrap();
            }
            for _ in 0..100 {
                yield_now().await;
            }
            all_is_in_order(&swapper);
        });
    });
}

#[test]
fn after_a_rollback_no_call_begins_on_what_was_rolled_back_and_none_runs_on_it() {
    check(400, || {
        block_on(async {
            let swapper = swapper(0);
            let callers = [caller(&swapper, false), caller(&swapper, false)];
            swapper.swap(WasmPlugin::new("second", 0)).await;
            assert_eq!(call(&swapper).await.as_deref(), Ok("second"));
            let (away, serves) = swapper.roll_back().await.unwrap();
            assert_eq!((away.name(), serves.name()), ("second", "first"));
            assert_eq!(away.running(), 0, "its calls have ended");
            for _ in 0..3 {
                assert_eq!(call(&swapper).await.as_deref(), Ok("first"));
                assert_eq!(away.running(), 0);
            }
            for caller in callers {
                caller.await.unwrap();
            }
            all_is_in_order(&swapper);
        });
    });
}
