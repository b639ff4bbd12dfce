//! One request and its response, at one origin.

mod body;
pub(super) mod deadlines;
mod head;
mod informational;
pub(super) mod memory;
pub(super) mod timer;

use std::io;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, TRANSFER_ENCODING};
use http::{Response, StatusCode};
use hyper::body::Incoming;

use self::body::{BodyFailure, collect};
use self::deadlines::Limits;
use self::head::{check_head, head_failure};
use self::informational::{Informational, MOST_INFORMATIONAL};
use self::memory::Memory;
use self::timer::{Late, Timer};
use super::connections::{Connection, Connector, Progress, SendFailure};
use super::error::{ErrorKind, Failure, SendError, cause, chain};
use super::request::Outgoing;
use super::request::site::Site;
use super::stats::ClientStats;

/// The body of a redirect is read, so that its connection can be kept, if it is not longer and comes at once.
const REDIRECT_BODY: usize = 16 << 10;
const REDIRECT_TIME: Duration = Duration::from_millis(100);

/// What an exchange needs besides the request and its site.
pub(super) struct Exchange<'a> {
    pub(super) connector: &'a Connector,
    pub(super) stats: &'a ClientStats,
    pub(super) max_response: usize,
    pub(super) memory: Option<&'a dyn Memory>,
    pub(super) limits: Limits,
    pub(super) timer: Timer<'a>,
}

