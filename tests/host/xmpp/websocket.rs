//! XMPP over WebSocket, on the host's HTTP listeners.

use std::net::SocketAddr;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use roster_host::config::{Config, Secret, XmppConfig};
use roster_tests::client;
use roster_tests::host::TestHost;
use roster_tests::web_app::{Reply, WebApp};
use roster_tests::xmpp::{self, JOHN, LONG, auth, certificate, open_to_all, tls};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

const OPEN: &str = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' version='1.0'/>";
const BIND: &str = "<iq xmlns='jabber:client' type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>";
const GET_ROSTER: &str = "<iq xmlns='jabber:client' type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>";

/// A client that is as simple as can be, over whatever carries HTTP.
struct Client<S>(WebSocketStream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    async fn connect(stream: S) -> Self {
        let mut request = "ws://localhost/xmpp-websocket".into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", "xmpp".parse().unwrap());
        let (socket, response) = timeout(LONG, client_async(request, stream)).await.unwrap().unwrap();
        assert_eq!(response.headers()["sec-websocket-protocol"], "xmpp");
        Self(socket)
    }

    /// Sends `text` and returns what comes up to and including `what`.
    async fn ask(&mut self, text: &str, what: &str) -> String {
        self.0.send(Message::text(text)).await.unwrap();
        self.until(what).await
    }

    async fn until(&mut self, what: &str) -> String {
        let mut all = String::new();
        while !all.contains(what) {
            match timeout(LONG, self.0.next()).await.unwrap_or_else(|_| panic!("no {what} in {all}")) {
                Some(Ok(Message::Text(text))) => all.push_str(&text),
                other => panic!("{other:?} before {what}: {all}"),
            }
        }
        all
    }

    /// What is offered at first.
    async fn features(&mut self) -> String {
        self.ask(OPEN, "stream:features>").await
    }

    async fn log_in(&mut self) {
        assert!(self.features().await.contains(">SCRAM-SHA-256<"));
        self.ask(&auth(JOHN), "<success").await;
        self.features().await;
        self.ask(BIND, "</jid>").await;
    }
}

/// Without listeners of the endpoint's own.
fn with_xmpp(app: &WebApp, xmpp: XmppConfig) -> Config {
    xmpp::with_xmpp(app, XmppConfig { listen: None, tls_listen: None, ..xmpp })
}

async fn tcp(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_logs_in_gets_its_roster_and_pushes_and_outlasts_the_timeouts_of_http() {
    let app = WebApp::start().await;
    app.set("john", Reply::contacts(&["marie@localhost"]));
    let mut config = with_xmpp(&app, open_to_all());
    // Ends idle connections of HTTP, and none that are something else by now.
    config.http.header_timeout = Duration::from_secs(1);
    config.http.max_connections = 2;
    let host = TestHost::with(config).await;
    let mut clients = Vec::new();
    // More than there may be connections of HTTP.
    for _ in 0..4 {
        let mut john = Client::connect(tcp(host.http).await).await;
        john.log_in().await;
        clients.push(john);
    }
    for john in &mut clients {
        assert!(john.ask(GET_ROSTER, "</iq>").await.contains("jid='marie@localhost'"));
    }
    tokio::time::sleep(Duration::from_millis(2500)).await;
    app.set("john", Reply::contacts(&["marie@localhost", "aaron@localhost"]));
    assert_eq!(host.refresh(&["john"]).await.json()["updated"], json!(1));
    for john in &mut clients {
        assert!(john.until("aaron@localhost").await.contains("jabber:iq:roster"));
    }
    let counted = "roster_host_http_requests_total{route=\"/xmpp-websocket\",status=\"101\"}";
    assert_eq!(host.metric(counted).await, Some(4.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_stops_says_goodbye_over_websocket_too() {
    let app = WebApp::start().await;
    let host = TestHost::with(with_xmpp(&app, open_to_all())).await;
    let mut john = Client::connect(tcp(host.http).await).await;
    john.log_in().await;
    let (stopped, goodbye) = tokio::join!(host.stop(), john.until("<close "));
    assert!(goodbye.contains("system-shutdown"), "{goodbye}");
    assert!(stopped, "everything that ran was finished");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_of_the_refresh_route_is_not_asked_for() {
    let app = WebApp::start().await;
    let mut config = with_xmpp(&app, open_to_all());
    config.http.token = Some(Secret::new("the application's"));
    let host = TestHost::with(config).await;
    Client::connect(tcp(host.http).await).await.log_in().await;
    assert_eq!(host.post("[]").await.status, 401);
    assert_eq!(client::get(host.http, "/.well-known/host-meta").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_encryption_nothing_is_offered_unless_a_proxy_has_it() {
    let app = WebApp::start().await;
    for (behind_tls, offered) in [(false, false), (true, true)] {
        let config = XmppConfig { websocket_behind_tls: behind_tls, ..XmppConfig::default() };
        let host = TestHost::with(with_xmpp(&app, config)).await;
        let features = Client::connect(tcp(host.http).await).await.features().await;
        assert_eq!(features.contains("<mechanism>PLAIN</mechanism>"), offered, "{features}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_https_listener_serves_clients_over_tls() {
    let app = WebApp::start().await;
    let folder = tempfile::tempdir().unwrap();
    let (files, pem) = certificate(folder.path(), "http");
    let mut config = with_xmpp(&app, XmppConfig::default());
    config.http.tls = Some(files);
    let host = TestHost::with(config).await;
    let stream = tls(tcp(host.https.unwrap()).await, &pem).await.unwrap();
    let mut john = Client::connect(stream).await;
    john.log_in().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_find_out_where_to_connect() {
    let app = WebApp::start().await;
    let given = "wss://chat.example.org/here";
    for (behind_tls, url, expected) in [
        // The domain, and nothing that somebody sent.
        (false, None, "ws://localhost/xmpp-websocket"),
        (true, None, "wss://localhost/xmpp-websocket"),
        (false, Some(given), given),
    ] {
        let websocket_url = url.map(str::to_owned);
        let config = XmppConfig { websocket_behind_tls: behind_tls, websocket_url, ..open_to_all() };
        let host = TestHost::with(with_xmpp(&app, config)).await;
        let ask = async |path| client::request(host.http, "GET", path, &[("host", "chat.example.com")], &[]).await;
        let json = ask("/.well-known/host-meta.json").await.json();
        assert_eq!(json, json!({"links": [{"rel": "urn:xmpp:alt-connections:websocket", "href": expected}]}));
        let xml = ask("/.well-known/host-meta").await.text();
        assert!(xml.contains(&format!("rel='urn:xmpp:alt-connections:websocket' href='{expected}'")), "{xml}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_can_do_without() {
    let app = WebApp::start().await;
    for xmpp in [Some(XmppConfig { websocket: false, ..open_to_all() }), None] {
        let mut config = with_xmpp(&app, XmppConfig::default());
        config.xmpp = xmpp.map(|xmpp| XmppConfig { listen: None, tls_listen: None, ..xmpp });
        let host = TestHost::with(config).await;
        for path in ["/xmpp-websocket", "/.well-known/host-meta", "/.well-known/host-meta.json"] {
            assert_eq!(client::get(host.http, path).await.status, 404, "{path}");
        }
    }
}
