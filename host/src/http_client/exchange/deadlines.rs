//! How long an exchange may take: what the plugin asks for, within what the operator allows.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use super::timer::after;
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
    /// When the response has to be there, if that is before `total_timeout` has passed.
    pub until: Option<Until>,
}

/// A deadline that somebody else has set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Until {
    /// The deadline.
    pub at: std::time::Instant,
    /// The time that there was until then, as an error says it.
    pub limit: Duration,
    /// The key of the configuration that says so.
    pub key: &'static str,
}

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Limit::from(*self).fmt(f)
    }
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

impl From<Until> for Limit {
    fn from(Until { limit, key, .. }: Until) -> Self {
        Self { after: limit, whose: key }
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
    /// When `total` is over.
    pub(in crate::http_client) total_at: Instant,
}

impl Limits {
    pub(in crate::http_client) fn new(asked: Deadlines, config: &ClientConfig) -> Self {
        let between_bytes = asked.between_bytes.filter(|asked| *asked < config.total_timeout);
        let total_at = after(config.total_timeout);
        let sooner = asked.until.filter(|until| Instant::from_std(until.at) < total_at);
        let (total, total_at) = match sooner {
            Some(until) => (until.into(), until.at.into()),
            None => (Limit { after: config.total_timeout, whose: "client.total_timeout" }, total_at),
        };
        Self {
            connect: Limit::shorter(asked.connect, config.connect_timeout, CONNECT_KEY),
            first_byte: Limit::shorter(asked.first_byte, config.first_byte_timeout, "client.first_byte_timeout"),
            between_bytes: between_bytes.map(|asked| Limit::shorter(Some(asked), config.total_timeout, "")),
            total,
            total_at,
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
            until: None,
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
        let until = |at| Some(Until { at, limit: SECOND, key: "limits.call_timeout" });
        let (soon, late) = (std::time::Instant::now(), std::time::Instant::now() + 2 * config.total_timeout);
        let of = |at| Limits::new(Deadlines { until: until(at), ..Deadlines::default() }, &config);
        assert_eq!((of(soon).total.to_string(), of(soon).total_at), ("1s (limits.call_timeout)".into(), soon.into()));
        assert_eq!(of(late).total, limits.total);
    }
}
