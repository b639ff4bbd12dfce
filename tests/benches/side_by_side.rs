//! The price of the plugin boundary as one number: the throughput of a refresh through the component, as a part of that
//! of the same logic compiled natively.
//!
//! `cargo bench -p roster-tests --bench side_by_side`; `-- 10` runs only the rows whose name has `10` in it, and
//! `-- --component` or `-- --native` only one side, for a profiler. `-- --recording` compares two components instead, one that
//! records calls for shadow runs and one that does not, and `-- --bulk` one that asks for many users in one request and one that
//! asks for each alone, with what each costs the ordinary application. Short samples of the two alternate, so that what else
//! runs on the machine meets both; of the ratios of neighbours the median is taken.
#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use roster_host::rosters::Rosters;
use roster_tests::bench::{Bench, USERS, connect, deadline, names};
use roster_tests::ordinary_app;
use tokio::runtime::Runtime;

/// What the program uses.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Pairs of samples for each row, after a pair that is not counted.
const PAIRS: usize = 60;

fn main() {
    // `cargo bench` adds `--bench`.
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let only = |side: &str| args.iter().any(|arg| arg == side);
    let wanted = |name: &str| args.iter().filter(|arg| !arg.starts_with("--")).all(|part| name.contains(part.as_str()));
    let sides = match (only("--recording"), only("--bulk")) {
        (true, _) => Sides::Recording,
        (_, true) => Sides::Bulk,
        _ => Sides::Native,
    };
    let [one, other] = match sides {
        Sides::Recording => ["recorded", "not"],
        Sides::Bulk => ["together", "alone"],
        Sides::Native => ["component", "native"],
    };
    println!("{:38} {one:>12} {other:>12} {:>8}   (refreshes a second, {USERS} users)", "", "ratio");
    let sizes = [10, 100, 1000].into_iter().flat_map(|contacts| [(contacts, false), (contacts, true)]);
    for app in ["ordinary", "quick"] {
        for (contacts, changes) in sizes.clone() {
            let what = if changes { "changed" } else { "unchanged" };
            let name = format!("{app} app, {contacts} contacts, {what}");
            if !wanted(&name) {
                continue;
            }
            let mut row = Row::new(app, contacts, changes, sides);
            match (only("--component"), only("--native")) {
                (true, false) => {
                    println!("{name:38} {:12.0}", rate(&(0..PAIRS).map(|_| row.sample(0)).collect::<Vec<_>>()))
                }
                (false, true) => {
                    println!("{name:38} {:25.0}", rate(&(0..PAIRS).map(|_| row.sample(1)).collect::<Vec<_>>()))
                }
                _ => row.compare(&name),
            }
        }
    }
}

/// What is compared.
#[derive(Clone, Copy)]
enum Sides {
    Native,
    Recording,
    Bulk,
}

/// One size of roster: an application, and two hosts that ask it.
struct Row {
    runtime: Runtime,
    bench: Bench,
    /// Through the component, and natively; or recorded, and not.
    sides: [Arc<Rosters>; 2],
    body: Bytes,
    changes: bool,
    version: u64,
}

impl Row {
    fn new(app: &str, contacts: usize, changes: bool, compared: Sides) -> Self {
        let runtime = Runtime::new().unwrap();
        let (bench, sides) = runtime.block_on(async {
            let bench = match app {
                "ordinary" => Bench::ordinary(contacts).await,
                _ => Bench::quick(contacts).await,
            };
            let [one, other] = match compared {
                Sides::Native => bench.both().await,
                Sides::Recording => bench.recording().await,
                Sides::Bulk => bench.bulk().await,
            };
            let sides = [bench.rosters(one.1), bench.rosters(other.1)];
            for side in &sides {
                connect(side).await;
            }
            (bench, sides)
        });
        Self { runtime, bench, sides, body: names(USERS), changes, version: 0 }
    }

    fn compare(&mut self, name: &str) {
        self.sample(0);
        self.sample(1);
        let mut ticks = [0; 2];
        let mut counted = |row: &mut Self, side: usize| {
            let before = ordinary_app::ticks();
            let sample = row.sample(side);
            *ticks.get_mut(side).unwrap() += ordinary_app::ticks() - before;
            sample
        };
        let pairs: Vec<[Duration; 2]> = (0..PAIRS).map(|_| [counted(self, 0), counted(self, 1)]).collect();
        let side = |index: usize| rate(&pairs.iter().filter_map(|pair| pair.get(index).copied()).collect::<Vec<_>>());
        let ratio = median(pairs.iter().map(|[one, other]| other.as_secs_f64() / one.as_secs_f64()));
        print!("{name:38} {:12.0} {:12.0} {ratio:8.2}", side(0), side(1));
        // A hundredth of a second for each tick.
        match ticks.map(|ticks| ticks as f64 * 10_000.0 / (PAIRS * USERS) as f64) {
            [0.0, 0.0] => println!(),
            [one, other] => println!("   application {one:.1} and {other:.1} us a user"),
        }
    }

    /// Refreshes everybody once.
    fn sample(&mut self, side: usize) -> Duration {
        if self.changes {
            self.version += 1;
            self.bench.app.set_version(self.version);
        }
        let began = Instant::now();
        // As a task: the thread that waits here is none of those that work.
        let (rosters, body) = (Arc::clone(self.sides.get(side).unwrap()), self.body.clone());
        let answer = self.runtime.spawn(async move { rosters.refresh_request(body, deadline()).await });
        let answer = self.runtime.block_on(answer).unwrap().unwrap();
        assert_eq!(answer.status, 200);
        began.elapsed()
    }
}

fn rate(samples: &[Duration]) -> f64 {
    USERS as f64 / median(samples.iter().map(Duration::as_secs_f64))
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    *values.get(values.len() / 2).unwrap()
}
