//! Runs a scenario in many orders.

use std::time::{SystemTime, UNIX_EPOCH};

use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, Runner};

/// Where one step in this many may be taken from a task of lower priority: how deep a fault may hide (PCT).
const DEPTH: usize = 3;

/// Runs `scenario` in so many random `orders`, and in half as many with random priorities. `SHUTTLE_ITERATIONS` says how many
/// instead. `SHUTTLE_SEED` has the orders of another run again; when an order breaks a promise, shuttle prints that very order too.
pub fn check(orders: usize, scenario: impl Fn() + Send + Sync + Clone + 'static) {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let orders = number("SHUTTLE_ITERATIONS").map_or(orders, |orders| usize::try_from(orders).expect("not so many"));
    let seed = number("SHUTTLE_SEED").unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970");
        u64::from(now.subsec_nanos()) << 20 ^ now.as_secs()
    });
    println!("SHUTTLE_SEED={seed} SHUTTLE_ITERATIONS={orders}");
    run(RandomScheduler::new_from_seed(seed, orders), scenario.clone());
    run(PctScheduler::new_from_seed(seed, DEPTH, orders.div_ceil(2)), scenario);
}

fn run(scheduler: impl Scheduler + 'static, scenario: impl Fn() + Send + Sync + 'static) {
    let mut config = Config::new();
    config.stack_size = 1 << 19;
    config.max_steps = shuttle::MaxSteps::FailAfter(200_000);
    Runner::new(scheduler, config).run(scenario);
}
