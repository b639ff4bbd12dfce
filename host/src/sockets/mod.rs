//! The sockets that the host listens on. All are had at once, so that whoever starts it hears of every port that is taken; and
//! those that a service manager has opened before are taken from it ([`inherited`]), so that an upgrade refuses no connection.

mod error;
mod inherited;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use tokio::net::TcpListener;

use crate::config::{Config, XmppCertificate};

pub(crate) use error::reason;
pub use error::{Refused, SocketsError};
pub use inherited::InheritedSockets;

/// What listens on a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Refresh requests over plain HTTP.
    Http,
    /// Refresh requests over HTTPS.
    Https,
    /// The operator.
    Admin,
    /// Servers of other make.
    Attach,
    /// XMPP clients.
    Xmpp,
    /// XMPP clients that begin with TLS.
    XmppTls,
}

impl Purpose {
    /// The configuration key that names the address, and the flag that overrides it.
    pub fn named_by(self) -> (&'static str, &'static str) {
        match self {
            Self::Http => ("http.listen", "--http-listen"),
            Self::Https => ("http.tls.listen", "--https-listen"),
            Self::Admin => ("admin.listen", "--admin-listen"),
            Self::Attach => ("attach.listen", "--attach-listen"),
            Self::Xmpp => ("xmpp.listen", "--xmpp-listen"),
            Self::XmppTls => ("xmpp.tls_listen", "--xmpp-tls-listen"),
        }
    }

    /// What `config` wants to listen, where.
    pub fn wanted(config: &Config) -> impl Iterator<Item = (Self, SocketAddr)> {
        let xmpp = config.xmpp.as_ref();
        // Without a certificate there is nothing to begin with.
        let certain = xmpp.filter(|xmpp| config.http.tls.is_some() || xmpp.certificate != XmppCertificate::OfHttp);
        let all = [
            (Self::Http, config.http.listen),
            (Self::Https, config.http.tls.as_ref().map(|tls| tls.listen)),
            (Self::Admin, config.admin.listen),
            (Self::Attach, config.attach.as_ref().and_then(|attach| attach.listen)),
            (Self::Xmpp, xmpp.and_then(|xmpp| xmpp.listen)),
            (Self::XmppTls, certain.and_then(|xmpp| xmpp.tls_listen)),
        ];
        all.into_iter().filter_map(|(purpose, address)| Some((purpose, address?)))
    }
}

/// Sockets that listen: from here on the system queues connections, until somebody takes a socket and serves it.
#[derive(Default)]
pub struct Sockets(BTreeMap<Purpose, TcpListener>);

impl Sockets {
    /// Listens on every address that is wanted: with the socket that is given for it, or else with one of its own. Must be called
    /// within a Tokio runtime.
    ///
    /// # Errors
    ///
    /// All addresses that cannot be had, and all sockets that were given and nobody wants; then nothing is listened on.
    pub async fn open(
        wanted: impl IntoIterator<Item = (Purpose, SocketAddr)>,
        mut given: InheritedSockets,
    ) -> Result<Self, SocketsError> {
        let (mut sockets, mut refused) = (BTreeMap::new(), Vec::new());
        for (purpose, address) in wanted {
            let socket = match given.take(address) {
                Some(socket) => TcpListener::from_std(socket),
                None => TcpListener::bind(address).await,
            };
            match socket {
                Ok(socket) => {
                    sockets.insert(purpose, socket);
                }
                Err(source) => refused.push(Refused { purpose, address, source }),
            }
        }
        match SocketsError::of(refused, given.left()) {
            None => Ok(Self(sockets)),
            Some(error) => Err(error),
        }
    }

    /// Where `purpose` is listened for, with the port that the system chose.
    pub fn address(&self, purpose: Purpose) -> Option<SocketAddr> {
        self.0.get(&purpose).and_then(|socket| socket.local_addr().ok())
    }

    /// The socket, for whoever serves it.
    pub(crate) fn take(&mut self, purpose: Purpose) -> Option<TcpListener> {
        self.0.remove(&purpose)
    }
}
