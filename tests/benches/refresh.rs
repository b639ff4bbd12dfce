//! The price of the plugin boundary: each measurement once through the component and once through the same logic
//! compiled natively, with the same client, use cases, concurrency and store, in one run.
//!
//! `cargo bench -p roster-tests`; criterion prints time and throughput (elements are users).
#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use roster_host::plugin::Outcome;
use roster_tests::bench::{Bench, USERS, connect, deadline, names};
use tokio::runtime::Runtime;

/// What the program uses.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Hooks that need no application: the boundary alone, and parsing.
fn hooks(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let _context = runtime.enter();
    let bench = runtime.block_on(Bench::quick(10));
    let mut group = criterion.benchmark_group("hook");
    for (name, plugin) in runtime.block_on(bench.both()) {
        group.bench_function(BenchmarkId::new("summary", name), |b| {
            b.to_async(&runtime).iter(|| plugin.summary(Outcome::Batch { updated: 7, errors: 0, invalid: 0 }));
        });
        for users in [1, 1000] {
            let body = names(users);
            group.bench_function(BenchmarkId::new(format!("changed-users-{users}"), name), |b| {
                b.to_async(&runtime).iter(|| plugin.changed_users(body.clone()));
            });
        }
    }
}

/// A refresh request for everybody online, end to end over loopback HTTP.
fn refreshes(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let _context = runtime.enter();
    for contacts in [10, 100, 1000] {
        let bench = runtime.block_on(Bench::quick(contacts));
        for (what, changes) in [("unchanged", false), ("changed", true)] {
            let mut group = criterion.benchmark_group(format!("refresh-{USERS}-users/{what}-{contacts}-contacts"));
            group.sampling_mode(SamplingMode::Flat).sample_size(20).throughput(Throughput::Elements(USERS as u64));
            for (name, plugin) in runtime.block_on(bench.both()) {
                let rosters = bench.rosters(plugin);
                runtime.block_on(connect(&rosters));
                let body = names(USERS);
                let version = AtomicU64::new(0);
                group.bench_function(name, |b| {
                    b.to_async(&runtime).iter(|| {
                        if changes {
                            bench.app.set_version(version.fetch_add(1, Ordering::Relaxed) + 1);
                        }
                        let (rosters, body) = (Arc::clone(&rosters), body.clone());
                        async move {
                            let answer = rosters.refresh_request(body, deadline()).await.unwrap();
                            assert_eq!(answer.status, 200);
                        }
                    });
                });
            }
        }
    }
}

/// A refresh request that names nobody who is online.
fn unknown_users(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let _context = runtime.enter();
    let bench = runtime.block_on(Bench::quick(10));
    let mut group = criterion.benchmark_group("unknown-users");
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    for count in [1000, 10_000, 100_000] {
        let body = names(count);
        group.throughput(Throughput::Elements(count as u64));
        for (name, plugin) in runtime.block_on(bench.both()) {
            let rosters = bench.rosters(plugin);
            group.bench_function(BenchmarkId::new(count.to_string(), name), |b| {
                b.to_async(&runtime).iter(|| {
                    let (rosters, body) = (Arc::clone(&rosters), body.clone());
                    async move { rosters.refresh_request(body, deadline()).await.unwrap() }
                });
            });
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(5));
    targets = hooks, refreshes, unknown_users
}
criterion_main!(benches);
