//! The application says who may log in to the XMPP endpoint: `http_auth_url`.

use std::time::Duration;

use roster_host::config::{AccountsConfig, HttpAuthConfig};
use roster_tests::host::TestHost;
use roster_tests::web_app::{Reply, WebApp};
use roster_tests::xmpp::{JOHN, OPEN, ask, ask_for_one, auth, open_to_all, with_xmpp};
use tokio::net::TcpStream;

/// `\0john\0secret` and `\0john\0other`, and what the application gets of them.
const SECRET: (&str, &str) = (JOHN, "Basic am9objpzZWNyZXQ=");
const OTHER: (&str, &str) = ("AGpvaG4Ab3RoZXI=", "Basic am9objpvdGhlcg==");
/// What the application serves for the path of `http_auth_url`.
const PATH: &str = "/check";

async fn start(app: &WebApp, cache: Duration) -> TestHost {
    let mut config = with_xmpp(app, open_to_all());
    let http = HttpAuthConfig::new(&format!("http://{}{PATH}", app.address())).unwrap();
    config.hosts[0].accounts = Some(AccountsConfig::Http(HttpAuthConfig { cache, ..http }));
    TestHost::with(config).await
}

/// Tries to log in on a new connection. What is offered, and the server's verdict.
async fn log_in(host: &TestHost, password: (&str, &str)) -> (String, String) {
    let mut stream = TcpStream::connect(host.xmpp.unwrap()).await.unwrap();
    let offered = ask(&mut stream, OPEN, "</stream:features>").await;
    let verdict = ask_for_one(&mut stream, &auth(password.0), &["<success", "</failure>"]).await;
    (offered, verdict)
}

/// The credentials the application was asked about so far.
fn asked(app: &WebApp) -> Vec<String> {
    let seen = app.all_seen();
    let asked = seen.iter().filter(|seen| seen.path == PATH);
    asked.map(|seen| seen.headers.get("authorization").cloned().unwrap_or_default()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_application_answers_decides() {
    let app = WebApp::start().await;
    let host = start(&app, Duration::ZERO).await;
    let redirect = format!("HTTP/1.1 302 X\r\nlocation: http://{}/other\r\ncontent-length: 0\r\n\r\n", app.address());
    for (reply, verdict) in [
        (Reply::Status(200), "<success"),
        (Reply::Status(401), "<not-authorized/>"),
        (Reply::Status(403), "<not-authorized/>"),
        (Reply::Status(404), "<temporary-auth-failure/>"),
        (Reply::Status(500), "<temporary-auth-failure/>"),
        (Reply::Raw(redirect.into_bytes()), "<temporary-auth-failure/>"),
        (Reply::Reset, "<temporary-auth-failure/>"),
        (Reply::Hang, "<temporary-auth-failure/>"),
        (Reply::Status(200), "<success"),
    ] {
        app.set(PATH, reply.clone());
        let (features, answer) = log_in(&host, SECRET).await;
        // SCRAM needs what only the application has.
        assert!(features.contains(">PLAIN<") && !features.contains("SCRAM"), "{features}");
        assert!(answer.contains(verdict), "{reply:?}: {answer}");
        assert_eq!(asked(&app).last().unwrap(), SECRET.1);
    }
    assert!(app.all_seen().iter().all(|seen| seen.path == PATH), "a password goes to no other place");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_password_is_remembered_and_a_wrong_one_is_not() {
    let app = WebApp::start().await;
    let host = start(&app, Duration::from_secs(3600)).await;
    app.set(PATH, Reply::Status(200));
    for _ in 0..3 {
        assert!(log_in(&host, SECRET).await.1.contains("<success"));
    }
    assert_eq!(asked(&app), [SECRET.1]);
    // The application is down: whoever was in a moment ago gets in again, and nobody else.
    app.set(PATH, Reply::Status(500));
    assert!(log_in(&host, SECRET).await.1.contains("<success"));
    assert!(log_in(&host, OTHER).await.1.contains("<temporary-auth-failure/>"));
    // The password is changed to what was wrong just now.
    app.set(PATH, Reply::Status(401));
    assert!(log_in(&host, OTHER).await.1.contains("<not-authorized/>"));
    app.set(PATH, Reply::Status(200));
    assert!(log_in(&host, OTHER).await.1.contains("<success"));
    assert_eq!(asked(&app), [SECRET.1, OTHER.1, OTHER.1, OTHER.1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_password_counts_when_the_cache_is_over() {
    let app = WebApp::start().await;
    for (cache, verdict) in [(Duration::from_secs(3600), "<success"), (Duration::ZERO, "<not-authorized/>")] {
        let host = start(&app, cache).await;
        app.set(PATH, Reply::Status(200));
        assert!(log_in(&host, SECRET).await.1.contains("<success"));
        app.set(PATH, Reply::Status(401));
        let (_, answer) = log_in(&host, SECRET).await;
        assert!(answer.contains(verdict), "{cache:?}: {answer}");
    }
}
