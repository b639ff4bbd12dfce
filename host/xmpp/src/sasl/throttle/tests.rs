//! Every order in which attempts begin, end well, fail, are abandoned and take too long.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::table::{Room, Table};
use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn throttle(per_address: u32, per_account: u32) -> Arc<Throttle> {
    let limits = LoginLimits {
        failures_per_address: per_address,
        failures_per_account: per_account,
        forgotten_after: Duration::from_secs(3600),
        ..LoginLimits::default()
    };
    Arc::new(Throttle::new(&limits, &Timeouts::default()))
}

fn named(name: &str) -> Username {
    Username::new(name).unwrap()
}

async fn limit(throttle: &Arc<Throttle>, address: &str, domain: &str, user: Option<&Username>) -> Option<TurnedAway> {
    match throttle.begin(address.parse().unwrap(), domain, user).await {
        Ok(attempt) => {
            attempt.give_back();
            None
        }
        Err(why) => Some(why),
    }
}

#[tokio::test]
async fn failures_of_one_address_turn_away_that_network_only() {
    let throttle = throttle(3, 100);
    for _ in 0..3 {
        let attempt = throttle.begin("2001:db8::1".parse().unwrap(), "x", Some(&named("john"))).await;
        drop(attempt.ok().unwrap());
    }
    for (address, expected) in [
        ("2001:db8::1", Some(TurnedAway::Failed(Limit::Address))),
        ("2001:db8::ffff:1", Some(TurnedAway::Failed(Limit::Address))),
        ("2001:db8:0:1::1", None),
        ("::ffff:192.0.2.1", None),
        ("192.0.2.1", None),
    ] {
        assert_eq!(limit(&throttle, address, "x", Some(&named("marie"))).await, expected, "{address}");
        assert_eq!(limit(&throttle, address, "x", None).await, expected, "{address}, nobody's name");
    }
}

