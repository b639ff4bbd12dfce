//! Modules are swapped, good ones and bad ones, while everybody refreshes without pause: nobody notices.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use roster_host::config::PluginCacheConfig;
use roster_host::plugin::{BUILT_IN, PluginSource};
use roster_host::swap::{Outcome, Step};
use roster_tests::host::{TestHost, config, until};
use roster_tests::web_app::{Reply, WebApp};

const CLIENTS: usize = 64;
/// Every kind of module so many times: 208 swaps.
const ROUNDS: usize = 26;

/// `bytes` with `from` replaced by `to`, of the same length, wherever it is.
fn patched(mut bytes: Vec<u8>, from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let places: Vec<_> = bytes.windows(from.len()).enumerate().filter(|(_, found)| *found == from.as_bytes()).collect();
    let places: Vec<usize> = places.into_iter().map(|(at, _)| at).collect();
    assert!(!places.is_empty(), "{from}");
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    bytes
}

fn good(stamp: u8) -> Vec<u8> {
    [BUILT_IN, &[0, 3, 1, b'x', stamp]].concat()
}

/// What is swapped in, and what is to come of it.
fn modules() -> Vec<(&'static str, Vec<u8>, Outcome, Step)> {
    let hostile = || std::fs::read(roster_tests::HOSTILE_GUEST).unwrap();
    let forbidden = patched(BUILT_IN.to_vec(), "wasi:http/outgoing-handler@", "wasi:http/incoming-handler@");
    vec![
        ("good 1", good(1), Outcome::Swapped, Step::Drain),
        ("a truncated file", BUILT_IN[..BUILT_IN.len() / 2].to_vec(), Outcome::Refused, Step::Compile),
        ("good 2", good(2), Outcome::Swapped, Step::Drain),
        ("a core module", b"\0asm\x01\0\0\0".to_vec(), Outcome::Refused, Step::Compile),
        ("another world", b"\0asm\x0d\0\x01\0".to_vec(), Outcome::Refused, Step::Check),
        ("a trap at once", hostile(), Outcome::Refused, Step::Rehearse),
        ("a loop", patched(hostile(), "hostile-mark:a", "hostile-mark:b"), Outcome::Refused, Step::Rehearse),
        ("a forbidden import", forbidden, Outcome::Refused, Step::Check),
    ]
}

/// A folder that is gone with the test.
struct Cache(PathBuf);

impl Drop for Cache {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_notices_two_hundred_swaps_good_and_bad() {
    let cache = Cache(std::env::temp_dir().join(format!("roster-swap-load-{}", std::process::id())));
    let app = Arc::new(WebApp::start().await);
    let mut config = config(&app);
    config.plugin_cache = Some(PluginCacheConfig::new(cache.0.clone()));
    let host = &mut config.hosts[0];
    host.limits.cpu_time = Duration::from_millis(200);
    // The machine is busy with nothing but this; how long a call takes is not what is tested.
    host.limits.call_timeout = Duration::from_secs(20);
    host.client.first_byte_timeout = Duration::from_secs(15);
    host.client.total_timeout = Duration::from_secs(15);
    host.settings.insert("rehearsal".into(), "trap".into());
    host.settings.insert("rehearsal-b".into(), "loop".into());
    let host = Arc::new(TestHost::with(config).await);
    for n in 0..CLIENTS {
        app.set(&format!("user{n}"), Reply::contacts(&["c0@x"]));
        host.connect(&format!("user{n}")).await;
    }
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|n| {
            let (app, host, stop, done) = (Arc::clone(&app), Arc::clone(&host), Arc::clone(&stop), Arc::clone(&done));
            tokio::spawn(async move {
                let user = format!("user{n}");
                let mut round = 0;
                while !stop.load(Ordering::Relaxed) {
                    round += 1;
                    app.set(&user, Reply::contacts(&[&format!("c{round}@x")]));
                    host.refresh(&[&user]).await;
                    done.fetch_add(1, Ordering::Relaxed);
                }
                (user, round)
            })
        })
        .collect();
    let modules = modules();
    for round in 0..ROUNDS {
        for (what, bytes, outcome, step) in &modules {
            let before = done.load(Ordering::Relaxed);
            let source = PluginSource::Bytes { name: (*what).to_owned(), bytes: bytes.clone().into() };
            let receipt = host.swapper.swap("test", source).await;
            assert_eq!((receipt.outcome, receipt.step), (*outcome, *step), "{what}, {round}: {:?}", receipt.reason);
            assert_eq!(receipt.reason.is_some(), *outcome == Outcome::Refused, "{what}");
            until("calls go on", || async { done.load(Ordering::Relaxed) > before + 4 }).await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        let (user, rounds) = client.await.unwrap();
        let events = host.events.of(&user);
        let versions: Vec<u64> = events.iter().map(|event| event["version"].as_u64().unwrap()).collect();
        assert!(versions.is_sorted_by(|a, b| a < b), "{user}: {versions:?}");
        let changes = host.events.changes_of(&user);
        let put: Vec<_> = changes.iter().filter_map(|change| change["put"]["jid"].as_str()).collect();
        let expected: Vec<_> = (1..=rounds).map(|round| format!("c{round}@x")).collect();
        assert_eq!(put, expected, "{user}: each change once and in order");
        let removed: Vec<_> = changes.iter().filter_map(|change| change["remove"].as_str()).collect();
        let expected: Vec<_> = (0..rounds).map(|round| format!("c{round}@x")).collect();
        assert_eq!(removed, expected, "{user}");
        assert_eq!(host.jids(&user).await, [format!("c{rounds}@x")], "{user}: what the application has");
    }
    let status = host.swapper.status();
    assert_eq!(status.serves.name, "good 2");
    assert!(status.kept.len() <= 3 && status.history.len() == 50, "both are bounded");
    println!("{} refreshes during {} swaps", done.load(Ordering::Relaxed), ROUNDS * modules.len());
}
