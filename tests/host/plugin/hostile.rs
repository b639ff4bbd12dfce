//! A plugin that traps, loops, hoards or pries costs one user's refresh one error, and nobody else anything.

use std::sync::Arc;
use std::time::{Duration, Instant};

use roster_host::config::Config;
use roster_tests::host::{TestHost, hostile_config};
use roster_tests::web_app::WebApp;
use serde_json::{Value, json};

async fn host(change: impl FnOnce(&mut Config)) -> (WebApp, TestHost) {
    let app = WebApp::start().await;
    let mut config = hostile_config(&app);
    change(&mut config);
    (app, TestHost::with(config).await)
}

/// Ways to misbehave, and what the operator is told.
const WAYS: &[(&str, &str)] = &[
    ("loop", "limits.cpu_time"),
    ("gambler", "limits.cpu_time"),
    ("greedy", "broke a rule"),
    ("bomb", "limits.max_memory"),
    ("trap", "trapped"),
    ("overflow", "trapped"),
    ("exit", "exit"),
    ("sleeper", "limits.call_timeout"),
    ("handles", "handle"),
    ("requests", "Denied"),
    ("forbidden", "client.allow_origins"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_first_fetch_that_goes_wrong_says_why() {
    let (_app, host) = host(|_| {}).await;
    for (user, says) in WAYS {
        let response = host.try_connect(user).await;
        assert_eq!(response.status, 502, "{user}: {}", response.text());
        assert!(response.text().contains(says), "{user}: {:?} does not say {says:?}", response.text());
        assert_eq!(host.cached(user).await, None, "{user}");
        host.connect(&format!("quiet-{user}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_that_goes_wrong_leaves_the_roster_and_everybody_else_alone() {
    let (_app, host) = host(|_| {}).await;
    host.connect("quiet").await;
    for (way, _) in WAYS {
        let user = format!("then-{way}");
        host.connect(&user).await;
        let version = host.version(&user).await;
        let response = host.post(format!("{user},quiet")).await;
        assert_eq!((response.status, response.text().as_str()), (200, "1 1"), "{way}");
        assert_eq!(host.jids(&user).await, ["friend@localhost"], "{way}");
        assert_eq!(host.version(&user).await, version, "{way}");
        host.disconnect(&user).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_looping_plugin_does_not_stop_the_others() {
    let (_app, host) = host(|config| config.hosts[0].limits.cpu_time = Duration::from_secs(4)).await;
    let host = Arc::new(host);
    host.connect("quiet").await;
    // More loops than this machine has cores.
    let loops: Vec<_> = (0..8)
        .map(|n| {
            let host = Arc::clone(&host);
            let looping = if n == 0 { "loop".to_owned() } else { format!("then-loop?resource={n}") };
            tokio::spawn(async move { host.try_connect(&looping).await.status })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    host.connect("then-loop").await;
    let refreshing = tokio::spawn({
        let host = Arc::clone(&host);
        async move { host.post("then-loop").await.text() }
    });
    let began = Instant::now();
    for _ in 0..5 {
        assert_eq!(host.post("quiet").await.text(), "1 0");
    }
    assert!(began.elapsed() < Duration::from_millis(3500), "others waited {:?}", began.elapsed());
    assert_eq!(refreshing.await.unwrap(), "0 1");
    for one in loops {
        one.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_request_or_summary_is_an_error_of_the_request() {
    let (_app, host) = host(|_| {}).await;
    for body in ["loop!", "trap!"] {
        let response = host.post(body).await;
        assert!(response.status >= 500, "{body}: {}", response.status);
        assert_eq!(response.json()["status"], json!("error"), "{body}");
    }
    let refused = host.post(b"\xff").await;
    assert_eq!((refused.status, refused.text().as_str()), (400, "two lines"));
    for odd in ["status", "header"] {
        let (_app, host) = self::host(|config| {
            config.hosts[0].settings.insert("summary".into(), odd.into());
        })
        .await;
        let response = host.post("").await;
        assert_eq!((response.status, &response.json()["status"]), (500, &json!("error")), "an impossible {odd}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rosters_and_changes_that_cannot_be_are_refused() {
    let (_app, host) = host(|config| config.hosts[0].store.max_contacts = 10_000).await;
    let response = host.try_connect("crowd").await;
    assert_eq!(response.status, 502);
    assert!(response.text().contains("max_contacts"), "{}", response.text());
    for (user, answer) in [("liar", "1 0"), ("twin-changes", "1 0"), ("grower", "1 0")] {
        host.connect(user).await;
        assert_eq!(host.post(user).await.text(), answer, "{user}");
    }
    assert_eq!(host.jids("liar").await, ["friend@localhost"]);
    assert_eq!(host.events.changes_of("liar"), Vec::<Value>::new());
    assert_eq!(host.jids("twin-changes").await, ["friend@localhost", "twin@localhost"]);
    assert_eq!(host.jids("grower").await.len(), 2);
    for user in ["warner", "tagger", "chatter"] {
        host.connect(user).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_and_texts_that_cannot_be_cost_themselves_and_the_rest_stands() {
    let (_app, host) = host(|_| {}).await;
    for (user, jids) in [
        ("twins", &["twin@localhost"][..]),
        ("nameless", &[]),
        ("bell", &["ringer@localhost"]),
        ("speller", &["friend@localhost", "marie@localhost", "straße@bücher.example", "bell@localhost"]),
    ] {
        host.connect(user).await;
        assert_eq!(host.jids(user).await, jids, "{user}");
    }
    let contacts = host.contacts("speller").await;
    assert_eq!(contacts[1]["name"], json!("1"), "the first spelling counts");
    assert_eq!((&contacts[3]["name"], &contacts[3]["groups"]), (&json!("b l"), &json!(["G "])));
    // A plugin that has it all again, as changes: nothing has changed.
    let version = host.version("speller").await;
    assert_eq!(host.post("speller").await.text(), "1 0");
    assert_eq!(host.contacts("speller").await, contacts);
    assert_eq!(host.version("speller").await, version);
    assert_eq!(host.events.changes_of("speller"), Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn warm_instances_serve_many_calls_and_fresh_ones_one() {
    async fn calls_seen(reuse: bool, most: u32) -> Vec<String> {
        let (_app, host) = host(|config| {
            config.hosts[0].limits.reuse_instances = reuse;
            config.hosts[0].limits.max_calls_per_instance = most;
            (config.hosts[0].store.grace, config.hosts[0].store.stale_if_error) = (Duration::ZERO, Duration::ZERO);
        })
        .await;
        let mut seen = Vec::new();
        for _ in 0..12 {
            host.connect("counter").await;
            seen.extend(host.jids("counter").await);
            host.disconnect("counter").await;
            roster_tests::host::until("the roster is dropped", || async { host.cached("counter").await.is_none() })
                .await;
        }
        seen
    }
    let warm = calls_seen(true, 1000).await;
    assert_eq!(warm.last().unwrap(), "call-12@localhost", "{warm:?}");
    let fresh = calls_seen(false, 1000).await;
    assert!(fresh.iter().all(|jid| jid == "call-1@localhost"), "{fresh:?}");
    // Two calls for each roster.
    let bounded = calls_seen(true, 8).await;
    assert!(
        bounded.iter().all(|jid| ["1", "2", "3", "4"].iter().any(|n| *jid == format!("call-{n}@localhost"))),
        "{bounded:?}"
    );
    assert!(bounded.contains(&"call-3@localhost".to_owned()), "{bounded:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_leaks_or_grows_is_retired() {
    for (user, reason) in [("leaker", "retired-handles"), ("hoarder", "retired-memory")] {
        let (_app, host) = host(|_| {}).await;
        host.connect(user).await;
        let line = format!("roster_host_plugin_instances_total{{domain=\"localhost\",event=\"{reason}\"}}");
        assert_eq!(host.metric(&line).await, Some(1.0), "{user}");
        host.connect("quiet").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_sees_no_files_and_no_environment() {
    let (_app, host) = host(|_| {}).await;
    let response = host.try_connect("files").await;
    assert_eq!(response.status, 502);
    assert!(
        response.text().contains("Err(") && response.text().ends_with("0\"}") || response.text().contains(" 0"),
        "{}",
        response.text()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_are_there_and_refused() {
    let (_app, host) = host(|_| {}).await;
    let response = host.try_connect("sockets").await;
    assert_eq!(response.status, 502);
    let says = "Err(PermissionDenied) Err(PermissionDenied) false";
    assert!(response.text().contains(says), "{}", response.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_allowed_origins_are_asked() {
    let elsewhere = WebApp::start().await;
    let address = elsewhere.address().to_string();
    let (app, host) = host(|config| {
        config.hosts[0].settings.insert("forbidden".into(), address.clone());
    })
    .await;
    let response = host.try_connect("forbidden").await;
    assert_eq!(response.status, 502, "{}", response.text());
    assert_eq!(elsewhere.all_seen().len(), 0);
    assert_eq!(elsewhere.connections(), 0);
    let before = app.all_seen().len();
    let too_many = host.try_connect("requests").await;
    assert_eq!(too_many.status, 502);
    assert_eq!(app.all_seen().len() - before, 16, "as many as limits.max_requests_per_call");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_fails_keeps_the_host_from_starting() {
    let app = WebApp::start().await;
    for (check, says) in [
        ("no good", "host.settings.check: no good"),
        ("loop", "limits.cpu_time"),
        ("trap", "trapped"),
        ("online", "Denied"),
    ] {
        let mut config = hostile_config(&app);
        config.hosts[0].settings.insert("check".into(), check.into());
        config.hosts[0].client.allow_origins.push("http://127.0.0.1:1".parse().unwrap());
        let error = roster_host::Host::start(&config, Vec::new()).await.err().unwrap().to_string();
        assert!(error.contains(says) && error.contains("localhost"), "{check}: {error}");
        assert!(!error.contains('\n'), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_plugin_is_refused_by_name() {
    let app = WebApp::start().await;
    let folder = std::env::temp_dir().join(format!("roster-tests-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let good = std::fs::read(roster_tests::HOSTILE_GUEST).unwrap();
    for (name, bytes, says) in [
        ("empty.wasm", Vec::new(), "not a WebAssembly component"),
        ("text.wasm", b"hello".to_vec(), "not a WebAssembly component"),
        ("core.wasm", b"\0asm\x01\0\0\0".to_vec(), "not a WebAssembly component"),
        ("truncated.wasm", good[..good.len() / 2].to_vec(), "cannot be used"),
        ("nothing.wasm", b"\0asm\x0d\0\x01\0".to_vec(), "no plugin of the world"),
    ] {
        let path = folder.join(name);
        std::fs::write(&path, bytes).unwrap();
        let mut config = hostile_config(&app);
        config.hosts[0].plugin = Some(path.into());
        let error = roster_host::Host::start(&config, Vec::new()).await.err().unwrap().to_string();
        assert!(error.contains(says) && error.contains(name), "{name}: {error}");
    }
    let mut config = hostile_config(&app);
    config.hosts[0].plugin = Some(folder.join("missing.wasm").into());
    let error = roster_host::Host::start(&config, Vec::new()).await.err().unwrap().to_string();
    assert!(error.contains("missing.wasm"), "{error}");
    std::fs::remove_dir_all(&folder).unwrap();
}
