//! Modules are swapped, good ones and bad ones, while everybody refreshes without pause: nobody notices.

use std::sync::Arc;
use std::time::Duration;

use roster_host::config::PluginCacheConfig;
use roster_host::plugin::{BUILT_IN, PluginSource};
use roster_host::swap::{Outcome, Step};
use roster_tests::host::{TestHost, config};
use roster_tests::load::Load;
use roster_tests::modules::{Folder, hostile, patched, stamped};
use roster_tests::web_app::WebApp;

const CLIENTS: usize = 64;
/// Every kind of module so many times: 208 swaps.
const ROUNDS: usize = 26;

fn good(stamp: u8) -> Vec<u8> {
    stamped(BUILT_IN, stamp)
}

/// What is swapped in, and what is to come of it.
fn modules() -> Vec<(&'static str, Vec<u8>, Outcome, Step)> {
    let forbidden = patched(hostile(), "wasi:http/outgoing-handler@", "wasi:http/incoming-handler@");
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

#[tokio::test(flavor = "multi_thread")]
async fn nobody_notices_two_hundred_swaps_good_and_bad() {
    let cache = Folder::new("swap-load");
    let app = Arc::new(WebApp::start().await);
    let mut config = config(&app);
    config.plugin_cache = Some(PluginCacheConfig::new(cache.path("cache")));
    let host = &mut config.hosts[0];
    host.limits.cpu_time = Duration::from_millis(200);
    // The machine is busy with nothing but this; how long a call takes is not what is tested.
    host.limits.call_timeout = Duration::from_secs(20);
    host.client.first_byte_timeout = Duration::from_secs(15);
    host.client.total_timeout = Duration::from_secs(15);
    host.settings.insert("rehearsal".into(), "trap".into());
    host.settings.insert("rehearsal-b".into(), "loop".into());
    let host = Arc::new(TestHost::with(config).await);
    let load = Load::start(&app, &host, CLIENTS).await;
    let modules = modules();
    for round in 0..ROUNDS {
        for (what, bytes, outcome, step) in &modules {
            let source = PluginSource::Bytes { name: (*what).to_owned(), bytes: bytes.clone().into() };
            let receipt = host.swapper.swap("test", source).await;
            assert_eq!((receipt.outcome, receipt.step), (*outcome, *step), "{what}, {round}: {:?}", receipt.reason);
            assert_eq!(receipt.reason.is_some(), *outcome == Outcome::Refused, "{what}");
            load.goes_on(5).await;
        }
    }
    let done = load.finish().await;
    let status = host.swapper.status();
    assert_eq!(status.serves.name, "good 2");
    assert!(status.kept.len() <= 3 && status.history.len() == 50, "both are bounded");
    println!("{} refreshes during {} swaps", done, ROUNDS * modules.len());
}
