//! Where a request goes: scheme, host and port in one normal form.

use std::fmt;
use std::str::FromStr;

use url::{Host, Url};

/// A web origin (RFC 6454), `http` or `https`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    https: bool,
    host: Host<String>,
    port: u16,
}

impl Origin {
    /// Is this an `https` origin?
    pub(super) fn is_https(&self) -> bool {
        self.https
    }

    /// The host, normalised.
    pub(super) fn host(&self) -> &Host<String> {
        &self.host
    }

    /// The port, the scheme's default filled in.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// The origin of an absolute URI; `None` when it has none, or one that two parsers might read differently.
    pub(super) fn of_uri(uri: &http::Uri) -> Option<Self> {
        let https = is_https(uri.scheme_str()?)?;
        let authority = uri.authority()?;
        let (host, port) = (authority.host(), authority.port_u16());
        let read = port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        if read != authority.as_str() || host.contains('%') || port == Some(0) {
            return None;
        }
        Some(Self { https, host: Host::parse(host).ok()?, port: port.unwrap_or(default_port(https)) })
    }
}

impl FromStr for Origin {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text).map_err(|_| "not a URL")?;
        let https = is_https(url.scheme()).ok_or("the scheme is neither http nor https")?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("it contains a user name or password");
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err("it has a path, query or fragment");
        }
        let host = url.host().ok_or("there is no host name")?.to_owned();
        match url.port().unwrap_or(default_port(https)) {
            0 => Err("port 0 cannot be connected to"),
            port => Ok(Self { https, host, port }),
        }
    }
}

/// `https://app.example.org`, `http://127.0.0.1:8000`: the port only when it is not the scheme's own.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.https { "https" } else { "http" }, self.host)?;
        if self.port == default_port(self.https) { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

fn is_https(scheme: &str) -> Option<bool> {
    match scheme {
        "http" => Some(false),
        "https" => Some(true),
        _ => None,
    }
}

fn default_port(https: bool) -> u16 {
    if https { 443 } else { 80 }
}