#[tokio::test]
async fn failures_of_one_account_turn_away_that_account_only() {
    let throttle = throttle(100, 2);
    for n in [1, 2] {
        drop(throttle.begin(IpAddr::from([192, 0, 2, n]), "x", Some(&named("john"))).await.ok().unwrap());
    }
    for (domain, user, expected) in [
        ("x", Some("john"), Some(TurnedAway::Failed(Limit::Account))),
        ("y", Some("john"), None),
        ("x", Some("marie"), None),
        ("x", None, None),
    ] {
        let user = user.map(named);
        assert_eq!(limit(&throttle, "192.0.2.3", domain, user.as_ref()).await, expected, "{domain} {user:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_finds_the_places_taken_waits_for_them_but_not_for_ever() {
    for (per_address, per_account, limit) in [(2, 100, Limit::Address), (100, 2, Limit::Account)] {
        let throttle = throttle(per_address, per_account);
        let address = IpAddr::from([192, 0, 2, 1]);
        let john = named("john");
        let begin = || throttle.begin(address, "x", Some(&john));
        let (first, second) = (begin().await.ok().unwrap(), begin().await.ok().unwrap());

        let started = tokio::time::Instant::now();
        assert_eq!(begin().await.err(), Some(TurnedAway::UnderWay(limit)), "nobody has finished");
        assert!(started.elapsed() <= Timeouts::default().login / 2, "{:?}", started.elapsed());

        let (third, ()) = tokio::join!(begin(), async { first.give_back() });
        let third = third.ok().unwrap();
        assert!(futures::poll!(std::pin::pin!(begin())).is_pending(), "its place is taken again");
        let (fourth, ()) = tokio::join!(begin(), async {
            drop(second);
            drop(third);
        });
        assert_eq!(fourth.err(), Some(TurnedAway::Failed(limit)), "both have failed");
    }
}

fn fails(table: &mut Table, key: u64, attempt: u64, now: Instant) -> bool {
    if !matches!(table.room(key, now), Room::Free) {
        return false;
    }
    table.begin(key, attempt, now);
    table.end(key, attempt, true, now);
    true
}

#[test]
fn failures_are_forgotten() {
    let mut table = Table::new(2, 20 * SECOND, SECOND, 10);
    let start = Instant::now();
    assert!(fails(&mut table, 1, 1, start) && fails(&mut table, 1, 2, start));
    for (after, room) in [(0, false), (9, false), (10, true), (19, true)] {
        assert_eq!(matches!(table.room(1, start + after * SECOND), Room::Free), room, "{after} s");
    }
    assert!(matches!(table.room(1, start - Duration::from_millis(1)), Room::Full), "a clock that goes back");
}

#[test]
fn a_full_table_forgets_those_who_have_failed_least_and_keeps_nobody_out() {
    const MOST: usize = 500;
    let mut table = Table::new(20, 600 * SECOND, SECOND, MOST);
    let now = Instant::now();
    let mut attempts = 0..;
    let mut fail = |table: &mut Table, key| fails(table, key, attempts.next().unwrap(), now);
    (0..20).for_each(|_| assert!(fail(&mut table, 0)));
    // The same attacker, from very many other addresses, with almost as many failures each.
    for key in 1..=4 * MOST as u64 {
        (0..19).for_each(|_| assert!(fail(&mut table, key), "{key}"));
        assert!(table.len() <= MOST);
    }
    assert!(matches!(table.room(0, now), Room::Full), "the full one is still there");
    assert!(matches!(table.room(u64::MAX, now), Room::Free), "who has not failed is let in");
}

#[test]
fn those_who_are_at_it_are_never_forgotten() {
    let mut table = Table::new(2, 20 * SECOND, SECOND, 10);
    let now = Instant::now();
    for key in 0..100 {
        (0..2).for_each(|n| table.begin(key, 2 * key + n, now));
    }
    for key in 0..100 {
        assert!(matches!(table.room(key, now), Room::Occupied(_)), "{key}");
    }
    for key in 0..100 {
        (0..2).for_each(|n| table.end(key, 2 * key + n, true, now));
    }
    assert_eq!(table.len(), 10, "what is over is bounded again");
}

#[derive(Clone, Debug)]
enum Step {
    Begin(u64),
    /// Of the attempts that are under way, the one with this number, round and round.
    End(usize, bool),
    Pass(Duration),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..3_u64).prop_map(Step::Begin),
        3 => (any::<usize>(), any::<bool>()).prop_map(|(which, failed)| Step::End(which, failed)),
        1 => (0..9_000_u64).prop_map(|ms| Step::Pass(Duration::from_millis(ms))),
    ];
    proptest::collection::vec(step, 0..120)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_order_no_more_fail_than_may_and_nobody_is_kept_out_for_longer(steps in steps()) {
        const FAILURES: u32 = 3;
        let (period, longest) = (2 * SECOND, 5 * SECOND);
        let mut table = Table::new(FAILURES, FAILURES * period, longest, 1000);
        let mut now = Instant::now();
        let mut pending: Vec<(u64, u64, Instant)> = Vec::new();
        let mut failures: Vec<(u64, Instant)> = Vec::new();
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Pass(time) => now += time,
                Step::End(which, failed) if !pending.is_empty() => {
                    let (key, attempt, _) = pending.remove(which % pending.len());
                    table.end(key, attempt, failed, now);
                    if failed {
                        failures.push((key, now));
                    }
                    // It can end once only.
                    table.end(key, attempt, true, now);
                }
                Step::End(..) => {}
                Step::Begin(key) => {
                    let lately = failures.iter().filter(|(of, at)| *of == key && *at + FAILURES * period > now).count();
                    let busy = pending.iter().filter(|(of, ..)| *of == key).count();
                    match table.room(key, now) {
                        Room::Free => {
                            let attempt = number as u64;
                            table.begin(key, attempt, now);
                            pending.push((key, attempt, now + longest));
                        }
                        Room::Full => prop_assert!(lately > 0, "full without a failure"),
                        Room::Occupied(_) => prop_assert!(busy > 0, "occupied by nobody"),
                    }
                }
            }
            // Those that took too long have failed.
            pending.retain(|(key, _, late)| {
                if *late <= now {
                    failures.push((*key, *late));
                }
                *late > now
            });
            // In any stretch of time no more have failed, or may still fail, than the bucket holds and loses in it.
            for key in 0..3 {
                let busy = pending.iter().filter(|(of, ..)| *of == key).count();
                for (_, since) in failures.iter().filter(|(of, _)| *of == key) {
                    let failed = failures.iter().filter(|(of, at)| *of == key && at >= since).count();
                    let lost = now.duration_since(*since).as_secs_f64() / period.as_secs_f64();
                    prop_assert!((failed + busy) as f64 <= f64::from(FAILURES) + lost + 1e-6, "{key}: {failed} and {busy}");
                }
                prop_assert!(busy <= FAILURES as usize);
            }
        }
        // Afterwards nobody is kept out, and nothing is left.
        for (key, attempt, _) in pending {
            table.end(key, attempt, true, now);
        }
        now += FAILURES * period;
        for key in 0..3 {
            prop_assert!(matches!(table.room(key, now), Room::Free), "{key}");
        }
        prop_assert_eq!(table.len(), 0);
    }
}
