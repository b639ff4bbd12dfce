//! What all connections of some listeners may have, and each address of them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use roster_xmpp::peers::{Permit, Permits, Rates, Shares};
use tracing::warn;

use crate::config::HttpConfig;
use crate::descriptors::ADMIN_CONNECTIONS;
use crate::metrics::Metrics;

/// A handshake that takes longer makes room for others when as many as may run.
const LONG_HANDSHAKE: Duration = Duration::from_secs(2);
/// How often the same refusal is told.
const REMINDER: Duration = Duration::from_secs(60);

/// What a connection came up against: a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    Connections,
    ConnectionRate,
    HandshakeRate,
    Overhead,
    RequestRate,
}

impl Limit {
    const ALL: [Self; 5] =
        [Self::Connections, Self::ConnectionRate, Self::HandshakeRate, Self::Overhead, Self::RequestRate];

    fn key(self) -> &'static str {
        match self {
            Self::Connections => "max_connections_per_address",
            Self::ConnectionRate => "connections_per_second",
            Self::HandshakeRate => "handshakes_per_second",
            Self::Overhead => "overhead_per_second",
            Self::RequestRate => "requests_per_second",
        }
    }
}

/// See the module.
pub(in crate::http) struct Crowd {
    pub(super) permits: Arc<Permits>,
    pub(super) connections: Rates,
    pub(super) handshakes: Rates,
    /// TLS handshakes that are under way.
    pub(super) handshaking: Arc<Permits>,
    /// Requests that have begun and are not answered.
    pub(super) requests: Arc<Shares>,
    pub(super) most_requests: usize,
    pub(super) requests_per_second: Rates,
    pub(super) overhead: Arc<Rates>,
    metrics: Arc<Metrics>,
    told: Mutex<Vec<(Limit, Instant)>>,
    told_of_delay: Mutex<Option<Instant>>,
}

impl Crowd {
    /// The limits of the refresh listeners.
    pub(in crate::http) fn new(config: &HttpConfig, metrics: &Arc<Metrics>) -> Arc<Self> {
        // Shown from the start.
        Limit::ALL.iter().for_each(|limit| metrics.connections_refused(limit.key(), 0));
        let handshaking = config.max_handshakes.max(1);
        Arc::new(Self {
            permits: Permits::new(config.max_connections, config.max_connections_per_address, Duration::ZERO),
            connections: Rates::new(config.connections_per_second, config.max_connections_per_address),
            handshakes: Rates::new(config.handshakes_per_second, 0),
            handshaking: Permits::new(handshaking, handshaking.div_ceil(4), LONG_HANDSHAKE),
            requests: Shares::new(config.max_requests_per_address),
            most_requests: config.max_requests_per_address,
            requests_per_second: Rates::new(config.requests_per_second, 0),
            overhead: Arc::new(Rates::new(config.overhead_per_second, 0)),
            metrics: Arc::clone(metrics),
            told: Mutex::default(),
            told_of_delay: Mutex::default(),
        })
    }

    /// Those of the admin listener.
    pub(in crate::http) fn of_admin(config: &HttpConfig, streams: usize, metrics: &Arc<Metrics>) -> Arc<Self> {
        Self::of_few(config, ADMIN_CONNECTIONS + streams, metrics)
    }

    /// Those of a listener whose clients come from few addresses, as a rule from this machine, so that one may have all
    /// `connections`; the rates are those of the refresh listeners.
    pub(in crate::http) fn of_few(config: &HttpConfig, connections: usize, metrics: &Arc<Metrics>) -> Arc<Self> {
        Self::new(
            &HttpConfig {
                max_connections: connections,
                max_connections_per_address: connections,
                max_requests_per_address: connections.max(config.max_requests_per_address),
                ..config.clone()
            },
            metrics,
        )
    }

    /// A permit for a connection of `peer`, as soon as there is one; `None` if it is refused.
    pub(super) async fn admit(&self, peer: SocketAddr) -> Option<Permit> {
        if !self.connections.take(peer.ip(), 1) {
            self.refused(peer, Limit::ConnectionRate);
            return None;
        }
        let permit = self.permits.take_in_share(peer.ip()).await;
        if permit.is_none() {
            self.refused(peer, Limit::Connections);
        }
        permit
    }

    /// A request of `peer` has to wait.
    pub(super) fn delayed(&self, peer: SocketAddr) {
        self.metrics.request_delayed();
        let mut told = self.told_of_delay.lock();
        if told.is_none_or(|at| at.elapsed() >= REMINDER) {
            *told = Some(Instant::now());
            warn!(address = %peer.ip(), limit = Limit::RequestRate.key(), "requests of one address wait: there are too many of them");
        }
    }

    /// A connection of `peer` is closed because of `limit`.
    pub(super) fn refused(&self, peer: SocketAddr, limit: Limit) {
        self.metrics.connections_refused(limit.key(), 1);
        let mut told = self.told.lock();
        told.retain(|(_, at)| at.elapsed() < REMINDER);
        if !told.iter().any(|(of, _)| *of == limit) {
            told.push((limit, Instant::now()));
            warn!(address = %peer.ip(), limit = limit.key(), "connections of one address are closed: there are too many, or they send too much");
        }
    }
}
