//! Accepts the connections of one address, no more at once than allowed.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::Connections;
use crate::descriptors::For;

/// After an error of `accept` (too many open files, as a rule): time for others to close some.
const PAUSE: Duration = Duration::from_millis(100);
/// A connection that was told to end needs less.
const BREATH: Duration = Duration::from_millis(5);
/// How often the same error is told.
const REMINDER: Duration = Duration::from_secs(60);

/// An address that is listened on.
pub(in crate::http) struct Listener {
    /// The socket.
    pub(in crate::http) socket: TcpListener,
    /// What is done with a connection.
    pub(in crate::http) connections: Arc<Connections>,
    /// What the connections are for, if they have to leave descriptors for others.
    pub(in crate::http) wants: Option<For>,
}

impl Listener {
    /// Accepts until `stop`, then waits for the connections to end. Dropping this future cuts them off.
    ///
    /// When all permits or nearly all descriptors are taken, a connection whose client is waited for makes room. If there is none,
    /// one more is accepted and waits, unread; the others wait in the system's queue.
    pub(in crate::http) async fn run(self, stop: CancellationToken) {
        let mut open = JoinSet::new();
        let mut complained: Option<Instant> = None;
        loop {
            let (stream, peer) = tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = open.join_next() => continue,
                accepted = self.socket.accept() => match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        if complained.is_none_or(|last| last.elapsed() >= REMINDER) {
                            warn!(%error, "a connection could not be accepted");
                            complained = Some(Instant::now());
                        }
                        tokio::time::sleep(PAUSE).await;
                        continue;
                    }
                },
            };
            // Who has been accepted is served, unless that would have to wait.
            let permit = tokio::select! {
                biased;
                permit = self.connections.crowd.admit(peer) => match permit {
                    Some(permit) => permit,
                    None => continue,
                },
                () = stop.cancelled() => break,
            };
            // Not it, when others have to make room for it.
            permit.works();
            let stream = tokio::select! {
                biased;
                stream = self.with_room(stream, peer) => match stream {
                    Ok(stream) => stream,
                    // It has gone.
                    Err(_) => continue,
                },
                () = stop.cancelled() => break,
            };
            permit.waits();
            let (connections, stop) = (Arc::clone(&self.connections), stop.clone());
            open.spawn(connections.serve(stream, peer, permit, stop));
        }
        drop(self.socket);
        while open.join_next().await.is_some() {}
    }

    /// Waits until there is a descriptor for `stream` that its kind may have.
    async fn with_room(&self, stream: TcpStream, peer: SocketAddr) -> io::Result<TcpStream> {
        let Some(wants) = self.wants.filter(|wants| !wants.may_keep(&stream)) else { return Ok(stream) };
        let stream = stream.into_std()?;
        loop {
            let room = self.connections.crowd.permits.end_one(peer.ip());
            tokio::time::sleep(if room { BREATH } else { PAUSE }).await;
            // The lowest that is free. There may be none at all.
            match stream.try_clone() {
                Ok(lower) if wants.may_keep(&lower) => return TcpStream::from_std(lower),
                _ => {}
            }
        }
    }
}
