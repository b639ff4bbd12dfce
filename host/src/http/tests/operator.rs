//! What the operator's page is made of: who is online, one user, and the page itself.

use serde_json::{Value, json};

use super::client::{Reply, call, get};
use super::{Host, secret};

fn fails(reply: &Reply, status: u16, hint: &str) {
    let json = reply.json();
    assert_eq!(reply.status, status, "{reply:?}");
    assert!(json["message"].as_str().unwrap().contains(hint), "{json} does not mention {hint:?}");
}

#[tokio::test]
async fn who_is_online_is_listed_page_by_page_in_the_order_of_names() {
    let host = Host::with(|setup| setup.domains = vec!["example.com", "other.example"]).await;
    let admin = host.admin();
    for number in (0..25).rev() {
        call(admin, "PUT", &format!("/sessions/user{number:02}?resource=phone"), &[], "").await;
    }
    call(admin, "PUT", "/sessions/user07?resource=desk", &[], "").await;
    call(admin, "PUT", "/sessions/away", &[], "").await;
    call(admin, "DELETE", "/sessions/away", &[], "").await;

    let (mut seen, mut after, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = get(admin, &format!("/sessions?limit=10{after}")).await.json();
        assert_eq!((&page["domain"], &page["online"]), (&json!("example.com"), &json!(25)));
        let users = page["users"].as_array().unwrap();
        assert!(users.len() <= 10, "{page}");
        seen.extend(users.iter().map(|user| user["user"].as_str().unwrap().to_owned()));
        pages += 1;
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(pages, 3);
    let expected: Vec<String> = (0..25).map(|number| format!("user{number:02}")).collect();
    assert_eq!(seen, expected, "everybody once, and nobody who has left");

    let page = get(admin, "/sessions?after=user06&limit=1").await.json();
    let user = &page["users"][0];
    let names: Vec<&Value> = user["sessions"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!((names, &user["sessions"][0]["via"]), (vec![&json!("phone"), &json!("desk")], &json!("admin")));
    assert!(user["sessions"][0]["age_seconds"].as_f64().unwrap() < 60.0);
    assert_eq!(user["roster"]["contacts"], 1, "{user}");
    assert_eq!(get(admin, "/sessions?domain=other.example").await.json()["users"], json!([]));
    for (query, status, hint) in [
        ("limit=0", 400, "1 to 1000"),
        ("limit=1001", 400, "1 to 1000"),
        ("limit=many", 400, "limit"),
        ("after=a%20b", 400, "is not a username"),
        ("domain=nowhere.example", 404, "nowhere.example"),
    ] {
        fails(&get(admin, &format!("/sessions?{query}")).await, status, hint);
    }
}

#[tokio::test]
async fn of_one_user_all_is_told_that_is_known() {
    let host = Host::start().await;
    let admin = host.admin();
    fails(&get(admin, "/users/john").await, 404, "nothing is known of john");
    call(admin, "PUT", "/sessions/john?resource=phone", &[], "").await;
    let john = get(admin, "/users/John?domain=example.com").await.json();
    assert_eq!((&john["domain"], &john["user"], &john["failures"]), (&json!("example.com"), &json!("john"), &json!(0)));
    assert_eq!(john["sessions"][0]["name"], "phone");
    assert_eq!(john["roster"]["contacts"][0]["jid"], "marie@example.com");
    assert_eq!(john["requests"], json!([]), "the plugin of this test asks for nothing");

    call(admin, "PUT", "/sessions/failing", &[], "").await;
    let failing = get(admin, "/users/failing").await.json();
    assert_eq!((&failing["roster"], &failing["failures"]), (&json!(null), &json!(1)), "{failing}");
    assert!(get(admin, "/errors").await.json()["errors"].is_array());
}

#[tokio::test]
async fn sessions_of_others_are_not_ended_here() {
    let host = Host::start().await;
    let admin = host.admin();
    for session in ["attach%2Fprosody", "cluster%2Fb%231", "phone"] {
        call(admin, "PUT", &format!("/sessions/john?resource={session}"), &[], "").await;
    }
    for session in ["attach%2Fprosody", "cluster%2Fb%231"] {
        fails(
            &call(admin, "DELETE", &format!("/sessions/john?resource={session}"), &[], "").await,
            409,
            "end it there",
        );
    }
    assert_eq!(call(admin, "DELETE", "/sessions/john", &[], "").await.status, 204, "the phone");
    let left = get(admin, "/users/john").await.json();
    let via: Vec<&Value> = left["sessions"].as_array().unwrap().iter().map(|one| &one["via"]).collect();
    assert_eq!(via, ["attached", "cluster"]);
    fails(&call(admin, "DELETE", "/sessions/john", &[], "").await, 409, "end it there");
    fails(&call(admin, "DELETE", "/sessions/john?resource=phone", &[], "").await, 404, "no such session");
}

#[tokio::test]
async fn the_page_is_files_for_everybody_and_what_it_shows_is_for_who_has_the_token() {
    let host = Host::with(|setup| setup.admin.token = secret("s3cret")).await;
    let admin = host.admin();
    let page = get(admin, "/ui").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = page.header("content-security-policy").unwrap();
    for part in ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"] {
        assert!(policy.split(';').any(|found| found.trim() == part), "{part}: {policy}");
    }
    assert!(policy.ends_with("connect-src 'self'") && !policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    for forbidden in [" style=", " onclick=", "javascript:", "<style", "http://", "https://", "s3cret"] {
        assert!(!page.body.contains(forbidden), "{forbidden}");
    }
    assert!(page.body.split("<script").skip(1).all(|script| script.starts_with(" src=\"ui/")), "no script within");

    let between = |text: &str, before: &str| -> Vec<String> {
        text.split(before).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
    };
    let mut files = [between(&page.body, "src=\""), between(&page.body, "href=\"")].concat();
    files.retain(|file| !file.starts_with('#'));
    let mut looked_at = 0;
    while let Some(file) = files.pop() {
        let found = get(admin, &format!("/{file}")).await;
        assert_eq!(found.status, 200, "{file}");
        assert_eq!(found.header("x-content-type-options"), Some("nosniff"), "{file}");
        files.extend(between(&found.body, "from \"./").into_iter().map(|name| format!("ui/{name}")));
        looked_at += 1;
    }
    assert!(looked_at > 8, "{looked_at}");
    fails(&get(admin, "/ui/nothing.js").await, 404, "GET /");
    fails(&get(admin, "/ui/..%2Fui.rs").await, 404, "GET /");
    for path in ["/sessions", "/users/john", "/errors", "/rosters", "/metrics", "/plugin"] {
        fails(&get(admin, path).await, 401, "admin.token");
    }
}

#[tokio::test]
async fn the_page_of_this_listener_may_change_things_and_no_other() {
    let host = Host::start().await;
    let admin = host.admin();
    let here = admin.to_string();
    for (host_header, origin, status) in [
        (&*here, format!("http://{here}"), 200),
        (&*here, format!("http://127.0.0.1:{}", admin.port().wrapping_add(1)), 403),
        (&*here, format!("http://localhost:{}", admin.port()), 403),
        (&*here, "http://attacker.example".into(), 403),
        (&*here, "null".into(), 403),
        ("attacker.example", "http://attacker.example".into(), 403),
    ] {
        let headers = [("Host", host_header), ("Origin", &*origin)];
        let reply = call(admin, "POST", "/rosters/refresh", &headers, "").await;
        assert_eq!(reply.status, status, "{host_header} {origin}: {reply:?}");
        assert_eq!(reply.header("access-control-allow-origin"), None);
    }
}
