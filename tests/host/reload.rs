//! Another configuration while the host runs: what it takes over, what it says it cannot, and that a bad one changes nothing.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use roster_host::config::{AccountsConfig, Config, Secret};
use roster_host::http_client::HttpClient;
use roster_host::metrics::Metrics;
use roster_host::plugin::{BUILT_IN, PluginEngine, PluginSource};
use roster_host::reload::Mistakes;
use roster_host::swap::{Outcome, Swapper};
use roster_tests::client::{self, Response};
use roster_tests::host::TestHost;
use roster_tests::modules::stamped;
use roster_tests::web_app::{Reply, WebApp};
use roster_tests::xmpp::{JOHN, ask, auth, certificate};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;

const LISTEN: &str = "http.listen = '127.0.0.1:0'\nadmin.listen = '127.0.0.1:0'\n";
const BIND: &str = "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>";

/// A host and the file that it reads.
struct Reloadable {
    host: TestHost,
    file: Arc<Mutex<String>>,
}

impl Reloadable {
    /// Everybody who has an account is called john.
    async fn start(text: String) -> Self {
        let file = Arc::new(Mutex::new(text));
        let read = Arc::clone(&file);
        let source = move || {
            let mut config = Config::parse(&read.lock(), Path::new("t.toml")).map_err(Mistakes::from)?;
            for host in &mut config.hosts {
                host.accounts = Some(AccountsConfig::Fixed(vec![("john".to_owned(), Secret::new("secret"))]));
            }
            Ok(config)
        };
        Self { host: TestHost::reading(Arc::new(source)).await, file }
    }

    async fn reload_with(&self, text: String, headers: &[(&str, &str)]) -> Response {
        *self.file.lock() = text;
        client::request(self.host.admin, "POST", "/reload", headers, &[]).await
    }

    /// Reloads the file with another text; this has to be taken over.
    async fn reload(&self, text: String) -> Value {
        let response = self.reload_with(text, &[]).await;
        assert_eq!(response.status, 200, "{}", response.text());
        response.json()
    }
}

fn host(domain: &str, app: &WebApp, more: &str) -> String {
    format!("[[host]]\ndomain = '{domain}'\nsettings.http_roster_url = '{}'\n{more}\n", app.roster_url())
}

