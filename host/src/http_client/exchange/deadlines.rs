//! How long an exchange may take: what the plugin asks for, within what the operator allows.

use std::fmt;
use std::time::Duration;

use crate::config::ClientConfig;
use crate::http_client::connections::CONNECT_KEY;

/// The deadlines a plugin asked for. The operator's are upper bounds; `None` asks for nothing shorter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deadlines {
    /// DNS, TCP and TLS together.
    pub connect: Option<Duration>,
    /// From the request sent to the head of the response.
    pub first_byte: Option<Duration>,
    /// Between two pieces of the body. The operator has no such setting: `total_timeout` is the bound.
    pub between_bytes: Option<Duration>,
}

/// How long something may take, and who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http_client) struct Limit {
    pub(in crate::http_client) after: Duration,
    whose: &'static str,
}

impl Limit {
    /// The shorter one of what the plugin asks for and the operator allows under `key`.
    fn shorter(asked: Option<Duration>, most: Duration, key: &'static str) -> Self {
        match asked.filter(|asked| *asked < most) {
            Some(after) => Self { after, whose: "the plugin's own limit" },
            None => Self { after: most, whose: key },
        }
    }
}

/// As it is said in an error.
impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} ({})", self.after, self.whose)
    }
}

/// The deadlines of one `send`: the plugin's and the operator's, the shorter of each.
#[derive(Clone, Copy, Debug)]
pub(in crate::http_client) struct Limits {
    pub(in crate::http_client) connect: Limit,
    pub(in crate::http_client) first_byte: Limit,
    pub(in crate::http_client) between_bytes: Option<Limit>,
    pub(in crate::http_client) total: Limit,
}

impl Limits {
    pub(in crate::http_client) fn new(asked: Deadlines, config: &ClientConfig) -> Self {
        let between_bytes = asked.between_bytes.filter(|asked| *asked < config.total_timeout);
        Self {
            connect: Limit::shorter(asked.connect, config.connect_timeout, CONNECT_KEY),
            first_byte: Limit::shorter(asked.first_byte, config.first_byte_timeout, "client.first_byte_timeout"),
            between_bytes: between_bytes.map(|asked| Limit::shorter(Some(asked), config.total_timeout, "")),
            total: Limit::shorter(None, config.total_timeout, "client.total_timeout"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_operators_deadlines_are_upper_bounds() {
        let config = ClientConfig::default();
        let asked = Deadlines {
            connect: Some(SECOND),
            first_byte: Some(Duration::from_secs(600)),
            between_bytes: Some(Duration::from_secs(600)),
        };
        let limits = Limits::new(asked, &config);
        assert_eq!(
            (limits.connect, limits.first_byte, limits.between_bytes, limits.total),
            (
                Limit { after: SECOND, whose: "the plugin's own limit" },
                Limit { after: config.first_byte_timeout, whose: "client.first_byte_timeout" },
                None,
                Limit { after: config.total_timeout, whose: "client.total_timeout" }
            )
        );
    }
}
