//! One request and its response, at one origin.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, TRANSFER_ENCODING};
use http::{Response, StatusCode};
use hyper::body::Incoming;

use super::SendError;
use super::body::{BodyFailure, collect};
use super::connect::Connector;
use super::connection::{Connection, MAX_HEADERS, SendFailure};
use super::error::{cause, chain, shown};
use super::request::Outgoing;
use super::site::Site;
use super::stats::ClientStats;
use super::timer::{Late, Limits, Timer};
use super::tls::{self, TlsFailure};

/// The body of a redirect is read, so that its connection can be kept, if it is not longer and comes at once.
const REDIRECT_BODY: usize = 16 << 10;
const REDIRECT_TIME: Duration = Duration::from_millis(100);

/// What an exchange needs besides the request and its site.
pub(super) struct Exchange<'a> {
    pub(super) connector: &'a Connector,
    pub(super) stats: &'a ClientStats,
    pub(super) max_response: usize,
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
            let acquired = self.timer.within(Some(self.limits.connect), site.pool.acquire(self.connector, site, fresh));
            let mut connection = acquired.await.map_err(|late| self.connect_late(late, site, outgoing))??;
            let request = outgoing.to_wire(site, connection.is_shared());
            match self.timer.within(Some(self.limits.first_byte), connection.send(request)).await {
                // Some servers say goodbye to an idle connection with a 408, meant for no request of ours.
                Ok(Ok(response))
                    if response.status() == StatusCode::REQUEST_TIMEOUT
                        && outgoing.is_safe()
                        && connection.reused
                        && !fresh => {}
                Ok(Ok(response)) => {
                    check_head(&response, outgoing)?;
                    return Ok((connection, response));
                }
                Ok(Err(failure)) => {
                    site.pool.retire(&connection);
                    if fresh || !connection.reused || !may_repeat(&failure, outgoing) {
                        return Err(head_failure(&failure.error, site, outgoing));
                    }
                }
                Err(late) => {
                    // Over HTTP/2 the connection itself may be dead; the next request should not wait on it too.
                    site.pool.retire(&connection);
                    return Err(match late {
                        Late::Phase => {
                            SendError::FirstByteTimeout { url: shown(&outgoing.uri), after: self.limits.first_byte }
                        }
                        Late::Total => self.total(outgoing),
                    });
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
        let (received, result) = collect(incoming, self.max_response, self.limits.between_bytes, &mut self.timer).await;
        self.stats.received(received);
        let url = || shown(&outgoing.uri);
        let body = match result {
            Ok(body) => body,
            Err(BodyFailure::TooLarge) => return Err(SendError::TooLarge { url: url(), limit: self.max_response }),
            Err(BodyFailure::Late(late)) => {
                site.pool.retire(&connection);
                return Err(match (late, self.limits.between_bytes) {
                    (Late::Phase, Some(after)) => SendError::BodyTimeout { url: url(), after },
                    _ => self.total(outgoing),
                });
            }
            Err(BodyFailure::Broken(error)) => return Err(body_failure(&error, received, outgoing)),
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
        let work = collect(response.into_body(), REDIRECT_BODY, Some(REDIRECT_TIME), &mut self.timer);
        if let (received, Ok(_)) = work.await {
            self.stats.received(received);
            release(site, outgoing, connection);
        }
    }

    fn connect_late(&self, late: Late, site: &Site, outgoing: &Outgoing) -> SendError {
        match late {
            Late::Phase => SendError::ConnectTimeout { origin: site.origin.to_string(), after: self.limits.connect },
            Late::Total => self.total(outgoing),
        }
    }

    fn total(&self, outgoing: &Outgoing) -> SendError {
        SendError::TotalTimeout { url: shown(&outgoing.uri), after: self.limits.total }
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

fn check_head(response: &Response<Incoming>, outgoing: &Outgoing) -> Result<(), SendError> {
    if response.headers().len() > MAX_HEADERS {
        return Err(SendError::HeadTooLarge { url: shown(&outgoing.uri) });
    }
    if response.status().is_informational() {
        let reason = format!("status {} is no answer to this request", response.status().as_u16());
        return Err(SendError::Protocol { url: shown(&outgoing.uri), reason });
    }
    Ok(())
}

fn head_failure(error: &hyper::Error, site: &Site, outgoing: &Outgoing) -> SendError {
    let url = shown(&outgoing.uri);
    if error.is_parse_too_large() {
        return SendError::HeadTooLarge { url };
    }
    if error.is_parse() || error.is_user() {
        return SendError::Protocol { url, reason: chain(error) };
    }
    // A server may refuse the handshake after the client thought it done (TLS 1.3).
    if let Some(io) = cause::<io::Error>(error)
        && cause::<rustls::Error>(io).is_some()
    {
        let origin = site.origin.to_string();
        return match tls::explain(io) {
            TlsFailure::Certificate(reason) => SendError::Certificate { origin, reason },
            TlsFailure::Other(reason) => SendError::Tls { origin, reason },
        };
    }
    SendError::Reset { url, reason: chain(error) }
}

fn body_failure(error: &hyper::Error, received: usize, outgoing: &Outgoing) -> SendError {
    let url = shown(&outgoing.uri);
    let garbage = cause::<io::Error>(error)
        .is_some_and(|error| matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData));
    if garbage || error.is_parse() {
        return SendError::Protocol { url, reason: chain(error) };
    }
    SendError::Incomplete { url, received, reason: chain(error) }
}