/// The keys that have changed, with what becomes of it.
fn effects(report: &Value) -> Vec<(&str, &str)> {
    let changes = report["changes"].as_array().unwrap().iter();
    changes.map(|change| (change["key"].as_str().unwrap(), change["effect"].as_str().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn another_application_with_other_credentials_and_limits_takes_over_and_sessions_and_rosters_stay() {
    let (old, new) = (WebApp::start().await, WebApp::start().await);
    old.set("john", Reply::contacts(&["marie@localhost"]));
    new.set("john", Reply::contacts(&["aaron@localhost"]));
    let running = Reloadable::start(LISTEN.to_owned() + &host("localhost", &old, "")).await;
    running.host.connect("john").await;
    let version = running.host.version("john").await;

    let more = "client.bearer_token = 'hush'\nlimits.max_memory = '256MiB'\nlimits.max_concurrent_calls = 100\n\
                limits.max_users_per_request = 1\nstore.max_contacts = 5";
    let report = running.reload(LISTEN.to_owned() + &host("localhost", &new, more)).await;
    assert_eq!(report["outcome"], "reloaded");
    assert!(!report.to_string().contains("hush"), "{report}");
    let now = |key| (key, "now");
    assert_eq!(
        effects(&report),
        [
            now("host[localhost].client.allow_origins"),
            now("host[localhost].client.auth_origins"),
            now("host[localhost].client.bearer_token"),
            // As many as there may be calls.
            now("host[localhost].client.max_idle_connections"),
            now("host[localhost].limits.max_concurrent_calls"),
            now("host[localhost].limits.max_memory"),
            now("host[localhost].limits.max_users_per_request"),
            now("host[localhost].settings.http_roster_url"),
            now("host[localhost].store.max_contacts"),
        ]
    );
    assert_eq!(report["swaps"][0]["outcome"], "swapped", "{report}");
    assert_eq!(running.host.jids("john").await, ["marie@localhost"], "what was kept is kept");

    running.host.refresh(&["john"]).await;
    assert_eq!(running.host.jids("john").await, ["aaron@localhost"]);
    assert!(running.host.version("john").await > version);
    let asked = new.seen("john");
    assert_eq!(asked.last().unwrap().headers["authorization"], "Bearer hush");
    let refused = running.host.post(r#"["john", "marie"]"#).await;
    assert_eq!(refused.status, 413, "limits.max_users_per_request: {}", refused.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_with_mistakes_changes_nothing_and_all_of_them_are_told() {
    let (app, other) = (WebApp::start().await, WebApp::start().await);
    app.set_otherwise(Reply::contacts(&["marie@localhost"]));
    let text = LISTEN.to_owned() + &host("localhost", &app, "");
    let running = Reloadable::start(text.clone()).await;
    let serves = || async { client::get(running.host.admin, "/plugin").await.json()["serves"].clone() };
    let before = serves().await;
    let broken = format!(
        "{LISTEN}http.lisen = 'off'\n{}",
        host("localhost", &other, "limits.call_timeout = '0s'\nclient.connect_timeout = 5")
    );
    // What the file alone does not show: two plugins that refuse their settings. What comes with them is not taken over.
    let unusable = "[[host]]\nsettings.http_roster_url = 'http://127.0.0.1:1/no-user'\ndomain = ";
    let refused = format!("http.token = 'other'\n{LISTEN}{unusable}'localhost'\n{unusable}'new.example'\n");
    // One that fits no other key, for the next start.
    let folder = tempfile::tempdir().unwrap();
    let [(one, _), (another, _)] = ["one", "another"].map(|name| certificate(folder.path(), name));
    let tls = format!("http.tls.certificate = {:?}\nhttp.tls.key = {:?}\n", one.certificate, another.key);
    for (text, expected) in [
        (tls + &text, vec!["(http.tls.key) is not the key of the certificate in "]),
        (
            broken,
            vec![
                "t.toml:3: http.lisen: unknown key; did you mean listen?",
                "t.toml:7: host[0].limits.call_timeout: 0s: expected 1ms to 1year",
                "t.toml:8: host[0].client.connect_timeout: 5: expected a duration",
            ],
        ),
        (refused, vec!["[[host]] localhost: ", "[[host]] new.example: "]),
    ] {
        let response = running.reload_with(text, &[]).await;
        assert_eq!(response.status, 422, "{}", response.text());
        let report = response.json();
        assert_eq!(report["outcome"], "refused");
        assert!(effects(&report).iter().all(|(_, effect)| *effect == "none"), "{report}");
        let mistakes: Vec<_> =
            report["mistakes"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
        assert_eq!(mistakes.len(), expected.len(), "{mistakes:?}");
        assert!(mistakes.iter().zip(expected).all(|(line, says)| line.contains(says)), "{mistakes:?}");
    }
    assert_eq!(serves().await["digest"], before["digest"]);
    let hosts = client::get(running.host.admin, "/rosters").await.json()["hosts"].clone();
    assert_eq!(hosts.as_array().unwrap().len(), 1, "{hosts}");
    running.host.connect("john").await;
    running.host.refresh(&["john"]).await;
    assert_eq!((app.seen("john").len(), other.all_seen().len()), (2, 0));
    let again = running.reload(text).await;
    assert_eq!((&again["outcome"], effects(&again).len()), (&json!("unchanged"), 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_a_restart_is_named_at_each_reload_and_stays_as_it_was() {
    let app = WebApp::start().await;
    let hosts = host("localhost", &app, "");
    let running = Reloadable::start(LISTEN.to_owned() + &hosts).await;
    let text = format!("{LISTEN}http.max_body = 10\nhttp.request_timeout = '59s'\nlog.format = 'json'\n{hosts}");
    let restart = |key| (key, "needs a restart");
    let first = running.reload(text.clone()).await;
    assert_eq!(effects(&first), [restart("http.max_body"), ("http.request_timeout", "now"), restart("log.format")]);
    let change = &first["changes"][0];
    assert_eq!((&change["old"], &change["new"]), (&json!("\"4MiB\""), &json!("10")));
    let second = running.reload(text).await;
    assert_eq!(effects(&second), [restart("http.max_body"), restart("log.format")]);
    assert_eq!(running.host.post(r#"["john","marie"]"#).await.status, 200, "the longest body is as it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_and_the_origins_of_browsers_change_for_requests_that_begin() {
    let app = WebApp::start().await;
    let hosts = host("localhost", &app, "");
    let running = Reloadable::start(LISTEN.to_owned() + &hosts).await;
    let refresh = async |headers: &[(&str, &str)]| {
        client::request(running.host.http, "POST", "/roster_admin/refresh", headers, b"[]").await.status
    };
    let page = ("Origin", "https://app.example.org");
    assert_eq!((refresh(&[]).await, refresh(&[page]).await), (200, 403));

    let origins = format!("{LISTEN}http.cors_origins = ['https://app.example.org']\n{hosts}");
    running.reload(origins.clone()).await;
    assert_eq!(refresh(&[page]).await, 200);
    running.reload(format!("http.token = 'one'\nadmin.token = 'two'\n{origins}")).await;
    assert_eq!((refresh(&[]).await, refresh(&[("Authorization", "Bearer one")]).await), (401, 200));
    let two = [("Authorization", "Bearer two")];
    assert_eq!(running.reload_with(origins.clone(), &[]).await.status, 401);
    assert_eq!(running.reload_with(origins, &two).await.status, 200);
    assert_eq!(refresh(&[]).await, 200);
}

fn open(domain: &str) -> String {
    format!(
        "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0' to='{domain}'>"
    )
}

async fn is_unknown(host: &TestHost, domain: &str) {
    let mut stream = TcpStream::connect(host.xmpp.unwrap()).await.unwrap();
    assert!(ask(&mut stream, &open(domain), "</stream:stream>").await.contains("<host-unknown "));
}

async fn log_in(host: &TestHost, domain: &str) -> TcpStream {
    let mut stream = TcpStream::connect(host.xmpp.unwrap()).await.unwrap();
    let open = open(domain);
    for (text, what) in
        [(&*open, "</stream:features>"), (&auth(JOHN), "<success"), (&open, "</stream:features>"), (BIND, "</jid>")]
    {
        ask(&mut stream, text, what).await;
    }
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_added_serves_at_once_and_the_users_of_one_that_is_removed_are_told() {
    const ROSTER: &str = "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>";
    let (app, other) = (WebApp::start().await, WebApp::start().await);
    app.set_otherwise(Reply::contacts(&["marie@localhost"]));
    other.set_otherwise(Reply::contacts(&["aaron@new.example"]));
    let xmpp = "[xmpp]\nlisten = '127.0.0.1:0'\ntls_listen = 'off'\nrequire_encryption = false\n\
                allow_unencrypted_plain_auth = true\n";
    let (first, second) = (host("localhost", &app, ""), host("new.example", &other, ""));
    let running = Reloadable::start(format!("{LISTEN}{xmpp}{first}")).await;
    let host = &running.host;
    let mut stays = log_in(host, "localhost").await;
    is_unknown(host, "new.example").await;

    let report = running.reload(format!("{LISTEN}{xmpp}{first}{second}")).await;
    assert_eq!(effects(&report), [("host[new.example]", "now")]);
    let mut newcomer = log_in(host, "new.example").await;
    assert!(ask(&mut newcomer, ROSTER, "</iq>").await.contains("aaron@new.example"));
    other.set_otherwise(Reply::contacts(&["zoe@new.example"]));
    let named = [("Host", "new.example")];
    let refreshed = client::request(host.http, "POST", "/roster_admin/refresh", &named, br#"["john"]"#).await;
    assert_eq!(refreshed.status, 200, "{}", refreshed.text());
    let pushed = ask(&mut newcomer, "", "zoe@new.example").await;
    assert!(pushed.contains("type='set'") || pushed.contains("type=\"set\""), "{pushed}");
    assert_eq!(client::get(host.admin, "/plugin?domain=new.example").await.status, 200);
    assert!(host.metric("roster_host_client_requests_total{domain=\"new.example\"}").await > Some(0.0));

    let report = running.reload(format!("{LISTEN}{xmpp}{first}")).await;
    assert_eq!(effects(&report), [("host[new.example]", "now")]);
    let told = ask(&mut newcomer, "", "</stream:stream>").await;
    assert!(told.contains("<host-gone ") && told.contains("no longer served"), "{told}");
    assert_eq!(client::get(host.admin, "/plugin?domain=new.example").await.status, 404);
    is_unknown(host, "new.example").await;
    assert!(ask(&mut stays, ROSTER, "</iq>").await.contains("marie@localhost"), "nobody else notices");
    let (hosts, served) = (
        client::get(host.admin, "/rosters").await.json(),
        host.metric("roster_host_online_users{domain=\"new.example\"}").await,
    );
    assert_eq!((hosts["hosts"].as_array().unwrap().len(), served), (1, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_file_describes_is_refused() {
    let app = WebApp::start().await;
    let hosts = host("localhost", &app, "");
    let node =
        "[attach]\nlisten = '127.0.0.1:0'\n[[attach.node]]\nname = 'prosody'\ntoken = 't'\ndomain = 'localhost'\n";
    let running = Reloadable::start(format!("{LISTEN}{node}{hosts}")).await;
    let moved = hosts.replace("localhost'", "other.example'");
    let response = running.reload_with(format!("{LISTEN}{moved}"), &[]).await;
    assert_eq!(response.status, 422);
    let mistake = response.json()["mistakes"][0].as_str().unwrap().to_owned();
    assert!(mistake.contains("[[attach.node]] prosody") && mistake.contains("restart"), "{mistake}");
    // Who has no file has nothing to read again.
    let without = TestHost::start(&app).await;
    let response = client::request(without.admin, "POST", "/reload", &[], &[]).await;
    assert_eq!(response.status, 404, "{}", response.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_the_file_does_not_name_is_replaced_with_a_warning() {
    let app = WebApp::start().await;
    app.set_otherwise(Reply::contacts(&["marie@localhost"]));
    let with = |more: &str| format!("admin.token = 'hush'\n{LISTEN}{}", host("localhost", &app, more));
    let running = Reloadable::start(with("")).await;
    let token = [("authorization", "Bearer hush")];
    let reload = async |more| {
        let response = running.reload_with(with(more), &token).await;
        assert_eq!(response.status, 200, "{}", response.text());
        response.json()
    };
    let report = reload("store.max_contacts = 7").await;
    assert_eq!((&report["warnings"], &report["swaps"]), (&json!([]), &json!([])), "the same plugin serves");

    let uploaded = client::request(running.host.admin, "PUT", "/plugin", &token, &stamped(BUILT_IN, 1)).await;
    assert_eq!(uploaded.status, 200, "{}", uploaded.text());
    let report = reload("store.max_contacts = 8").await;
    assert_eq!(report["swaps"][0]["outcome"], "swapped", "{report}");
    let warnings = report["warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), 1, "{report}");
    let warning = warnings[0].as_str().unwrap();
    assert!(warning.starts_with("[[host]] localhost: the plugin that serves ("), "{warning}");
    for side in ["old", "new"] {
        assert!(warning.contains(report["swaps"][0][side]["digest"].as_str().unwrap()), "{side}: {warning}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_is_not_undone_by_a_configuration_that_was_being_prepared() {
    let app = WebApp::start().await;
    let config = roster_tests::host::config(&app);
    let mut host = config.hosts[0].clone();
    let engine = PluginEngine::configured(&config, &config.hosts).unwrap();
    let client = HttpClient::new(&host.client).unwrap();
    let swapper = Swapper::start(&engine, &host, client.clone(), &Metrics::new(), None).await.unwrap();
    let first = swapper.status().serves.digest;
    for (rolled_back, takes_over) in [(true, false), (false, true)] {
        let component = PluginSource::Bytes { name: "second".to_owned(), bytes: stamped(BUILT_IN, 1).into() };
        let swapped = swapper.swap("upload", component).await;
        assert_eq!(swapped.outcome, Outcome::Swapped, "{swapped:?}");
        host.limits.max_users_per_request -= 1;
        let mut prepared = swapper.reconfigure(&host, engine.clone(), client.clone()).await.ok().unwrap();
        if rolled_back {
            assert_eq!(swapper.roll_back(None).await.outcome, Outcome::Swapped);
        }
        let held = prepared.hold().await.map_err(|receipt| receipt.reason.unwrap());
        assert_eq!(held.is_ok(), takes_over, "{held:?}");
        if let Err(reason) = held {
            assert!(reason.contains("a rollback was asked for meanwhile"), "{reason}");
            drop(prepared);
            assert_eq!(swapper.status().serves.digest, first);
            continue;
        }
        let waits = Arc::clone(&swapper);
        let mut rollback = tokio::spawn(async move { waits.roll_back(None).await });
        assert!(timeout(Duration::from_millis(100), &mut rollback).await.is_err(), "it waits for the commit");
        assert_eq!(prepared.commit().await.unwrap().outcome, Outcome::Swapped);
        assert_eq!(rollback.await.unwrap().outcome, Outcome::Swapped, "and comes after it");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_does_not_come_holds_up_no_later_reload() {
    let app = WebApp::start().await;
    let text = LISTEN.to_owned() + &host("localhost", &app, "");
    let stuck = Arc::new(AtomicBool::new(false));
    let hangs = Arc::clone(&stuck);
    let source = move || {
        while hangs.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(20));
        }
        Config::parse(&text, Path::new("t.toml")).map_err(Mistakes::from)
    };
    let host = TestHost::reading(Arc::new(source)).await;
    let reload = || client::request(host.admin, "POST", "/reload", &[], &[]);
    stuck.store(true, Ordering::SeqCst);
    let refused = reload().await;
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert!(refused.text().contains("the configuration could not be read within 10s"), "{}", refused.text());
    stuck.store(false, Ordering::SeqCst);
    let response = reload().await;
    assert_eq!((response.status, &response.json()["outcome"]), (200, &json!("unchanged")));
}
