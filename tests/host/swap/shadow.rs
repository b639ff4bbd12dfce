//! A module that is to take over is run on the latest real calls first.

use std::time::Duration;

use roster_host::config::SwapConfig;
use roster_host::plugin::{BUILT_IN, PluginSource};
use roster_host::swap::{Outcome, Receipt, Shadow, Step};
use roster_tests::host::{TestHost, config};
use roster_tests::modules::{hostile, paged, patched, stamped};
use roster_tests::web_app::{Many, Reply, WebApp};

async fn host(swap: SwapConfig) -> (WebApp, TestHost) {
    let app = WebApp::start().await;
    let mut config = config(&app);
    config.hosts[0].swap = swap;
    app.set_otherwise(Reply::contacts(&["a@x", "b@x"]));
    (app, TestHost::with(config).await)
}

/// A fetch, a refresh that is a 304, one of an unchanged roster, one with changes, and one whose answer is an error.
async fn calls(app: &WebApp, host: &TestHost) {
    app.set("marie", Reply::Tagged(r#"{"a@x":{"name":"A"}}"#.into(), "\"v1\"".into()));
    for user in ["john", "marie", "paul"] {
        host.connect(user).await;
    }
    host.refresh(&["john", "marie"]).await;
    assert!(app.seen("marie").pop().unwrap().headers.contains_key("if-none-match"));
    app.set("john", Reply::contacts(&["c@x", "a@x"]));
    host.refresh(&["john"]).await;
    app.set("paul", Reply::Status(503));
    host.post(r#"["paul"]"#).await;
}

async fn swap(host: &TestHost, bytes: Vec<u8>) -> (Receipt, Shadow) {
    let receipt = host.swapper.swap("test", PluginSource::Bytes { name: "new".into(), bytes: bytes.into() }).await;
    let shadow = receipt.shadow.clone().unwrap();
    assert_eq!(shadow.calls, shadow.same + shadow.different + shadow.failed, "{shadow:?}");
    (receipt, shadow)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_code_does_the_same_and_asks_nobody() {
    let (app, host) = host(SwapConfig::default()).await;
    calls(&app, &host).await;
    let recorded = host.swapper.status().recorded;
    assert_eq!(recorded, 3 + 3 + 4 + 3, "fetches, requests, refreshes, answers");
    let before: Vec<_> = ["john", "marie", "paul"].map(|user| app.seen(user).len()).to_vec();
    let (receipt, shadow) = swap(&host, stamped(BUILT_IN, 1)).await;
    assert_eq!(receipt.outcome, Outcome::Swapped);
    assert_eq!((shadow.calls, shadow.same, &shadow.examples), (recorded, recorded, &vec![]), "{shadow:?}");
    assert_eq!(["john", "marie", "paul"].map(|user| app.seen(user).len()).to_vec(), before, "nothing was sent");
    assert_eq!(host.jids("john").await, ["a@x", "c@x"], "nothing came of it");
    assert_eq!(host.swapper.status().recorded, 0, "the new module has not been called yet");
    let (_, shadow) = swap(&host, stamped(BUILT_IN, 2)).await;
    assert_eq!(shadow.calls, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_module_does_otherwise_is_told_and_refused_only_if_the_operator_wants_that() {
    let other = || patched(BUILT_IN.to_vec(), "roster update complete", "roster update finished");
    for refuse_different in [false, true] {
        let (app, host) = host(SwapConfig { refuse_different, ..SwapConfig::default() }).await;
        calls(&app, &host).await;
        let (receipt, shadow) = swap(&host, other()).await;
        assert!(shadow.different > 0 && shadow.same > shadow.different && shadow.failed == 0, "{shadow:?}");
        assert!(shadow.examples[0].starts_with("summary: "), "{shadow:?}");
        let expected = if refuse_different { Outcome::Refused } else { Outcome::Swapped };
        assert_eq!(receipt.outcome, expected);
        assert_eq!(receipt.step == Step::Rehearse, refuse_different);
        let reason = receipt.reason.unwrap_or_default();
        assert_eq!(reason.contains("swap.refuse_different"), refuse_different, "{reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_of_another_protocol_asks_for_something_else_and_is_not_refused_for_it() {
    let (app, host) = host(SwapConfig::default()).await;
    calls(&app, &host).await;
    let (receipt, shadow) = swap(&host, paged()).await;
    assert_eq!((receipt.outcome, shadow.failed), (Outcome::Swapped, 0), "{receipt:?}");
    assert!(shadow.different >= 7, "{shadow:?}");
    let asks = shadow.examples.iter().find(|example| example.starts_with("fetch of john: asks for GET http://"));
    assert!(asks.is_some_and(|line| line.contains("/v1/users/john/contacts")), "{shadow:?}");
    assert!(shadow.examples.len() <= 3, "{shadow:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_fails_a_recorded_call_is_refused_before_it_fails_a_real_one() {
    let (app, host) = host(SwapConfig::default()).await;
    calls(&app, &host).await;
    host.connect("then-trap").await;
    host.refresh(&["then-trap"]).await;
    let (receipt, shadow) = swap(&host, hostile()).await;
    assert_eq!((receipt.outcome, receipt.step, shadow.failed), (Outcome::Refused, Step::Rehearse, 1), "{receipt:?}");
    let reason = receipt.reason.unwrap();
    assert!(reason.contains("refresh of then-trap: the plugin trapped"), "{reason}");
    host.refresh(&["then-trap", "john"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_for_many_users_are_made_again_too() {
    for (bytes, same) in [(stamped(BUILT_IN, 1), true), (paged(), false)] {
        let app = WebApp::start().await;
        app.set_otherwise(Reply::Late(Duration::from_millis(10), Box::new(Reply::Tagged("{}".into(), "\"1\"".into()))));
        app.set_many(Many::Validators);
        let mut config = config(&app);
        config.hosts[0].settings.insert("http_roster_bulk_url".into(), app.bulk_url());
        let host = TestHost::with(config).await;
        let names: Vec<String> = (0..40).map(|user| format!("user{user}")).collect();
        futures::future::join_all(names.iter().map(|name| host.connect(name))).await;
        host.refresh(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let asked = app.asked().1.len();
        assert!(asked >= 2, "{asked}");
        let (receipt, shadow) = swap(&host, bytes).await;
        assert_eq!((receipt.outcome, shadow.failed), (Outcome::Swapped, 0), "{receipt:?}");
        let bulk = shadow.examples.iter().find(|example| example.starts_with("bulk of "));
        if same {
            assert_eq!((shadow.same, bulk), (shadow.calls, None), "{shadow:?}");
        } else {
            assert!(bulk.is_some_and(|line| line.ends_with(" users: asks for each user alone")), "{shadow:?}");
        }
        assert_eq!(app.asked().1.len(), 0, "nothing was sent");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_recorded_is_bounded_and_zero_is_nothing() {
    for (shadow_calls, most) in [(2, 8), (0, 0)] {
        let (app, host) = host(SwapConfig { shadow_calls, ..SwapConfig::default() }).await;
        for n in 0..10 {
            host.connect(&format!("user{n}")).await;
            app.set("user0", Reply::contacts(&[&format!("c{n}@x")]));
            host.refresh(&["user0"]).await;
        }
        assert_eq!(host.swapper.status().recorded, most);
        let new = PluginSource::Bytes { name: "new".into(), bytes: stamped(BUILT_IN, 3).into() };
        let receipt = host.swapper.swap("test", new).await;
        assert_eq!(receipt.outcome, Outcome::Swapped);
        assert_eq!(receipt.shadow.map(|shadow| (shadow.calls, shadow.same)), (most > 0).then_some((most, most)));
    }
}
