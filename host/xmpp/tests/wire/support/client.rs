//! A client that says what a test tells it to.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::scram;
use super::server::{LONG, Server, until};

pub const HEADER: &str = "<?xml version='1.0'?><stream:stream to='example.com' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";

trait Io: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> Io for T {}

pub struct Client {
    io: Pin<Box<dyn Io>>,
    /// What was read and not yet expected.
    pub read: String,
    pub exporter: Option<[u8; 32]>,
}

impl Client {
    /// TCP, nothing said yet.
    pub async fn connect(address: SocketAddr) -> Self {
        Self { io: Box::pin(TcpStream::connect(address).await.unwrap()), read: String::new(), exporter: None }
    }

    /// TLS from the beginning.
    pub async fn connect_tls(address: SocketAddr, trust: &Arc<ClientConfig>) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        Self::over_tls(stream, trust).await
    }

    async fn over_tls(stream: TcpStream, trust: &Arc<ClientConfig>) -> Self {
        let name = ServerName::try_from("example.com").unwrap();
        let stream = TlsConnector::from(Arc::clone(trust)).connect(name, stream).await.unwrap();
        let connection = stream.get_ref().1;
        let exporter = connection.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", None).ok();
        Self { io: Box::pin(stream), read: String::new(), exporter }
    }

    /// TCP, then STARTTLS.
    pub async fn start_tls(server: &Server) -> Self {
        let mut stream = TcpStream::connect(server.plain).await.unwrap();
        stream.write_all(HEADER.as_bytes()).await.unwrap();
        let mut read = String::new();
        let mut byte = [0];
        for (wanted, answer) in [
            ("</stream:features>", "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
            ("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", ""),
        ] {
            while !read.contains(wanted) {
                assert_eq!(timeout(LONG, stream.read(&mut byte)).await.unwrap().unwrap(), 1, "{read}");
                read.push(char::from(byte[0]));
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        Self::over_tls(stream, &server.trust).await
    }

    pub async fn send(&mut self, text: &str) {
        self.send_bytes(text.as_bytes()).await;
    }

    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        timeout(LONG, async {
            self.io.write_all(bytes).await.unwrap();
            self.io.flush().await.unwrap();
        })
        .await
        .expect("the server reads");
    }

    /// The server may be gone already.
    pub async fn try_send(&mut self, bytes: &[u8]) {
        let _ = timeout(LONG, async {
            self.io.write_all(bytes).await?;
            self.io.flush().await
        })
        .await;
    }

    /// No more from this side.
    pub async fn half_close(&mut self) {
        let _ = self.io.shutdown().await;
    }

    /// Everything up to and with `wanted`.
    pub async fn expect(&mut self, wanted: &str) -> String {
        let found = timeout(LONG, async {
            loop {
                if let Some(at) = self.read.find(wanted) {
                    let rest = self.read.split_off(at + wanted.len());
                    return std::mem::replace(&mut self.read, rest);
                }
                assert!(self.more().await, "the stream ended before {wanted}: {}", self.read);
            }
        });
        match found.await {
            Ok(found) => found,
            Err(_) => panic!("waited too long for {wanted}, there is: {}", self.read),
        }
    }

    /// Everything up to the end of the connection.
    pub async fn rest(&mut self) -> String {
        timeout(LONG, async { while self.more().await {} }).await.expect("the connection ends");
        std::mem::take(&mut self.read)
    }

    /// Reads on. False at the end of the connection.
    pub async fn more(&mut self) -> bool {
        let mut bytes = vec![0; 16_384];
        match self.io.read(&mut bytes).await {
            Ok(0) | Err(_) => false,
            Ok(read) => {
                // All tests send and expect text whose characters may be cut between reads: kept as they come.
                self.read.push_str(&String::from_utf8_lossy(&bytes[..read]));
                true
            }
        }
    }

    /// Header and features.
    pub async fn open(&mut self) -> String {
        self.send(HEADER).await;
        self.expect("</stream:features>").await
    }

    /// SASL PLAIN; the stream is restarted.
    pub async fn plain(&mut self, user: &str) {
        let secret = STANDARD.encode(format!("\0{user}\0{user}'s secret"));
        self.send(&format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{secret}</auth>")).await;
        self.expect("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>").await;
        self.open().await;
    }

    /// SCRAM; the stream is not restarted yet. The element the exchange ended with.
    pub async fn scram(&mut self, mechanism: &str, gs2: &str, user: &str, password: &str) -> String {
        let mut exchange = scram::Exchange::new(mechanism, gs2, self.exporter.as_ref(), user, password);
        let first = STANDARD.encode(exchange.first());
        self.send(&format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='{mechanism}'>{first}</auth>"))
            .await;
        let answer = self.expect(">").await + &self.expect_end_of_sasl().await;
        if !answer.starts_with("<challenge") {
            return answer;
        }
        let second = exchange.second(&text_of(&answer));
        self.send(&format!("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{second}</response>")).await;
        let answer = self.expect(">").await + &self.expect_end_of_sasl().await;
        if answer.starts_with("<success") {
            exchange.verify(&text_of(&answer));
        }
        answer
    }

    async fn expect_end_of_sasl(&mut self) -> String {
        let mut all = String::new();
        loop {
            all += &self.expect(">").await;
            if ["</challenge>", "</success>", "</failure>"].iter().any(|end| all.ends_with(end)) {
                return all;
            }
        }
    }

    /// Binds a resource; the address.
    pub async fn bind(&mut self, resource: &str) -> String {
        let resource = format!("<resource>{resource}</resource>");
        self.send(&format!(
            "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>{resource}</bind></iq>"
        ))
        .await;
        let answer = self.expect("</iq>").await;
        answer.split("<jid>").nth(1).unwrap_or_else(|| panic!("{answer}")).split('<').next().unwrap().to_owned()
    }

    /// Logged in as `user`, with a resource, over TLS.
    pub async fn log_in(server: &Server, user: &str, resource: &str) -> Self {
        let mut client = Self::connect_tls(server.tls, &server.trust).await;
        client.open().await;
        client.plain(user).await;
        client.bind(resource).await;
        client
    }

    /// A ping of the server, answered: it is there, and has handled all that was sent before.
    pub async fn ping(&mut self, id: &str) -> String {
        self.send(&format!("<iq type='get' id='{id}'><ping xmlns='urn:xmpp:ping'/></iq>")).await;
        let before = self.expect(&format!("id='{id}'")).await;
        self.expect(">").await;
        before
    }

    /// The network is gone. Returns when the session waits for its client, the only one that does.
    pub async fn lose(self, server: &Server) {
        drop(self);
        until("the session waits", || server.counters.sessions_hibernating.get() == 1).await;
    }

    /// `</stream:stream>` from both sides, and the end of the connection.
    pub async fn log_out(mut self) {
        self.send("</stream:stream>").await;
        let rest = self.rest().await;
        assert!(rest.ends_with("</stream:stream>"), "{rest}");
    }
}

fn text_of(element: &str) -> String {
    element.split('>').nth(1).unwrap().split('<').next().unwrap().to_owned()
}
