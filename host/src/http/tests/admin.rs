//! The admin listener, but for its event stream.

use serde_json::json;

use super::client::{Reply, call, get};
use super::{Host, secret};

#[track_caller]
fn fails(reply: &Reply, status: u16, hint: &str) {
    let json = reply.json();
    assert_eq!((reply.status, &json["status"]), (status, &json!("error")), "{reply:?}");
    assert!(json["message"].as_str().unwrap().contains(hint), "{json} does not mention {hint:?}");
}

#[tokio::test]
async fn sessions_fetch_rosters_and_rosters_can_be_looked_at() {
    let host = Host::with(|setup| setup.domains = vec!["example.com", "other.example"]).await;
    let admin = host.admin();
    fails(&get(admin, "/rosters/john").await, 404, "nothing is cached for john");

    let reply = call(admin, "PUT", "/sessions/John", &[], "").await;
    let mut connected = reply.json();
    assert_eq!(reply.status, 200);
    assert!(connected["age_seconds"].take().as_f64().unwrap() < 20.0);
    let marie = json!({ "jid": "marie@example.com", "name": "Marie 1", "subscription": "both", "groups": ["Work"] });
    let version = connected["version"].as_u64().unwrap();
    assert_eq!(
        connected,
        json!({
            "domain": "example.com", "user": "john", "version": version, "age_seconds": null,
            "sessions": ["admin"], "tag": "0aff", "contacts": [marie],
        })
    );

    call(admin, "PUT", "/sessions/john?resource=phone", &[], "").await;
    assert_eq!(host.plugin.asked(), ["john"], "the second session is served from memory");
    get(host.http(), "/roster_admin/refresh/john").await;
    let looked = get(admin, "/rosters/john?domain=EXAMPLE.com").await.json();
    assert_eq!(looked["sessions"], json!(["admin", "phone"]));
    assert_eq!((&looked["contacts"][0]["name"], &looked["tag"]), (&json!("Marie 2"), &json!(null)));
    assert!(looked["version"].as_u64().unwrap() > version);
    fails(&get(admin, "/rosters/john?domain=other.example").await, 404, "john");

    let summary = get(admin, "/rosters").await.json();
    let hosts = summary["hosts"].as_array().unwrap();
    assert_eq!(
        (&hosts[0]["domain"], &hosts[0]["online"], &hosts[0]["cached"]),
        (&json!("example.com"), &json!(1), &json!(1))
    );
    assert!(hosts[0]["bytes"].as_u64().unwrap() > 0);
    assert_eq!(
        hosts[1],
        json!({ "domain": "other.example", "online": 0, "awaiting_retry": 0, "cached": 0, "bytes": 0 })
    );

    assert_eq!(call(admin, "DELETE", "/sessions/john?resource=phone", &[], "").await.status, 204);
    fails(&call(admin, "DELETE", "/sessions/john?resource=phone", &[], "").await, 404, "no such session");
    assert_eq!(call(admin, "DELETE", "/sessions/john", &[], "").await.status, 204);
    fails(&call(admin, "DELETE", "/sessions/john", &[], "").await, 404, "no such session");
    let gone = get(admin, "/rosters/john").await.json();
    assert_eq!(gone["sessions"], json!([]), "kept for the grace time");
}

#[tokio::test]
async fn a_session_whose_roster_cannot_be_had_stays() {
    let host = Host::start().await;
    fails(&call(host.admin(), "PUT", "/sessions/failing", &[], "").await, 502, "status 500");
    assert_eq!(host.rosters[0].online(), 1);
    assert_eq!(call(host.admin(), "DELETE", "/sessions/failing?resource=admin", &[], "").await.status, 204);
    for number in 0..100 {
        call(host.admin(), "PUT", &format!("/sessions/john?resource={number}"), &[], "").await;
    }
    fails(&call(host.admin(), "PUT", "/sessions/john?resource=more", &[], "").await, 429, "100 sessions");
}

#[tokio::test]
async fn requests_that_make_no_sense_are_refused_in_json() {
    let host = Host::start().await;
    let long = format!("/sessions/john?resource={}", "x".repeat(1024));
    for (method, path, status, hint) in [
        ("PUT", "/sessions/a%20b", 400, "is not a username"),
        ("PUT", "/sessions/%FF", 400, "UTF-8"),
        ("PUT", "/sessions/john?resource=", 400, "1 to 1023 bytes"),
        ("PUT", &long, 400, "1 to 1023 bytes"),
        ("PUT", "/sessions/john?domain=nowhere.example", 404, "nowhere.example"),
        ("DELETE", "/sessions/john?domain=nowhere.example", 404, "nowhere.example"),
        ("GET", "/rosters/john?domain=nowhere.example", 404, "nowhere.example"),
        ("GET", "/rosters/john?domain=a&domain=b", 400, "domain"),
        ("GET", "/rosters/a%40b", 400, "is not a username"),
        ("GET", "/events?domain=nowhere.example", 404, "nowhere.example"),
        ("GET", "/events?user=a%20b", 400, "is not a username"),
        ("GET", "/nothing", 404, "GET /"),
        ("GET", "/rosters/", 404, "GET /"),
        ("POST", "/roster_admin/refresh", 404, "GET /"),
    ] {
        fails(&call(host.admin(), method, path, &[], "").await, status, hint);
    }
    assert_eq!(host.rosters[0].online(), 0);
    for (method, path, allowed) in [
        ("POST", "/", "GET,HEAD"),
        ("POST", "/healthz", "GET,HEAD"),
        ("DELETE", "/rosters/john", "GET,HEAD"),
        ("GET", "/sessions/john", "PUT,DELETE"),
        ("OPTIONS", "/sessions/john", "PUT,DELETE"),
    ] {
        let reply = call(host.admin(), method, path, &[], "").await;
        fails(&reply, 405, "method");
        assert_eq!(reply.header("allow"), Some(allowed), "{method} {path}");
    }
}

