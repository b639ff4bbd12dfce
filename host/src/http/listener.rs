//! Accepts the connections of one address, no more at once than allowed.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::connection::Connections;

/// After an error of `accept` (too many open files, as a rule): time for others to close some.
const PAUSE: Duration = Duration::from_millis(100);

/// An address that is listened on.
pub(super) struct Listener {
    /// The socket.
    pub(super) socket: TcpListener,
    /// What is done with a connection.
    pub(super) connections: Arc<Connections>,
    /// One permit for every open connection; listeners may share them.
    pub(super) places: Arc<Semaphore>,
}

impl Listener {
    /// Accepts until `stop`, then waits for the connections to end. Dropping this future cuts them off.
    ///
    /// When all places are taken, one more connection is accepted and waits for a place, unread; the others wait in the
    /// system's queue.
    pub(super) async fn run(self, stop: CancellationToken) {
        let mut open = JoinSet::new();
        loop {
            let (stream, peer) = tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = open.join_next() => continue,
                accepted = self.socket.accept() => match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(PAUSE).await;
                        continue;
                    }
                },
            };
            let place = tokio::select! {
                () = stop.cancelled() => break,
                place = Arc::clone(&self.places).acquire_owned() => place,
            };
            let (connections, stop) = (Arc::clone(&self.connections), stop.clone());
            open.spawn(async move {
                connections.serve(stream, peer, stop).await;
                drop(place);
            });
        }
        drop(self.socket);
        while open.join_next().await.is_some() {}
    }
}
