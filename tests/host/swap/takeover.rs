//! Another plugin takes over while the host runs, and nobody notices.

use std::sync::Arc;
use std::time::Duration;

use roster_host::config::{Config, Secret};
use roster_host::plugin::{BUILT_IN, PluginSource};
use roster_host::swap::Outcome;
use roster_tests::client;
use roster_tests::host::{TestHost, config, until};
use roster_tests::load::Load;
use roster_tests::modules::{PluginFile, hostile, stamped};
use roster_tests::web_app::{Reply, WebApp};
use serde_json::{Value, json};

async fn host(file: &PluginFile, change: impl FnOnce(&mut Config)) -> (WebApp, TestHost) {
    let app = WebApp::start().await;
    let mut config = config(&app);
    config.hosts[0].plugin = Some(file.path().into());
    config.hosts[0].limits.cpu_time = Duration::from_millis(300);
    // Each of these tests asks for its swaps itself.
    config.hosts[0].swap.watch = false;
    change(&mut config);
    app.set_otherwise(Reply::contacts(&["a@x"]));
    (app, TestHost::with(config).await)
}

async fn admin(host: &TestHost, method: &str, path: &str) -> (u16, Value) {
    let response = client::request(host.admin, method, path, &[], &[]).await;
    (response.status, response.json())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_swaps_what_has_changed_and_a_rollback_puts_it_back() {
    let file = PluginFile::new("reload");
    let (_app, host) = host(&file, |_| {}).await;
    let (_, before) = admin(&host, "GET", "/plugin").await;
    let (status, receipt) = admin(&host, "POST", "/plugin/reload").await;
    assert_eq!((status, &receipt["outcome"]), (200, &json!("unchanged")));

    host.connect("john").await;
    let version = host.version("john").await;
    file.write(&stamped(BUILT_IN, 1));
    let (status, receipt) = admin(&host, "POST", "/plugin/reload").await;
    assert_eq!((status, &receipt["outcome"], &receipt["step"]), (200, &json!("swapped"), &json!("drain")), "{receipt}");
    assert_eq!(receipt["old"], before["serves"]);
    assert!(receipt["rehearsal"].as_array().unwrap().iter().all(|hook| hook["ok"] == true), "{receipt}");
    assert!(receipt["compile_ms"].is_u64() && receipt["drain_ms"].is_u64(), "{receipt}");
    assert_eq!((host.version("john").await, host.jids("john").await), (version, vec!["a@x".to_owned()]), "it stays");
    host.refresh(&["john"]).await;

    let (_, after) = admin(&host, "GET", "/plugin").await;
    let mut kept = after["kept"][0].clone();
    let figures = kept.as_object_mut().unwrap().remove("figures").unwrap();
    assert_eq!((&after["serves"], &kept), (&receipt["new"], &before["serves"]));
    assert!(figures["calls"].as_u64().unwrap() > 1, "{figures}");
    let (status, receipt) = admin(&host, "POST", "/plugin/rollback").await;
    assert_eq!((status, &receipt["new"]), (200, &before["serves"]), "{receipt}");
    host.refresh(&["john"]).await;
    let (_, last) = admin(&host, "GET", "/plugin").await;
    assert_eq!(last["serves"], before["serves"]);
    assert_eq!(last["history"].as_array().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_module_is_refused_with_the_step_and_the_reason_and_the_old_one_serves() {
    let file = PluginFile::new("bad");
    let rehearsal = Arc::new(parking_lot::Mutex::new(String::new()));
    for (what, bytes, how, step, says) in [
        ("an empty file", Vec::new(), "", "compile", "not a WebAssembly component"),
        ("a truncated file", BUILT_IN[..BUILT_IN.len() / 2].to_vec(), "", "compile", "cannot be used"),
        ("a core module", b"\0asm\x01\0\0\0".to_vec(), "", "compile", "core module"),
        ("another world", b"\0asm\x0d\0\x01\0".to_vec(), "", "check", "roster-plugin@0.1.0"),
        ("a trap", hostile(), "trap", "rehearse", "trapped"),
        ("a loop", hostile(), "loop", "rehearse", "cpu_time"),
        ("no network in rehearsal", hostile(), "handles", "rehearse", "handles"),
    ] {
        *rehearsal.lock() = how.to_owned();
        file.write(BUILT_IN);
        let (_app, host) = host(&file, |config| {
            config.hosts[0].settings.insert("rehearsal".into(), how.into());
        })
        .await;
        host.connect("john").await;
        let (_, before) = admin(&host, "GET", "/plugin").await;
        file.write(&bytes);
        let (status, receipt) = admin(&host, "POST", "/plugin/reload").await;
        assert_eq!((status, &receipt["outcome"], &receipt["step"]), (422, &json!("refused"), &json!(step)), "{what}");
        assert!(receipt["reason"].as_str().unwrap().contains(says), "{what}: {receipt}");
        host.refresh(&["john"]).await;
        let (_, after) = admin(&host, "GET", "/plugin").await;
        assert_eq!(after["serves"], before["serves"], "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_fails_real_calls_is_rolled_back_and_no_call_is_lost() {
    let file = PluginFile::new("canary");
    // With recorded calls it would not get as far as this.
    let (_app, host) = host(&file, |config| config.hosts[0].swap.shadow_calls = 0).await;
    host.connect("then-trap").await;
    host.connect("john").await;
    let good = host.swapper.status().serves.digest;
    file.write(&hostile());
    assert_eq!(host.swapper.reload().await.outcome, Outcome::Swapped);
    // The module that misbehaves also answers in its own way, so what it says of one user is what it is told apart by.
    for _ in 0..3 {
        host.post(r#"then-trap"#).await;
    }
    assert_eq!(host.cached("then-trap").await.unwrap()["contacts"][0]["jid"], "a@x");
    until("it is rolled back", || async {
        host.post("then-trap").await;
        host.swapper.status().serves.digest == good
    })
    .await;
    let response = host.refresh(&["then-trap", "john"]).await;
    assert_eq!(response.json()["updated"], json!(2));
    until("there is a receipt", || async { host.swapper.status().history[0].trigger == "canary" }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_module_before_it_cannot_do_either_is_not_held_against_a_new_one() {
    for (what, body, user) in [
        ("a body that no module can read", Some("trap!"), None),
        ("a body that takes all the time there is", Some("loop!"), None),
        ("more users than can be counted", Some("many!2000000"), None),
        ("an answer on which it traps", None, Some("trap")),
        ("an answer that is more than it can hold", None, Some("bomb")),
    ] {
        let file = PluginFile::new("innocent");
        file.write(&hostile());
        let (_app, host) = host(&file, |config| config.hosts[0].swap.shadow_calls = 0).await;
        file.write(&stamped(&hostile(), 7));
        assert_eq!(host.swapper.reload().await.outcome, Outcome::Swapped);
        let new = host.swapper.status().serves.digest;
        // One failure more than a new module may have, and some.
        for _ in 0..6 {
            if let Some(body) = body {
                assert!(host.post(body).await.status >= 400, "{what}");
            }
            if let Some(user) = user {
                assert_eq!(host.try_connect(user).await.status, 502, "{what}");
            }
        }
        let status = host.swapper.status();
        assert_eq!((status.serves.digest, status.history[0].trigger), (new, "reload"), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_modules_tag_is_not_believed() {
    let file = PluginFile::new("tags");
    let (app, host) = host(&file, |_| {}).await;
    app.set("john", Reply::Tagged(r#"{"a@x":{}}"#.into(), "\"v1\"".into()));
    host.connect("john").await;
    host.refresh(&["john"]).await;
    assert!(app.seen("john").pop().unwrap().headers.contains_key("if-none-match"));
    file.write(&stamped(BUILT_IN, 2));
    assert_eq!(host.swapper.reload().await.outcome, Outcome::Swapped);
    host.refresh(&["john"]).await;
    assert!(!app.seen("john").pop().unwrap().headers.contains_key("if-none-match"), "the new module reads it itself");
    host.refresh(&["john"]).await;
    assert!(app.seen("john").pop().unwrap().headers.contains_key("if-none-match"));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_has_a_token_may_upload() {
    let file = PluginFile::new("upload");
    let (_app, open) = host(&file, |_| {}).await;
    let refused = client::request(open.admin, "PUT", "/plugin", &[], &stamped(BUILT_IN, 3)).await;
    assert_eq!(refused.status, 403, "{}", refused.text());
    let (_app, host) = host(&file, |config| config.admin.token = Some(Secret::new("key"))).await;
    let put = |key: &'static str| {
        let admin = host.admin;
        async move { client::request(admin, "PUT", "/plugin", &[("authorization", key)], &stamped(BUILT_IN, 3)).await }
    };
    assert_eq!(put("Bearer wrong").await.status, 401);
    let taken = put("Bearer key").await;
    assert_eq!((taken.status, &taken.json()["outcome"]), (200, &json!("swapped")), "{}", taken.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn under_load_no_call_fails_and_no_change_is_lost_or_doubled() {
    const CLIENTS: usize = 16;
    const SWAPS: u8 = 12;
    let file = PluginFile::new("load");
    // What is looked at is what is lost, not how fast a machine is that compiles meanwhile.
    let patient = |config: &mut Config| {
        let host = &mut config.hosts[0];
        host.limits.call_timeout = Duration::from_secs(20);
        host.limits.cpu_time = Duration::from_secs(2);
        host.client.first_byte_timeout = Duration::from_secs(15);
        host.client.total_timeout = Duration::from_secs(15);
    };
    let (app, host) = host(&file, patient).await;
    let host = Arc::new(host);
    let load = Load::start(&Arc::new(app), &host, CLIENTS).await;
    for n in 0..SWAPS {
        let (bytes, expected) = match n % 4 {
            0 => (BUILT_IN[..1000].to_vec(), Outcome::Refused),
            1 => (b"\0asm\x01\0\0\0".to_vec(), Outcome::Refused),
            _ => (stamped(BUILT_IN, n), Outcome::Swapped),
        };
        let source = PluginSource::Bytes { name: format!("module {n}"), bytes: bytes.into() };
        let receipt = host.swapper.swap("test", source).await;
        assert_eq!(receipt.outcome, expected, "{:?}", receipt.reason);
        load.goes_on(CLIENTS + 1).await;
    }
    load.finish().await;
}
