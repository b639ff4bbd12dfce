//! What all listeners have in common: where they listen, what every request passes, and why there is none.

use std::net::SocketAddr;

use axum::{Router, middleware};
use tokio::net::TcpListener;

use super::answers::json::ErrorBody;
use super::body;
use super::connection::Service;
use super::requests::request_log::{self, Recorder};
use super::requests::well_formed;
use crate::config::AdminConfig;
use crate::tls::TlsError;

/// The addresses that are listened on, with the real port where port 0 was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Listening {
    /// The refresh route over plain HTTP.
    pub refresh_http: Option<SocketAddr>,
    /// The refresh route over HTTPS.
    pub refresh_https: Option<SocketAddr>,
    /// The admin listener.
    pub admin: Option<SocketAddr>,
    /// Where servers of other make are attached.
    pub attach: Option<SocketAddr>,
}

/// The server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The admin listener would be open to others without a token. The configuration file is checked for it too; this
    /// is for flags and for programs that embed the host.
    #[error("admin.listen (--admin-listen): {address} is not a loopback address and admin.token is not set")]
    AdminOpen {
        /// The address.
        address: SocketAddr,
    },
    /// HTTPS is configured and its certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl ServeError {
    /// Is the admin listener open to others without a token?
    pub(crate) fn if_open(admin: &AdminConfig) -> Result<(), Self> {
        match admin.listen.filter(|address| admin.token.is_none() && !address.ip().is_loopback()) {
            Some(address) => Err(Self::AdminOpen { address }),
            None => Ok(()),
        }
    }
}

/// What every listener does with a request before its routes see it.
pub(super) fn service(routes: Router, error: ErrorBody, recorder: Recorder) -> Service {
    let router = routes
        .layer(middleware::from_fn_with_state(error, well_formed::refuse))
        .layer(middleware::from_fn(body::linger))
        .layer(middleware::from_fn_with_state(recorder.clone(), request_log::record));
    Service { router, error, recorder }
}

pub(super) fn address(socket: &TcpListener) -> Option<SocketAddr> {
    socket.local_addr().ok()
}
