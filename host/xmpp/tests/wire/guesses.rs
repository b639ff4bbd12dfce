//! Those who guess passwords, or names.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::support::server::{config, until};
use crate::support::{Client, Server};
use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::future::join_all;
use roster_model::Username;
use roster_xmpp::accounts::file::{AccountsFile, add, set_disabled};
use roster_xmpp::accounts::http::{CheckPassword, HttpAccounts};
use roster_xmpp::accounts::{Accounts, AccountsUnavailable};
use roster_xmpp::config::EndpointConfig;

const SASL: &str = "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'";

/// An application that counts who asks.
#[derive(Clone, Default)]
struct Application(Arc<AtomicUsize>);

#[async_trait]
impl CheckPassword for Application {
    async fn check(&self, user: &Username, password: &str) -> Result<bool, AccountsUnavailable> {
        self.0.fetch_add(1, Relaxed);
        tokio::time::sleep(Duration::from_millis(20)).await;
        match user.as_str() {
            "down" => Err(AccountsUnavailable { reason: "no answer".to_owned() }),
            "stuck" => std::future::pending().await,
            _ => Ok(password == "right"),
        }
    }
}

impl Application {
    async fn serve(&self, config: EndpointConfig) -> Server {
        Server::with_accounts(config, Some(Arc::new(HttpAccounts::new(Box::new(self.clone()), Duration::ZERO)))).await
    }
}

fn limited(per_address: u32, per_account: u32) -> EndpointConfig {
    let mut config = config();
    config.allow_unencrypted_plain_auth = true;
    config.login.failures_per_address = per_address;
    config.login.failures_per_account = per_account;
    config.login.forgotten_after = Duration::from_secs(3600);
    config
}

fn plain(user: &str, password: &str) -> String {
    format!("<auth {SASL} mechanism='PLAIN'>{}</auth>", STANDARD.encode(format!("\0{user}\0{password}")))
}

fn scram(name: &str) -> String {
    format!("<auth {SASL} mechanism='SCRAM-SHA-256'>{}</auth>", STANDARD.encode(format!("n,,n={name},r=nonce")))
}

/// What is answered to `text` on `connections` new connections at once.
async fn on_many(server: &Server, connections: usize, text: &str) -> Vec<String> {
    let one = async |_| {
        let mut client = Client::connect(server.plain).await;
        client.open().await;
        client.send(text).await;
        client.expect("</failure>").await
    };
    join_all((0..connections).map(one)).await
}

#[tokio::test]
async fn guesses_on_many_connections_are_as_few_as_on_one() {
    for (per_address, per_account) in [(5, 100), (100, 5)] {
        let application = Application::default();
        let server = application.serve(limited(per_address, per_account)).await;
        let answers = on_many(&server, 60, &plain("john", "wrong")).await;
        let wrong = answers.iter().filter(|answer| answer.contains("<not-authorized/>")).count();
        assert_eq!((application.0.load(Relaxed), wrong), (5, 5));
        assert!(on_many(&server, 1, &plain("john", "right")).await.concat().contains("<temporary-auth-failure/>"));
        assert_eq!(application.0.load(Relaxed), 5);
        assert_eq!((server.counters.login_failures.get(), server.counters.logins_throttled.get()), (5, 56));
    }
}

#[tokio::test]
async fn names_that_nobody_can_have_are_guesses_too() {
    let application = Application::default();
    let server = application.serve(limited(5, 100)).await;
    let answers = on_many(&server, 20, &plain("no body", "wrong")).await;
    assert_eq!(answers.iter().filter(|answer| answer.contains("<not-authorized/>")).count(), 5);
}

#[tokio::test]
async fn those_who_come_back_all_at_once_are_all_let_in() {
    let application = Application::default();
    let server = application.serve(limited(3, 4)).await;
    let one = async |_| {
        let mut client = Client::connect(server.plain).await;
        client.open().await;
        client.send(&plain("john", "right")).await;
        client.expect("<success").await;
    };
    join_all((0..60).map(one)).await;
    assert_eq!((application.0.load(Relaxed), server.counters.logins_throttled.get()), (60, 0));
}

#[tokio::test]
async fn who_cannot_be_checked_has_not_failed() {
    for (user, login) in [("down", 3_000), ("stuck", 400)] {
        let application = Application::default();
        let mut config = limited(1, 1);
        config.timeouts.login = Duration::from_millis(login);
        let server = application.serve(config).await;
        for _ in 0..3 {
            let answer = on_many(&server, 1, &plain(user, "right")).await.concat();
            assert!(answer.contains("<temporary-auth-failure/>"), "{answer}");
        }
        assert_eq!((application.0.load(Relaxed), server.counters.logins_throttled.get()), (3, 0), "{user}");
        assert_eq!(server.counters.login_failures.get(), 0);
    }
}

#[tokio::test]
async fn who_waits_in_vain_for_others_to_be_checked_is_told_so_and_has_not_failed() {
    let application = Application::default();
    let mut config = limited(2, 100);
    config.timeouts.login = Duration::from_millis(900);
    let server = application.serve(config).await;
    let answers = on_many(&server, 10, &plain("stuck", "right")).await;
    let told = answers.iter().filter(|answer| {
        answer.contains("<temporary-auth-failure/><text>too many logins are waiting to be checked at once")
    });
    assert!(told.count() >= 6, "{answers:?}");
    assert_eq!(server.counters.login_failures.get(), 0);
}

