//! Accepting connections over TCP.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::TaskTracker;
use tracing::warn;

use crate::client_log::Client;
use crate::net::admission::{Admission, ConnectionPermit};
use crate::net::transport::Transport;
use crate::net::wire::Wire;
use crate::session::connection::serve;
use crate::session::shared::Shared;

/// How long accepting rests when the system has no file descriptors or memory left.
const REST: Duration = Duration::from_millis(100);
/// How often it is said.
const REMINDER: Duration = Duration::from_secs(60);

/// Accepts until the endpoint stops.
pub(crate) async fn accept(
    shared: Arc<Shared>,
    listener: TcpListener,
    direct: bool,
    admission: Arc<Admission>,
    tasks: TaskTracker,
) {
    let mut complained: Option<Instant> = None;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shared.stopped() => return,
        };
        match accepted {
            // Dropped, and so closed.
            Ok(_) if !(shared.config.has_room)() => shared.counters.connections_refused.increase(),
            Ok((stream, address)) => {
                let client = Client::new(address.ip(), if direct { "tls" } else { "tcp" });
                if let Some(permit) = admission.take(&client) {
                    tasks.spawn(begin(Arc::clone(&shared), stream, client, direct, permit));
                }
            }
            Err(error) => {
                if !matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
                    if complained.is_none_or(|last| last.elapsed() >= REMINDER) {
                        warn!(%error, "cannot accept connections");
                        complained = Some(Instant::now());
                    }
                    sleep(REST).await;
                }
            }
        }
    }
}

async fn begin(shared: Arc<Shared>, stream: TcpStream, client: Client, direct: bool, permit: ConnectionPermit) {
    // Without it stanzas wait for acknowledgements of earlier ones; if it cannot be had, so be it.
    let _ = stream.set_nodelay(true);
    let mut transport = Transport::Tcp(stream);
    if direct {
        let Some(tls) = &shared.tls else { return };
        // Who says nothing takes no permit from others.
        let handshake = async {
            transport.readable().await?;
            shared.handshakes.run(&client, transport.start_tls(&tls.direct)).await
        };
        let begun = tokio::select! {
            begun = timeout(shared.config.timeouts.login, handshake) => begun,
            () = shared.stopped() => return,
        };
        match begun {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return shared.client_log.tls_failed(&client, &error.to_string()),
            Err(_) => return shared.client_log.tls_failed(&client, "the handshake took too long"),
        }
    }
    let wire = Box::new(Wire::new(transport, &shared.config, &shared.memory));
    serve(shared, wire, client, direct, permit).await;
}
