//! The example plugin `paged-roster` in the host: another protocol, the same host.

use std::path::PathBuf;

use roster_host::plugin::PluginSource;
use roster_host::swap::Outcome;
use roster_tests::host::{TestHost, config};
use roster_tests::web_app::{Reply, WebApp};
use serde_json::json;

const FIVE: [&str; 5] = ["a@x", "b@x", "c@x", "d@x", "e@x"];

#[tokio::test(flavor = "multi_thread")]
async fn a_roster_of_several_pages_is_fetched_and_refreshed() {
    let app = WebApp::start().await;
    let mut config = config(&app);
    config.hosts[0].plugin = Some(PathBuf::from(roster_tests::PAGED_ROSTER).into());
    let host = TestHost::with(config).await;
    app.set("john", Reply::contacts(&FIVE));
    host.connect("john").await;
    assert_eq!(host.jids("john").await, FIVE);
    let paths: Vec<_> = app.all_seen().into_iter().map(|seen| seen.path).collect();
    let page = |query| format!("/v1/users/john/contacts{query}");
    assert_eq!(paths, [page(""), page("?cursor=2"), page("?cursor=4")]);

    host.refresh(&["john"]).await;
    assert_eq!(app.all_seen().len(), 4, "the ETag is that of the time before: one request");
    assert!(app.all_seen()[3].headers.contains_key("if-none-match"));

    app.set("john", Reply::contacts(&["a@x", "c@x", "d@x", "f@x"]));
    let response = host.post(r#"{"events": [{"type": "contacts.changed", "user": "john"}]}"#).await;
    assert_eq!((response.status, response.json()), (200, json!({"updated": 1, "errors": 0})));
    let changes = host.events.changes_of("john");
    let put: Vec<_> = changes.iter().filter_map(|change| change["put"]["jid"].as_str()).collect();
    let removed: Vec<_> = changes.iter().filter_map(|change| change["remove"].as_str()).collect();
    assert_eq!((put, removed), (vec!["f@x"], vec!["b@x", "e@x"]));
    assert_eq!(host.jids("john").await, ["a@x", "c@x", "d@x", "f@x"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_host_swaps_to_another_protocol_and_back_and_keeps_its_rosters() {
    let app = WebApp::start().await;
    let host = TestHost::start(&app).await;
    app.set("john", Reply::contacts(&FIVE));
    host.connect("john").await;
    let version = host.version("john").await;
    for (source, prefix) in [
        (PluginSource::File(roster_tests::PAGED_ROSTER.into()), "/v1/users/john/contacts"),
        (PluginSource::BuiltIn, "/contacts/john"),
    ] {
        let receipt = host.swapper.swap("test", source).await;
        assert_eq!(receipt.outcome, Outcome::Swapped, "{:?}", receipt.reason);
        host.refresh(&["john"]).await;
        let last = app.all_seen().pop().unwrap();
        assert!(last.path.starts_with(prefix), "{}", last.path);
        assert_eq!(host.version("john").await, version, "the other protocol says the same, so nothing has changed");
    }
    assert_eq!(host.events.changes_of("john").len(), 0);
}
