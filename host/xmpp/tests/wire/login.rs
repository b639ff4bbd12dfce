//! Logging in, in every way there is.

use crate::support::client::HEADER;
use crate::support::server::{config, until};
use crate::support::{Client, Server};

#[tokio::test]
async fn a_client_logs_in_over_plain_tcp_gets_its_roster_and_an_answer_to_its_ping() {
    let server = Server::start().await;
    let mut client = Client::connect(server.plain).await;
    let features = client.open().await;
    assert!(
        features.contains("<mechanism>SCRAM-SHA-256</mechanism><mechanism>SCRAM-SHA-1</mechanism></mechanisms>"),
        "{features}"
    );
    assert!(features.contains("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"), "{features}");
    assert!(client.scram("SCRAM-SHA-256", "n,,", "john", "john's secret").await.starts_with("<success"));
    let features = client.open().await;
    assert!(!features.contains("mechanism") && !features.contains("starttls"), "{features}");
    for wanted in
        ["<bind ", "<session ", "<optional/>", "urn:xmpp:sm:3", "urn:xmpp:csi:0", "urn:xmpp:features:rosterver"]
    {
        assert!(features.contains(wanted), "{wanted}: {features}");
    }
    assert_eq!(client.bind("phone").await, "john@example.com/phone");
    client.send("<iq type='get' id='r1'><query xmlns='jabber:iq:roster'/></iq>").await;
    let roster = client.expect("</iq>").await;
    assert!(roster.contains("jid='marie@example.com'"), "{roster}");
    client.ping("p1").await;
    client.log_out().await;
    server.is_empty().await;
    assert!(server.friends.connected.lock().is_empty());
}

#[tokio::test]
async fn every_mechanism_logs_in_on_every_transport() {
    let server = Server::start().await;
    for (starttls, mechanism, gs2) in [
        (true, "SCRAM-SHA-256-PLUS", "p=tls-exporter,,"),
        (true, "SCRAM-SHA-1-PLUS", "p=tls-exporter,,"),
        (true, "SCRAM-SHA-256", "n,,"),
        (true, "SCRAM-SHA-1", "n,a=john@example.com,"),
        (false, "SCRAM-SHA-256-PLUS", "p=tls-exporter,a=john@example.com,"),
        (false, "SCRAM-SHA-1-PLUS", "p=tls-exporter,,"),
        (false, "SCRAM-SHA-256", "n,,"),
        (false, "SCRAM-SHA-1", "n,,"),
    ] {
        let mut client = match starttls {
            true => Client::start_tls(&server).await,
            false => Client::connect_tls(server.tls, &server.trust).await,
        };
        let features = client.open().await;
        assert!(features.contains(&format!("<mechanism>{mechanism}</mechanism>")), "{features}");
        assert!(features.contains("<mechanism>PLAIN</mechanism>"), "{features}");
        assert!(!features.contains("starttls"), "{features}");
        assert!(features.contains("<channel-binding type='tls-exporter'/>"), "{features}");
        let answer = client.scram(mechanism, gs2, "john", "john's secret").await;
        assert!(answer.starts_with("<success"), "{mechanism}: {answer}");
        client.open().await;
        client.bind("x").await;
        client.log_out().await;
    }
    let mut client = Client::start_tls(&server).await;
    client.open().await;
    client.plain("marie").await;
    assert_eq!(client.bind("tablet").await, "marie@example.com/tablet");
    drop(client);
    server.is_empty().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_login_is_said_and_another_try_works() {
    let server = Server::start().await;
    let cases = [
        ("SCRAM-SHA-256", "n,,", "john", "wrong", "not-authorized"),
        ("SCRAM-SHA-256", "n,,", "ghost", "x", "not-authorized"),
        ("SCRAM-SHA-256", "n,,", "no@body", "x", "not-authorized"),
        // -PLUS was offered, so somebody between has taken it off the list.
        ("SCRAM-SHA-256", "y,,", "john", "john's secret", "not-authorized"),
        ("SCRAM-SHA-256", "n,a=marie@example.com,", "john", "john's secret", "invalid-authzid"),
        ("SCRAM-SHA-256", "p=tls-exporter,,", "john", "john's secret", "malformed-request"),
        ("SCRAM-SHA-512", "n,,", "john", "john's secret", "invalid-mechanism"),
    ];
    for (mechanism, gs2, user, password, condition) in cases {
        let mut client = Client::connect_tls(server.tls, &server.trust).await;
        client.open().await;
        let answer = client.scram(mechanism, gs2, user, password).await;
        let expected = format!("<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><{condition}/></failure>");
        assert_eq!(answer, expected, "{mechanism} {gs2} {user}");
        assert!(client.scram("SCRAM-SHA-1", "n,,", "john", "john's secret").await.starts_with("<success"));
    }
    assert_eq!(server.counters.login_failures.get(), 3);
}

#[tokio::test]
async fn a_client_may_send_everything_before_it_has_an_answer() {
    let server = Server::start().await;
    let mut client = Client::connect_tls(server.tls, &server.trust).await;
    let secret = "AGpvaG4Aam9obidzIHNlY3JldA==";
    client
        .send(&format!(
            "{HEADER}<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{secret}</auth>\n \
             {HEADER}<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>\
             <iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq></stream:stream>"
        ))
        .await;
    let all = client.rest().await;
    let places: Vec<usize> = ["<success", "<bind", "<jid>john@example.com/", "id='p'", "</stream:stream>"]
        .iter()
        .map(|wanted| all.find(wanted).unwrap_or_else(|| panic!("{wanted}: {all}")))
        .collect();
    assert!(places.is_sorted(), "{all}");
    server.is_empty().await;
}

#[tokio::test]
async fn an_account_can_be_added_and_removed_while_the_server_runs() {
    use roster_model::Username;
    use roster_xmpp::accounts::file;
    let server = Server::start().await;
    let paula = Username::new("paula").unwrap();
    file::add(&server.accounts, &paula, "secret", false).unwrap();
    assert!(file::add(&server.accounts, &paula, "secret", false).is_err());
    let log_in = async || {
        let mut client = Client::connect(server.plain).await;
        client.open().await;
        client.scram("SCRAM-SHA-256", "n,,", "paula", "secret").await
    };
    assert!(log_in().await.starts_with("<success"));
    file::remove(&server.accounts, &paula).unwrap();
    assert!(log_in().await.contains("<not-authorized/>"));
    assert_eq!(file::list(&server.accounts).unwrap().len(), 2);
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&server.accounts).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[tokio::test]
async fn too_many_failures_turn_an_address_away() {
    let mut config = config();
    config.login.failures_per_address = 4;
    config.login.attempts_per_stream = 3;
    let server = Server::with(config).await;
    let mut conditions = Vec::new();
    for stream in 0..2 {
        let mut client = Client::connect_tls(server.tls, &server.trust).await;
        client.open().await;
        for _ in 0..3 {
            let answer = client.scram("SCRAM-SHA-256", "n,,", "john", "wrong").await;
            conditions.push(answer.contains("<not-authorized/>"));
        }
        let rest = client.rest().await;
        assert!(rest.contains("<policy-violation "), "stream {stream}: {rest}");
    }
    assert_eq!(conditions, [true, true, true, true, false, false]);
    assert_eq!((server.counters.login_failures.get(), server.counters.logins_throttled.get()), (4, 2));
    until("connections are gone", || server.counters.connections.get() == 0).await;
}