impl Exchange<'_> {
    /// Sends the request and waits for the head of the response.
    ///
    /// A kept connection may be closed by the server at the very moment it is used. A request of which nothing was
    /// sent, or that may be repeated, is then sent once more, on a connection that was not idle before.
    pub(super) async fn head(
        &mut self,
        site: &Site,
        outgoing: &Outgoing,
    ) -> Result<(Connection, Response<Incoming>), SendError> {
        let mut fresh = false;
        loop {
            if fresh {
                tracing::debug!(origin = %site.origin, "the server closed a kept connection; trying once more");
                self.stats.retry();
            }
            let progress = Progress::default();
            let acquiring = pin!(site.pool.acquire(self.connector, fresh, &progress));
            let mut connection = match self.timer.within(Some(self.limits.connect.after), acquiring).await {
                Ok(Ok(connection)) => connection,
                Ok(Err(failure)) => return Err(failure.of(&outgoing.uri)),
                Err(late) => return Err(self.no_connection(late, &progress).of(&outgoing.uri)),
            };
            let mut request = outgoing.to_wire(site, connection.is_shared());
            let informational = Informational::default();
            informational.count(&mut request);
            let sent = {
                let sending = pin!(async {
                    tokio::select! {
                        biased;
                        () = informational.too_many() => None,
                        sent = connection.send(request) => Some(sent),
                    }
                });
                self.timer.within(Some(self.limits.first_byte.after), sending).await
            };
            let sent = match sent {
                Ok(Some(sent)) => Ok(sent),
                Ok(None) => {
                    site.pool.retire(&connection);
                    let detail = format!(
                        "more than {MOST_INFORMATIONAL} informational responses (1xx) came before the response"
                    );
                    return Err(Failure::new(ErrorKind::Protocol, detail).of(&outgoing.uri));
                }
                Err(late) => Err(late),
            };
            match sent {
                // Some servers say goodbye to an idle connection with a 408, meant for no request of ours.
                Ok(Ok(response))
                    if response.status() == StatusCode::REQUEST_TIMEOUT
                        && outgoing.is_safe()
                        && connection.reused
                        && !fresh => {}
                Ok(Ok(response)) => {
                    return match check_head(&response, outgoing, self.connector.limits) {
                        Ok(()) => Ok((connection, response)),
                        Err(failure) => Err(failure.of(&outgoing.uri)),
                    };
                }
                Ok(Err(failure)) => {
                    site.pool.retire(&connection);
                    if fresh || !connection.reused || !may_repeat(&failure, outgoing) {
                        return Err(head_failure(&failure.error, self.connector.limits).of(&outgoing.uri));
                    }
                }
                Err(late) => {
                    // Over HTTP/2 the connection itself may be dead; the next request should not wait on it too.
                    site.pool.retire(&connection);
                    let (kind, limit) = match late {
                        Late::Phase => (ErrorKind::FirstByteTimeout, self.limits.first_byte),
                        Late::Total => (ErrorKind::TotalTimeout, self.limits.total),
                    };
                    let detail = format!("the request was sent, and no response came within {limit}");
                    return Err(Failure::new(kind, detail).of(&outgoing.uri));
                }
            }
            fresh = true;
        }
    }

    /// Collects the body and gives the connection back.
    pub(super) async fn body(
        &mut self,
        site: &Site,
        outgoing: &Outgoing,
        connection: Connection,
        response: Response<Incoming>,
    ) -> Result<Response<Bytes>, SendError> {
        let (mut head, incoming) = response.into_parts();
        let between = self.limits.between_bytes;
        let between_bytes = between.map(|limit| limit.after);
        let (received, result) =
            collect(incoming, self.max_response, between_bytes, &mut self.timer, self.memory).await;
        self.stats.received(received);
        let body = match result {
            Ok(body) => body,
            Err(failure) => {
                if matches!(failure, BodyFailure::Late(_)) {
                    site.pool.retire(&connection);
                }
                return Err(self.no_body(failure, received).of(&outgoing.uri));
            }
        };
        release(site, outgoing, connection);
        // They told how the body was sent, and it is no longer sent like that.
        head.headers.remove(CONNECTION);
        head.headers.remove(TRANSFER_ENCODING);
        Ok(Response::from_parts(head, body))
    }

    /// Reads the body of a redirect when that is cheaper than a new connection.
    pub(super) async fn skip(
        &mut self,
        site: &Site,
        outgoing: &Outgoing,
        connection: Connection,
        response: Response<Incoming>,
    ) {
        // An HTTP/2 stream can be ended without its connection.
        if connection.is_shared() {
            return release(site, outgoing, connection);
        }
        let work = collect(response.into_body(), REDIRECT_BODY, Some(REDIRECT_TIME), &mut self.timer, self.memory);
        if let (received, Ok(_)) = work.await {
            self.stats.received(received);
            release(site, outgoing, connection);
        }
    }

    fn no_connection(&self, late: Late, progress: &Progress) -> Failure {
        let (kind, limit) = match late {
            Late::Phase => (ErrorKind::ConnectTimeout, self.limits.connect),
            Late::Total => (ErrorKind::TotalTimeout, self.limits.total),
        };
        Failure::new(kind, format!("{} within {limit}", progress.phase()))
    }

    fn no_body(&self, failure: BodyFailure<hyper::Error>, received: usize) -> Failure {
        match failure {
            BodyFailure::TooLarge => {
                let limit = self.max_response;
                let detail = format!("the response body is longer than {limit} bytes (client.max_response)");
                Failure::new(ErrorKind::TooLarge, detail)
            }
            BodyFailure::NoMemory => {
                let detail = format!(
                    "there was no memory left for more than {received} bytes of the response body; what plugins and \
                     their responses take together is bounded (limits.total_memory)"
                );
                Failure::new(ErrorKind::NoMemory, detail)
            }
            BodyFailure::Late(late) => match (late, self.limits.between_bytes) {
                (Late::Phase, Some(limit)) => {
                    let detail = format!("nothing more of the response body after {received} bytes for {limit}");
                    Failure::new(ErrorKind::BodyTimeout, detail)
                }
                _ => {
                    let limit = self.limits.total;
                    let detail = format!("the response body did not end within {limit}; {received} bytes came");
                    Failure::new(ErrorKind::TotalTimeout, detail)
                }
            },
            BodyFailure::Broken(error) => body_failure(&error, received),
        }
    }
}

/// A request body that is not fully written when the response is there would make the next request wait.
fn release(site: &Site, outgoing: &Outgoing, connection: Connection) {
    if outgoing.is_bodiless() || connection.is_ready() {
        site.pool.release(connection);
    }
}

fn may_repeat(failure: &SendFailure, outgoing: &Outgoing) -> bool {
    failure.unsent || (outgoing.is_safe() && !failure.error.is_parse() && !failure.error.is_user())
}

fn body_failure(error: &hyper::Error, received: usize) -> Failure {
    let garbage = cause::<io::Error>(error)
        .is_some_and(|error| matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData));
    if garbage || error.is_parse() {
        let detail = format!("the response body is not valid HTTP after {received} bytes: {}", chain(error));
        return Failure::new(ErrorKind::Protocol, detail);
    }
    let detail = format!("the response body breaks off after {received} bytes: {}", chain(error));
    Failure::new(ErrorKind::Incomplete, detail)
}