#[tokio::test]
async fn the_index_names_every_route() {
    let host = Host::start().await;
    let index = get(host.admin(), "/").await.json().to_string();
    for path in ["/healthz", "/readyz", "/metrics", "/rosters", "/rosters/{user}", "/sessions/{user}", "/events"] {
        assert!(index.contains(path), "{path}");
    }
}

#[tokio::test]
async fn health_and_readiness_say_what_is_missing() {
    let host = Host::start().await;
    assert_eq!(get(host.admin(), "/healthz").await.status, 200);
    let ready = get(host.admin(), "/readyz").await;
    assert_eq!((ready.status, ready.json()), (200, json!({ "status": "ok" })));
    host.readiness.not_ready(&"example.com".into(), "the file is missing");
    let ready = get(host.admin(), "/readyz").await;
    let missing = json!([{ "domain": "example.com", "reason": "the file is missing" }]);
    assert_eq!((ready.status, ready.json()), (503, json!({ "status": "not ready", "hosts": missing })));
    host.readiness.ready("example.com");
    assert_eq!(get(host.admin(), "/readyz").await.status, 200);
}

#[tokio::test]
async fn metrics_count_requests_and_show_what_is_held() {
    let host = Host::start().await;
    host.connect("john").await;
    get(host.http(), "/roster_admin/refresh/john").await;
    get(host.http(), "/made/up").await;
    let reply = get(host.admin(), "/metrics").await;
    let format = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!((reply.status, reply.header("content-type")), (200, Some(format)));
    for line in [
        r#"roster_host_http_requests_total{route="/roster_admin/refresh/{user}",status="200"} 1"#,
        r#"roster_host_http_requests_total{route="none",status="404"} 1"#,
        r#"roster_host_updates_total{domain="example.com",outcome="fetched"} 1"#,
        r#"roster_host_online_users{domain="example.com"} 1"#,
        r#"roster_host_cached_rosters{domain="example.com"} 1"#,
        "roster_host_event_readers 0",
        "# EOF",
    ] {
        assert!(reply.body.lines().any(|found| found == line), "no {line} in {}", reply.body);
    }
    let value = |name: &str| -> f64 {
        let line = reply.body.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("no {name}"));
        line.trim().parse().unwrap()
    };
    assert!(value(r#"roster_host_store_bytes{domain="example.com"}"#) > 0.0);
    if cfg!(target_os = "linux") {
        assert!(value("process_resident_memory_bytes ") > 1e6);
    }
}

#[tokio::test]
async fn the_token_is_asked_for_but_not_by_health_checks() {
    let host = Host::with(|setup| setup.admin.token = secret("s3cret")).await;
    let token = [("Authorization", "Bearer s3cret"), ("Host", "admin.example")];
    for (method, path) in [("GET", "/"), ("GET", "/metrics"), ("PUT", "/sessions/john"), ("GET", "/nothing")] {
        let reply = call(host.admin(), method, path, &[("Authorization", "Bearer wrong")], "").await;
        fails(&reply, 401, "admin.token");
        assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
        let passed = call(host.admin(), method, path, &token, "").await;
        assert!([200, 404].contains(&passed.status), "any Host will do with a token: {passed:?}");
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(get(host.admin(), path).await.status, 200);
    }
}

#[tokio::test]
async fn web_pages_get_nothing_without_a_token() {
    let host = Host::start().await;
    let admin = host.admin();
    for (named, status) in [
        ("localhost:5282", 200),
        ("127.0.0.1:5282", 200),
        ("[::1]:5282", 200),
        ("attacker.example:5282", 403),
        ("localhost.attacker.example", 403),
    ] {
        for path in ["/", "/rosters", "/metrics"] {
            let reply = call(admin, "GET", path, &[("Host", named)], "").await;
            assert_eq!(reply.status, status, "{named} {path}");
        }
        assert_eq!(call(admin, "GET", "/healthz", &[("Host", named)], "").await.status, 200);
    }
    let origin = [("Origin", "http://localhost:5282")];
    for method in ["PUT", "DELETE"] {
        fails(&call(admin, method, "/sessions/john", &origin, "").await, 403, "Origin");
    }
    assert_eq!(host.rosters[0].online(), 0);
    assert_eq!(call(admin, "GET", "/rosters", &origin, "").await.header("access-control-allow-origin"), None);
}
