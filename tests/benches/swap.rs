//! What a swap costs those who are served, and how long it takes.
//!
//! `cargo bench -p roster-tests --bench swap`. Prints, from one run:
//!
//! - the time of a plugin call (a refresh of one user through the use cases, the application on the loopback interface),
//!   half and 99 of 100, without swaps and during swaps that compile, interleaved, and the difference;
//! - the time from a new file to the first call that the new module serves, compiled and from the cache;
//! - a host's start, compiled and from the cache;
//! - resident memory after 10 and after 1,000 swaps.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use roster_host::config::{HostConfig, PluginCacheConfig, StoreConfig};
use roster_host::http_client::HttpClient;
use roster_host::metrics::Metrics;
use roster_host::model::Username;
use roster_host::plugin::{BUILT_IN, EngineSize, PluginEngine, RosterPlugin};
use roster_host::rosters::{Parts, Rosters, SessionId};
use roster_host::store::MemoryStore;
use roster_host::swap::{Outcome, Swapper};
use roster_tests::quick_app::QuickApp;

/// What the program uses.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const CLIENTS: usize = 8;
const USERS: usize = 64;
const CONTACTS: usize = 100;

/// A folder that is gone at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("roster-swap-bench-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn plugin(&self) -> PathBuf {
        self.0.join("my.wasm")
    }

    /// A module with the same code and other bytes; what is compiled of it is not in the cache unless it was there before.
    fn put(&self, stamp: u32) {
        let section = [&[0, 6, 1, b'x'][..], &stamp.to_le_bytes()].concat();
        fs::write(self.0.join("new"), [BUILT_IN, &section].concat()).unwrap();
        fs::rename(self.0.join("new"), self.plugin()).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

struct Bench {
    swapper: Arc<Swapper>,
    rosters: Arc<Rosters>,
}

impl Bench {
    async fn start(host: &HostConfig, cache: &Path, connect: bool) -> Self {
        let engine = PluginEngine::new(EngineSize::of(std::slice::from_ref(host))).unwrap();
        let engine = engine.with_cache(&PluginCacheConfig::new(cache.to_owned()));
        let metrics = Metrics::new();
        let client = HttpClient::new(&host.client).unwrap();
        let swapper = Swapper::start(&engine, host, client, &metrics, None).await.unwrap();
        let parts = Parts {
            domain: host.domain.as_str().into(),
            plugin: Arc::clone(swapper.serving()) as Arc<dyn RosterPlugin>,
            store: Arc::new(MemoryStore::new(&StoreConfig::default())),
            sinks: Vec::new(),
            metrics,
            owners: None,
        };
        let rosters = Rosters::new(parts, &host.limits, &host.store);
        for n in 0..if connect { USERS } else { 0 } {
            rosters.connect(&user(n), SessionId::new("bench")).await.unwrap();
        }
        Self { swapper, rosters }
    }

    /// Times of refreshes for so long.
    async fn calls(&self, time: Duration) -> Vec<Duration> {
        let until = Instant::now() + time;
        let clients = (0..CLIENTS).map(|client| {
            let rosters = Arc::clone(&self.rosters);
            tokio::spawn(async move {
                let mut times = Vec::new();
                let mut n = client;
                while Instant::now() < until {
                    n = (n + CLIENTS) % USERS;
                    let body = format!("[\"user{n}\"]").into_bytes().into();
                    let began = Instant::now();
                    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
                    assert_eq!(rosters.refresh_request(body, deadline).await.unwrap().status, 200);
                    times.push(began.elapsed());
                    // Not a race for the cores, but traffic: what a swap adds would be lost in the queue.
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                times
            })
        });
        let clients: Vec<_> = clients.collect();
        let mut times = Vec::new();
        for client in clients {
            times.extend(client.await.unwrap());
        }
        times
    }

    /// From now to the moment at which another module serves.
    async fn taken_over(&self, before: &str) -> Duration {
        let began = Instant::now();
        while self.swapper.serving().plugin().digest().to_string() == before {
            assert!(began.elapsed() < Duration::from_secs(60), "it never takes over");
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        let answer = self
            .rosters
            .refresh_request(b"[\"user1\"]".as_slice().into(), tokio::time::Instant::now() + Duration::from_secs(60));
        assert_eq!(answer.await.unwrap().status, 200);
        began.elapsed()
    }
}

fn user(n: usize) -> Username {
    Username::new(&format!("user{n}")).unwrap()
}

fn share(times: &mut [Duration], share: f64) -> Duration {
    times.sort();
    times[((times.len() - 1) as f64 * share) as usize]
}

fn median(mut times: Vec<Duration>) -> Duration {
    share(&mut times, 0.5)
}

fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB").to_owned();
    line.trim().trim_end_matches("kB").trim().parse().unwrap_or(0)
}

async fn latency(bench: &Bench, folder: &Folder, stamp: &mut u32) {
    let (mut quiet, mut swapping) = (Vec::new(), Vec::new());
    let mut swaps = 0;
    for _ in 0..5 {
        quiet.extend(bench.calls(Duration::from_secs(2)).await);
        let stop = Arc::new(AtomicBool::new(false));
        let (swapper, seen, from) = (Arc::clone(&bench.swapper), Arc::clone(&stop), *stamp);
        let bytes = move |stamp: u32| [BUILT_IN, &[0, 6, 1, b'x'], &stamp.to_le_bytes()].concat();
        let swapping_task = tokio::spawn(async move {
            let mut done = 0;
            while !seen.load(Ordering::Relaxed) {
                let source =
                    roster_host::plugin::PluginSource::Bytes { name: "bench".into(), bytes: bytes(from + done).into() };
                assert_eq!(swapper.swap("bench", source).await.outcome, Outcome::Swapped);
                done += 1;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            done
        });
        swapping.extend(bench.calls(Duration::from_secs(2)).await);
        stop.store(true, Ordering::Relaxed);
        let done = swapping_task.await.unwrap();
        *stamp += done;
        swaps += done;
    }
    let [p50, p99, p50_swaps, p99_swaps] =
        [share(&mut quiet, 0.5), share(&mut quiet, 0.99), share(&mut swapping, 0.5), share(&mut swapping, 0.99)];
    println!(
        "refresh of one user, {CLIENTS} clients, {} and {} calls, {swaps} swaps that compile",
        quiet.len(),
        swapping.len()
    );
    println!("  without swaps   p50 {p50:?}  p99 {p99:?}");
    println!("  during swaps    p50 {p50_swaps:?}  p99 {p99_swaps:?}  added p99 {:?}", p99_swaps.saturating_sub(p99));
    let _ = folder;
}

async fn file_to_call(bench: &Bench, folder: &Folder, stamp: &mut u32) {
    let mut compiled = Vec::new();
    let mut cached = Vec::new();
    for _ in 0..10 {
        let before = bench.swapper.serving().plugin().digest().to_string();
        *stamp += 1;
        folder.put(*stamp);
        compiled.push(bench.taken_over(&before).await);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    // Older than what is kept, so that the code comes from the cache and not from memory.
    for back in (4..10).rev() {
        let before = bench.swapper.serving().plugin().digest().to_string();
        folder.put(*stamp - back);
        cached.push(bench.taken_over(&before).await);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    println!("from a new file to the first call served  compiled {:?}  cached {:?}", median(compiled), median(cached));
}

async fn start(host: &HostConfig, folder: &Folder) {
    let (mut cold, mut warm) = (Vec::new(), Vec::new());
    for n in 0..5 {
        let cache = folder.0.join(format!("start-{n}"));
        for times in [&mut cold, &mut warm] {
            let began = Instant::now();
            let bench = Bench::start(host, &cache, false).await;
            times.push(began.elapsed());
            drop(bench);
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }
    let (cold, warm) = (median(cold), median(warm));
    println!(
        "start of the plugin  compiled {cold:?}  cached {warm:?}  ratio {:.1}",
        cold.as_secs_f64() / warm.as_secs_f64()
    );
}

async fn memory(bench: &Bench) {
    let mut after_ten = 0;
    for n in 1..=1000_u32 {
        // Five modules in turn: compiled once, and with three kept never in memory when their turn comes.
        let section = [&[0, 6, 1, b'y'][..], &(n % 5).to_le_bytes()].concat();
        let bytes = [BUILT_IN, &section].concat();
        let source = roster_host::plugin::PluginSource::Bytes { name: "bench".into(), bytes: bytes.into() };
        assert_eq!(bench.swapper.swap("bench", source).await.outcome, Outcome::Swapped);
        let body = b"[\"user1\",\"user2\",\"user3\"]".as_slice().into();
        let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
        assert_eq!(bench.rosters.refresh_request(body, deadline).await.unwrap().status, 200);
        if n == 10 {
            after_ten = resident();
        }
    }
    let after = resident();
    println!(
        "resident memory  after 10 swaps {after_ten} kB  after 1000 {after} kB  ratio {:.3}",
        after as f64 / after_ten as f64
    );
}

#[tokio::main]
async fn main() {
    let folder = Folder::new();
    let app = QuickApp::start(CONTACTS).await;
    let mut host = HostConfig::for_application("example.com", &format!("{}/contacts/%s", app.origin())).unwrap();
    folder.put(0);
    host.plugin = Some(folder.plugin().into());
    start(&host, &folder).await;
    let bench = Bench::start(&host, &folder.0.join("cache"), true).await;
    bench.swapper.watch();
    let mut stamp = 1000;
    file_to_call(&bench, &folder, &mut stamp).await;
    stamp += 1;
    latency(&bench, &folder, &mut stamp).await;
    memory(&bench).await;
}
