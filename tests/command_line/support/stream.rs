//! A client's end of an XMPP stream, for as much of a login as tests need.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::program::TIMEOUT;

/// A stream on which logins are tried.
pub(crate) struct Stream(TcpStream);

impl Stream {
    pub(crate) fn open(address: SocketAddr) -> Self {
        let mut stream = Self(TcpStream::connect(address).unwrap());
        stream.0.set_read_timeout(Some(TIMEOUT)).unwrap();
        let open = "<stream:stream to='example.com' version='1.0' xmlns='jabber:client' \
                    xmlns:stream='http://etherx.jabber.org/streams'>";
        stream.ask(open, &["</stream:features>"]);
        stream
    }

    pub(crate) fn ask(&mut self, text: &str, ends: &[&str]) -> String {
        self.0.write_all(text.as_bytes()).unwrap();
        let (mut all, mut buffer) = (String::new(), [0; 4096]);
        while !ends.iter().any(|end| all.contains(end)) {
            let read = self.0.read(&mut buffer).unwrap();
            assert!(read > 0, "closed after {all}");
            all.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        }
        all
    }

    pub(crate) fn plain(&mut self, user: &str, password: &str) -> String {
        let data = STANDARD.encode(format!("\0{user}\0{password}"));
        let auth = format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{data}</auth>");
        self.ask(&auth, &["<success", "</failure>"])
    }

    /// With a proof that proves nothing.
    pub(crate) fn scram(&mut self, user: &str) {
        let first = STANDARD.encode(format!("n,,n={user},r=abc"));
        let auth = format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'>{first}</auth>");
        let challenge = self.ask(&auth, &["</challenge>"]);
        let data = challenge.split('>').nth(1).unwrap().split('<').next().unwrap();
        let challenge = String::from_utf8(STANDARD.decode(data).unwrap()).unwrap();
        let nonce = challenge.split(',').next().unwrap();
        let second = STANDARD.encode(format!("c=biws,{nonce},p={}", STANDARD.encode([7; 32])));
        let response = format!("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{second}</response>");
        assert!(self.ask(&response, &["</failure>"]).contains("not-authorized"));
    }
}