#[tokio::test]
async fn an_application_that_cannot_say_is_asked_no_more_than_now_and_then() {
    let application = Application::default();
    let mut config = limited(2, 100);
    config.timeouts.login = Duration::from_secs(6);
    let server = application.serve(config).await;
    let began = Instant::now();
    let answers = on_many(&server, 30, &plain("down", "x")).await;
    assert!(answers.iter().all(|answer| answer.contains("<temporary-auth-failure/>")), "{answers:?}");
    // Two at once, and each takes a fifth of a second.
    let most = 2.0 * (1.0 + began.elapsed().as_secs_f64() / 0.2);
    let asked = application.0.load(Relaxed);
    assert!(asked as f64 <= most, "{asked}, where {most} are allowed");
    assert!(asked >= 2);
}

#[tokio::test]
async fn an_exchange_that_is_not_finished_has_failed_however_it_ends() {
    for (n, end) in [
        format!("<abort {SASL}/>"),
        format!("<response {SASL}>eA==</response>"),
        format!("<response {SASL}>?</response>"),
        format!("<response {SASL}/>"),
        scram("john"),
        "</stream:stream>".to_owned(),
        "<message/>".to_owned(),
        "<".to_owned(),
        String::new(),
        // The connection is lost, or silent until the deadline.
        "lost".to_owned(),
        "silent".to_owned(),
    ]
    .into_iter()
    .enumerate()
    {
        let mut config = limited(1, 100);
        let silent = end == "silent";
        config.timeouts.login = if silent { Duration::from_millis(500) } else { Duration::from_secs(30) };
        let server = Server::with(config).await;
        let mut client = Client::connect(server.plain).await;
        client.open().await;
        client.send(&scram("john")).await;
        client.expect("</challenge>").await;
        match end.as_str() {
            "lost" => drop(client),
            "silent" => {
                client.rest().await;
            }
            text => {
                client.send(text).await;
                client.half_close().await;
                client.rest().await;
            }
        }
        until("it has failed", || server.counters.login_failures.get() == 1).await;
        let answer = on_many(&server, 1, &plain("john", "john's secret")).await.concat();
        assert!(answer.contains("<temporary-auth-failure/>"), "{n} {end}: {answer}");
        assert_eq!(server.counters.login_failures.get(), 1, "{n} {end}");
    }
}

#[tokio::test]
async fn open_exchanges_on_many_connections_are_as_few_as_may_fail() {
    let mut config = limited(5, 100);
    config.timeouts.login = Duration::from_secs(3);
    let server = Server::with(config).await;
    let one = async |_| {
        let mut client = Client::connect(server.plain).await;
        client.open().await;
        client.send(&scram("john")).await;
        let answer = client.expect(">").await + &client.expect("</").await;
        (answer.contains("<challenge"), client)
    };
    let answers = join_all((0..40).map(one)).await;
    assert_eq!(answers.iter().filter(|(challenged, _)| *challenged).count(), 5);
}

/// The part of a challenge that depends on the account: salt and iterations.
async fn asked(server: &Server, name: &str) -> String {
    let mut client = Client::connect(server.plain).await;
    client.open().await;
    client.send(&scram(name)).await;
    let challenge = client.expect("</challenge>").await;
    let text = challenge.split('>').nth(1).unwrap().split('<').next().unwrap();
    let text = String::from_utf8(STANDARD.decode(text).unwrap()).unwrap();
    text.split_once(',').unwrap().1.to_owned()
}

#[tokio::test]
async fn a_challenge_does_not_tell_whether_there_is_an_account() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("accounts.txt");
    let [john, off] = ["john", "off"].map(|name| Username::new(name).unwrap());
    for user in [&john, &off] {
        add(&file, user, "secret", false).unwrap();
    }
    set_disabled(&file, &off, true).unwrap();
    let spellings = [["john", "JOHN", "Ｊohn"], ["off", "Off", "ＯFF"], ["ghost", "GHOST", "Ｇhost"]];
    let mut before: Vec<String> = Vec::new();
    for start in 0..2 {
        let accounts = Arc::new(AccountsFile::open(&file).unwrap());
        let server = Server::with_accounts(limited(1000, 1000), Some(accounts)).await;
        let mut found = Vec::new();
        for [name, others @ ..] in spellings {
            let asked_of_name = asked(&server, name).await;
            for other in others {
                assert_eq!(asked(&server, other).await, asked_of_name, "{other}");
            }
            found.push(asked_of_name);
        }
        let look = |text: &String| (text.split(',').map(str::len).collect::<Vec<_>>(), text.contains(",i=10000"));
        assert!(found.iter().all(|one| look(one) == look(found.first().unwrap())), "{found:?}");
        assert_ne!(found.last(), Some(&asked(&server, "ghoul").await));
        assert!(start == 0 || before == found, "{before:?} {found:?}");
        before = found;
    }
}

#[test]
fn who_only_looks_at_accounts_leaves_nothing_behind_and_who_serves_them_makes_the_secret() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("accounts.txt");
    add(&file, &Username::new("john").unwrap(), "secret", false).unwrap();
    let accounts = AccountsFile::open(&file).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    accounts.prepare();
    assert!(folder.path().join("accounts.txt.secret").is_file());
}
