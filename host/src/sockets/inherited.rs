//! Sockets that a service manager has opened (`LISTEN_FDS`, as systemd's socket units do it).
//!
//! They stay open when the process ends: whoever connects while one process stops and the next starts waits in the system's
//! queue, and is refused by nobody. Which listener a socket is for is said by its address, so that the configuration stays the one
//! place that says what is open to whom.

use std::io;
use std::net::{SocketAddr, TcpListener};

use listenfd::ListenFd;
use socket2::SockRef;

/// See the module.
#[derive(Debug, Default)]
pub struct InheritedSockets(Vec<(SocketAddr, TcpListener)>);

/// What was given cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("socket {number} of those that the service manager has opened (LISTEN_FDS) cannot be used: {source}")]
pub struct GivenError {
    number: usize,
    source: io::Error,
}

impl InheritedSockets {
    /// Takes what the environment names, once. Has to be called before there is a second thread, for the environment is changed.
    ///
    /// # Errors
    ///
    /// A socket that is none of TCP, or that does not listen.
    pub fn from_environment() -> Result<Self, GivenError> {
        let mut all = ListenFd::from_env();
        let mut given = Vec::new();
        for index in 0..all.len() {
            let failed = |source| GivenError { number: index + 1, source };
            let Some(socket) = all.take_tcp_listener(index).map_err(failed)? else { continue };
            given.push(usable(socket).map_err(failed)?);
        }
        Ok(Self(given))
    }

    /// These.
    #[cfg(test)]
    pub(super) fn of(sockets: impl IntoIterator<Item = TcpListener>) -> io::Result<Self> {
        Ok(Self(sockets.into_iter().map(usable).collect::<io::Result<_>>()?))
    }

    /// The one at this address.
    pub(super) fn take(&mut self, wanted: SocketAddr) -> Option<TcpListener> {
        // Scope and flow of IPv6 are not the operator's words.
        let is_wanted = |at: &SocketAddr| (at.ip(), at.port()) == (wanted.ip(), wanted.port());
        let index = self.0.iter().position(|(at, _)| is_wanted(at))?;
        Some(self.0.swap_remove(index).1)
    }

    /// Where those are that nobody took.
    pub(super) fn left(&self) -> Vec<SocketAddr> {
        self.0.iter().map(|(at, _)| *at).collect()
    }
}

pub(super) fn usable(socket: TcpListener) -> io::Result<(SocketAddr, TcpListener)> {
    if !SockRef::from(&socket).is_listener()? {
        return Err(io::Error::other("it does not listen (Accept=no is what the host needs)"));
    }
    socket.set_nonblocking(true)?;
    Ok((socket.local_addr()?, socket))
}
