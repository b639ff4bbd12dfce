//! What the instances of all plugins hold together is bounded, and no virtual host can take another's share.

use std::sync::Arc;
use std::time::{Duration, Instant};

use roster_host::config::Config;
use roster_tests::client;
use roster_tests::host::{TestHost, hostile_config};
use roster_tests::modules::{PluginFile, hostile, stamped};
use roster_tests::web_app::WebApp;

const MIB: usize = 1 << 20;

/// A host whose instances may hold so much together, each up to 32 MiB.
fn bounded(app: &WebApp, total: usize) -> Config {
    let mut config = hostile_config(app);
    config.limits.total_memory = total;
    // Kept warm whatever they have grown to.
    config.hosts[0].limits.retire_memory = 1 << 30;
    config.hosts[0].limits.cpu_time = Duration::from_secs(5);
    config
}

async fn held(host: &TestHost, domain: &str) -> usize {
    let line = format!("roster_host_plugin_memory_bytes{{domain=\"{domain}\"}}");
    host.metric(&line).await.unwrap_or(0.0) as usize
}

#[tokio::test(flavor = "multi_thread")]
async fn more_instances_than_there_is_room_for_wait_and_are_all_served() {
    let app = WebApp::start().await;
    // Room for three of the twelve.
    let mut config = bounded(&app, 64 * MIB);
    config.hosts[0].limits.call_timeout = Duration::from_secs(30);
    config.hosts[0].limits.queue_timeout = Duration::from_secs(30);
    let host = Arc::new(TestHost::with(config).await);
    // How much a call needs is known from the one before.
    host.connect("holder").await;
    let calls: Vec<_> = (0..12)
        .map(|n| {
            let host = Arc::clone(&host);
            tokio::spawn(async move { host.try_connect(&format!("holder-{n}")).await })
        })
        .collect();
    let mut most = 0;
    let began = Instant::now();
    while !calls.iter().all(tokio::task::JoinHandle::is_finished) && began.elapsed() < Duration::from_secs(30) {
        most = most.max(held(&host, "localhost").await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for call in calls {
        let response = call.await.unwrap();
        assert_eq!(response.status, 200, "{}", response.text());
    }
    assert!((32 * MIB..=64 * MIB).contains(&most), "{most}");
    host.connect("quiet").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_finds_no_room_is_refused_with_the_key_and_is_not_the_plugins_fault() {
    let app = WebApp::start().await;
    let mut config = bounded(&app, 33 * MIB);
    config.hosts[0].limits.queue_timeout = Duration::from_millis(200);
    let host = Arc::new(TestHost::with(config).await);
    let holding = tokio::spawn({
        let host = Arc::clone(&host);
        async move { host.try_connect("holder").await.status }
    });
    tokio::time::sleep(Duration::from_millis(700)).await;
    let refused = host.try_connect("filler").await;
    assert!(refused.text().contains("limits.total_memory"), "{}", refused.text());
    let line = "roster_host_plugin_calls_total{domain=\"localhost\",hook=\"fetch\",outcome=\"no-room\"}";
    assert_eq!(host.metric(line).await, Some(1.0));
    assert_eq!(holding.await.unwrap(), 200);
    host.connect("filler-later").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_greedy_host_leaves_the_others_their_share() {
    let app = WebApp::start().await;
    let mut config = bounded(&app, 128 * MIB);
    let mut other = config.hosts[0].clone();
    other.domain = "other.example".into();
    config.hosts.push(other);
    let host = Arc::new(TestHost::with(config).await);
    let greedy: Vec<_> = (0..12)
        .map(|n| {
            let host = Arc::clone(&host);
            tokio::spawn(async move { host.try_connect(&format!("holder-{n}")).await.status })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(held(&host, "localhost").await > 64 * MIB, "it has more than its share");
    let began = Instant::now();
    let path = "/sessions/filler?domain=other.example";
    let response = client::request(host.admin, "PUT", path, &[], &[]).await;
    assert_eq!(response.status, 200, "{}", response.text());
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    for call in greedy {
        call.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_instances_make_room_for_others_and_for_a_swap() {
    let app = WebApp::start().await;
    let mut config = bounded(&app, 50 * MIB);
    let file = PluginFile::new("full");
    file.write(&hostile());
    (config.hosts[0].plugin, config.hosts[0].swap.watch) = (Some(file.path().into()), false);
    let host = Arc::new(TestHost::with(config).await);
    // Two at once, so that two instances stay.
    let pair = ["holder-1", "holder-2"].map(|user| {
        let host = Arc::clone(&host);
        tokio::spawn(async move { host.connect(user).await })
    });
    for call in pair {
        call.await.unwrap();
    }
    let full = held(&host, "localhost").await;
    assert!(full > 34 * MIB, "{full}");
    file.write(&stamped(&hostile(), 1));
    let receipt = client::request(host.admin, "POST", "/plugin/reload", &[], &[]).await.json();
    assert_eq!(receipt["outcome"], "swapped", "{receipt}");
    host.connect("filler").await;
    assert!(held(&host, "localhost").await <= 50 * MIB);
}
