#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;

fn accounts(limit: usize, hosts: usize) -> (Arc<Budget>, Vec<Arc<Account>>) {
    let budget = Budget::new(limit);
    let accounts = (0..hosts).map(|n| budget.account(&format!("{n}.example").into())).collect();
    (budget, accounts)
}

#[test]
fn a_host_gets_its_share_whatever_the_others_hold() {
    for (hosts, share, most) in [(1, 1000, 1000), (2, 250, 750), (5, 100, 600)] {
        let (budget, accounts) = accounts(1000, hosts);
        let greedy = accounts[0].try_hold(most).unwrap();
        assert!(accounts[0].try_hold(1).is_none(), "{hosts}");
        let shares: Vec<_> = accounts[1..].iter().map(|account| account.try_hold(share).unwrap()).collect();
        assert!(accounts[1..].iter().all(|account| account.try_hold(1).is_none()), "{hosts}");
        assert!(budget.held().iter().map(|(_, held)| held).sum::<usize>() <= 1000);
        drop((greedy, shares));
        assert!(budget.held().iter().all(|(_, held)| *held == 0));
    }
}

#[test]
fn what_is_set_aside_is_put_to_use_first_and_all_of_it_is_given_back() {
    let (budget, accounts) = accounts(1000, 1);
    let mut held = accounts[0].try_hold(300).unwrap();
    let total = || budget.held().iter().map(|(_, held)| held).sum::<usize>();
    for (grow, fits, expected) in [(200, true, 300), (100, true, 300), (500, true, 800), (300, false, 800)] {
        assert_eq!((held.grow(grow), total()), (fits, expected), "{grow}");
    }
    assert_eq!(held.used(), 800);
    drop(held);
    assert_eq!(total(), 0);
}

#[test]
fn bodies_that_wait_for_an_instance_leave_half_of_a_share_to_instances() {
    use crate::http_client::Memory;
    for (hosts, most) in [(1, 500), (2, 125)] {
        let (budget, accounts) = accounts(1000, hosts);
        let memory = AccountOf(Arc::clone(&accounts[0]));
        let body = memory.hold(most).unwrap();
        assert!(memory.hold(1).is_none(), "{hosts}");
        let instances = accounts[0].try_hold(most).unwrap();
        drop(body);
        assert!(memory.hold(most).is_some(), "{hosts}");
        drop(instances);
        assert!(budget.held().iter().all(|(_, held)| *held == 0));
    }
}

#[tokio::test]
async fn who_waits_gets_what_is_given_back_and_nobody_waits_longer_than_the_deadline() {
    let (_budget, accounts) = accounts(1000, 1);
    let all = accounts[0].try_hold(1000).unwrap();
    let soon = Instant::now() + Duration::from_millis(30);
    assert!(accounts[0].wait(soon, || accounts[0].try_hold(1)).await.is_none());
    assert!(Instant::now() >= soon);
    let waiting = tokio::spawn({
        let account = Arc::clone(&accounts[0]);
        async move {
            let later = Instant::now() + Duration::from_secs(20);
            account.wait(later, || account.try_hold(600)).await.is_some()
        }
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    drop(all);
    assert!(waiting.await.unwrap());
}
