//! People's clients log in to the host, and see what the application says.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use roster_tests::host::{TestHost, until};
use roster_tests::web_app::{Reply, WebApp};
use roster_tests::xmpp::{JOHN, LONG, MARIE, OPEN, auth, open_to_all, with_xmpp};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const GET_ROSTER: &str = "<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>";

/// A client that is as simple as can be.
struct Client {
    stream: TcpStream,
    unread: String,
}

impl Client {
    /// Logs in with `credentials` of PLAIN and binds `resource`.
    async fn login(address: SocketAddr, credentials: &str, resource: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let mut client = Self { stream, unread: String::new() };
        client.say(OPEN).await;
        let features = client.until("</stream:features>").await;
        assert!(features.contains(">SCRAM-SHA-256<") && features.contains(">PLAIN<"), "{features}");
        client.say(&auth(credentials)).await;
        client.until("<success").await;
        client.say(OPEN).await;
        client.until("</stream:features>").await;
        client
            .say(&format!(
                "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>\
                 <resource>{resource}</resource></bind></iq>"
            ))
            .await;
        let bound = client.until("</iq>").await;
        assert!(bound.contains(&format!("/{resource}</jid>")), "{bound}");
        client
    }

    async fn say(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// What came up to and including `what`.
    async fn until(&mut self, what: &str) -> String {
        let mut buffer = vec![0; 16 << 10];
        loop {
            if let Some(at) = self.unread.find(what) {
                let rest = self.unread.split_off(at + what.len());
                return std::mem::replace(&mut self.unread, rest);
            }
            let read = tokio::time::timeout(LONG, self.stream.read(&mut buffer)).await;
            let read = read.unwrap_or_else(|_| panic!("no {what} in {}", self.unread)).unwrap();
            assert!(read > 0, "closed before {what}: {}", self.unread);
            self.unread.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        }
    }

    /// An answer to a ping: whatever was queued before it has come.
    async fn all_so_far(&mut self) -> String {
        self.say("<iq type='get' id='ping' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>").await;
        self.until("ping").await
    }
}

async fn start(stale: Duration) -> (WebApp, TestHost, SocketAddr) {
    let app = WebApp::start().await;
    let mut config = with_xmpp(&app, open_to_all());
    config.hosts[0].store.grace = Duration::ZERO;
    config.hosts[0].store.stale_if_error = stale;
    config.hosts[0].limits.retry_first = Duration::from_millis(100);
    let host = TestHost::with(config).await;
    let address = host.xmpp.unwrap();
    (app, host, address)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_gets_its_roster_and_a_push_for_every_change_before_the_refresh_is_answered() {
    let (app, host, address) = start(Duration::ZERO).await;
    app.set("john", Reply::Json(json!({"marie@localhost": {"name": "Marie", "groups": ["Friends"]}}).to_string()));
    let mut john = Client::login(address, JOHN, "phone").await;
    assert_eq!(app.seen("john").len(), 0, "the application is asked when the roster is");
    john.say(GET_ROSTER).await;
    let roster = john.until("</iq>").await;
    for part in ["id='roster'", "type='result'", "jid='marie@localhost'", "name='Marie'", "<group>Friends</group>"] {
        assert!(roster.replace('"', "'").contains(part), "{part} in {roster}");
    }
    for (contacts, expected) in [
        (
            json!({"marie@localhost": {"name": "Marie", "groups": ["Friends"]}, "aaron@localhost": {}}),
            "aaron@localhost",
        ),
        (json!({"marie@localhost": {"name": "Mary"}, "aaron@localhost": {}}), "Mary"),
        (json!({"aaron@localhost": {}}), "remove"),
    ] {
        app.set("john", Reply::Json(contacts.to_string()));
        assert_eq!(host.refresh(&["john"]).await.json()["updated"], json!(1));
        let pushed = john.all_so_far().await;
        assert!(pushed.contains("jabber:iq:roster") && pushed.contains(expected), "{expected} in {pushed}");
    }
}

/// More contacts than fit into any queue one by one: at login, as pushes, and as presence.
#[tokio::test(flavor = "multi_thread")]
async fn a_roster_of_fifteen_thousand_contacts_is_served_pushed_and_taken_away() {
    const CONTACTS: usize = 15_000;
    let (app, host, address) = start(Duration::ZERO).await;
    let contacts: Vec<String> = (0..CONTACTS).map(|n| format!("contact{n}@localhost")).collect();
    let contacts: Vec<&str> = contacts.iter().map(String::as_str).collect();
    app.set("john", Reply::contacts(&contacts));
    let mut john = Client::login(address, JOHN, "phone").await;
    john.say(&format!("<presence/>{GET_ROSTER}")).await;
    let (mut items, mut away) = (0, 0);
    while items < CONTACTS || away < CONTACTS {
        let part = john.until("<").await;
        items += usize::from(part.starts_with("item "));
        away += usize::from(part.starts_with("presence ") && part.contains("unavailable"));
    }
    let count = |text: &str, what: &str| text.matches(what).count();
    for (kept, pushes) in [(0, "subscription='remove'"), (CONTACTS, "subscription='both'")] {
        app.set("john", Reply::contacts(&contacts[..kept]));
        assert_eq!(host.refresh(&["john"]).await.json()["updated"], json!(1));
        let pushed = john.all_so_far().await.replace('"', "'");
        assert_eq!(count(&pushed, pushes), CONTACTS);
    }
    assert_eq!(host.metric("roster_host_xmpp_overflows_total").await, Some(0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_users_see_and_write_to_each_other() {
    let (app, _host, address) = start(Duration::ZERO).await;
    app.set("john", Reply::contacts(&["marie@localhost"]));
    app.set("marie", Reply::contacts(&["john@localhost"]));
    let mut john = Client::login(address, JOHN, "phone").await;
    let mut marie = Client::login(address, MARIE, "desk").await;
    for client in [&mut john, &mut marie] {
        client.say(GET_ROSTER).await;
        client.until("</query>").await;
        client.say("<presence/>").await;
    }
    let seen = john.until("marie@localhost/desk").await;
    assert!(seen.contains("<presence"), "{seen}");
    john.say("<message type='chat' to='marie@localhost' id='m1'><body>hello</body></message>").await;
    let message = marie.until("<body>hello</body>").await;
    assert!(message.contains("john@localhost/phone"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_roster_that_cannot_be_had_is_an_error_to_wait_for_and_the_session_stays() {
    let (app, _host, address) = start(Duration::ZERO).await;
    app.set("john", Reply::Status(500));
    let mut john = Client::login(address, JOHN, "phone").await;
    john.say(GET_ROSTER).await;
    let refused = john.until("</iq>").await.replace('"', "'");
    assert!(refused.contains("type='error'") && refused.contains("type='wait'"), "{refused}");
    app.set("john", Reply::contacts(&["marie@localhost"]));
    john.say(GET_ROSTER).await;
    john.until("marie@localhost").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_roster_is_served_while_the_application_is_down() {
    let (app, host, address) = start(Duration::from_secs(3600)).await;
    app.set("john", Reply::contacts(&["marie@localhost"]));
    let mut john = Client::login(address, JOHN, "phone").await;
    john.say(GET_ROSTER).await;
    john.until("marie@localhost").await;
    john.say("</stream:stream>").await;
    john.until("</stream:stream>").await;
    until("john has left", || async { host.rosters.online() == 0 }).await;
    app.set("john", Reply::Status(500));
    let mut john = Client::login(address, JOHN, "phone").await;
    john.say(GET_ROSTER).await;
    john.until("marie@localhost").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_stops_says_goodbye_to_its_clients() {
    let (app, host, address) = start(Duration::ZERO).await;
    app.set("john", Reply::contacts(&[]));
    let mut john = Client::login(address, JOHN, "phone").await;
    let (stopped, goodbye) = tokio::join!(host.stop(), john.until("</stream:stream>"));
    assert!(goodbye.contains("system-shutdown"), "{goodbye}");
    assert!(stopped, "everything that ran was finished");
}

/// A host with long deadlines, on which an application that hangs would be felt.
async fn patient() -> (WebApp, TestHost, SocketAddr) {
    let app = WebApp::start().await;
    let mut config = with_xmpp(&app, open_to_all());
    let host = &mut config.hosts[0];
    for timeout in [&mut host.client.first_byte_timeout, &mut host.client.total_timeout, &mut host.limits.call_timeout]
    {
        *timeout = Duration::from_secs(25);
    }
    let host = TestHost::with(config).await;
    let address = host.xmpp.unwrap();
    (app, host, address)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_roster_get_made_later_is_not_tied_to_one_that_hangs() {
    let (app, _host, address) = patient().await;
    app.set("john", Reply::Hang);
    let mut john = Client::login(address, JOHN, "phone").await;
    john.say(GET_ROSTER).await;
    until("the request is there", || async { app.seen("john").len() == 1 }).await;
    app.set("john", Reply::contacts(&["marie@localhost"]));
    let asked = Instant::now();
    tokio::time::sleep(Duration::from_secs(1)).await;
    // The same session asks again, and so does a new one.
    john.say(&GET_ROSTER.replace("'roster'", "'again'")).await;
    let mut desk = Client::login(address, JOHN, "desk").await;
    desk.say(GET_ROSTER).await;
    desk.until("marie@localhost").await;
    let answers = john.until("</iq>").await + &john.until("</iq>").await;
    for id in ["roster", "again"] {
        assert!(answers.replace('"', "'").contains(&format!("id='{id}'")), "{id} in {answers}");
    }
    assert!(asked.elapsed() < Duration::from_secs(15), "{:?}", asked.elapsed());
    assert_eq!(app.seen("john").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_its_roster_is_pushed_it_and_is_seen_when_the_application_is_well_again() {
    let (app, _host, address) = start(Duration::ZERO).await;
    app.set("john", Reply::Status(503));
    app.set("marie", Reply::contacts(&["john@localhost"]));
    let mut marie = Client::login(address, MARIE, "desk").await;
    let mut john = Client::login(address, JOHN, "phone").await;
    for client in [&mut marie, &mut john] {
        client.say(GET_ROSTER).await;
        client.until("</iq>").await;
        client.say("<presence/>").await;
    }
    app.set("john", Reply::contacts(&["marie@localhost"]));
    // Neither the application nor the client says a word.
    let pushed = john.until("marie@localhost").await.replace('"', "'");
    assert!(pushed.contains("type='set'") && pushed.contains("jabber:iq:roster"), "{pushed}");
    let seen = marie.until("john@localhost/phone").await;
    assert!(seen.contains("<presence"), "{seen}");
}
