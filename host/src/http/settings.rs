//! What of the listeners' configuration may change while they serve.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::access::cors::Cors;
use crate::config::{AdminConfig, HttpConfig, Secret};

/// See the module.
pub struct Settings(ArcSwap<Current>);

/// As it is for one request.
pub(super) struct Current {
    /// `http.token`
    pub(super) token: Option<Secret>,
    /// `http.cors_origins`
    pub(super) cors: Cors,
    /// `http.request_timeout`
    pub(super) request_timeout: Duration,
    /// `admin.token`
    pub(super) admin_token: Option<Secret>,
}

impl Current {
    fn new(http: &HttpConfig, admin: &AdminConfig) -> Self {
        Self {
            token: http.token.clone(),
            cors: Cors::new(&http.cors_origins),
            request_timeout: http.request_timeout,
            admin_token: admin.token.clone(),
        }
    }
}

impl Settings {
    pub(super) fn new(http: &HttpConfig, admin: &AdminConfig) -> Arc<Self> {
        Arc::new(Self(ArcSwap::from_pointee(Current::new(http, admin))))
    }

    /// These from now on, for requests that begin.
    pub fn replace(&self, http: &HttpConfig, admin: &AdminConfig) {
        self.0.store(Arc::new(Current::new(http, admin)));
    }

    pub(super) fn current(&self) -> Arc<Current> {
        self.0.load_full()
    }
}
