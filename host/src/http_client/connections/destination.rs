//! Where the connections of one origin go.

use http::Uri;

use crate::config::Origin;

/// An origin, and how the TCP connector wants it.
pub(in crate::http_client) struct Destination {
    pub(super) origin: Origin,
    /// `http://host:port/`, for an `https` origin too.
    pub(super) tcp: Uri,
}

impl Destination {
    pub(in crate::http_client) fn new(origin: Origin) -> Result<Self, http::Error> {
        let tcp = format!("http://{}:{}/", origin.host(), origin.port()).parse()?;
        Ok(Self { origin, tcp })
    }
}
