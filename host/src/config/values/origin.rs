//! Web origins: scheme, host and port, in one normal form.
//!
//! What the operator allows and what a plugin asks for are compared as origins, so both have to be normalised in
//! the same way: `http://X:80` is `http://x`, an internationalised name is its ASCII form, an IP address is written
//! in one way.

use std::fmt;
use std::str::FromStr;

use url::{Host, Url};

/// The two schemes a plugin may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// `http`
    Http,
    /// `https`
    Https,
}

impl Scheme {
    /// `http` or `https`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// 80 or 443.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        match text {
            "http" => Some(Self::Http),
            "https" => Some(Self::Https),
            _ => None,
        }
    }
}

/// A web origin (RFC 6454), always `http` or `https`.
///
/// ```
/// use roster_host::config::Origin;
///
/// let origin: Origin = "HTTP://App.Example.org:80".parse()?;
/// assert_eq!(origin.to_string(), "http://app.example.org");
/// # Ok::<(), roster_host::config::OriginError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    scheme: Scheme,
    host: Host<String>,
    port: u16,
}

/// Why a text is not an origin. Never repeats the text: a URL may hold a password or a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// Not a URL at all.
    #[error("not a URL: {0}")]
    NotAUrl(url::ParseError),
    /// White space or control characters, which a URL parser would drop silently.
    #[error("not a URL: it contains white space or control characters")]
    Space,
    /// A scheme other than `http` and `https`.
    #[error("the scheme is neither http nor https")]
    Scheme,
    /// No host name.
    #[error("there is no host name")]
    NoHost,
    /// `http://user:password@...`
    #[error("it contains a user name or password")]
    UserInfo,
    /// Port 0 cannot be connected to.
    #[error("port 0 cannot be connected to")]
    PortZero,
    /// More than scheme, host and port, where only these are meant.
    #[error("it has a path, query or fragment; an origin ends after the host name and port")]
    NotOnlyOrigin,
}

impl Origin {
    /// The scheme.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Is it `https`?
    pub fn is_https(&self) -> bool {
        self.scheme == Scheme::Https
    }

    /// The host, normalised.
    pub fn host(&self) -> &Host<String> {
        &self.host
    }

    /// The port, the scheme's default filled in.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Does the host name mean this machine: a loopback address, or `localhost` (RFC 6761 section 6.3)?
    pub fn is_loopback(&self) -> bool {
        match &self.host {
            Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.to_canonical().is_loopback(),
        }
    }

    /// The origin of a whole URL such as `http://app.example.org/contacts/%s`.
    ///
    /// # Errors
    ///
    /// See [`OriginError`]; a path, query or fragment is no error here.
    pub fn of_url(text: &str) -> Result<Self, OriginError> {
        Self::of_parsed(&parse_url(text)?)
    }

    /// The origin of a request's absolute URI.
    ///
    /// `None` when the URI is relative, has another scheme, a user name, or an authority that two parsers might read
    /// differently. Such a request is best refused.
    pub fn of_uri(uri: &http::Uri) -> Option<Self> {
        let scheme = Scheme::parse(uri.scheme_str()?)?;
        let authority = uri.authority()?;
        let (host, port) = (authority.host(), authority.port_u16());
        // What `http` could not make sense of (a port over 65535, `host:`) it drops in silence, and a percent sign
        // is decoded by `url` and not by resolvers: take only what reads the same in both.
        let read = port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        if read != authority.as_str() || host.contains('%') || port == Some(0) {
            return None;
        }
        let host = Host::parse(host).ok()?;
        Some(Self { scheme, host, port: port.unwrap_or(scheme.default_port()) })
    }

    fn of_parsed(url: &Url) -> Result<Self, OriginError> {
        let scheme = Scheme::parse(url.scheme()).ok_or(OriginError::Scheme)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(OriginError::UserInfo);
        }
        let host = url.host().ok_or(OriginError::NoHost)?.to_owned();
        match url.port().unwrap_or(scheme.default_port()) {
            0 => Err(OriginError::PortZero),
            port => Ok(Self { scheme, host, port }),
        }
    }
}

fn parse_url(text: &str) -> Result<Url, OriginError> {
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(OriginError::Space);
    }
    Url::parse(text).map_err(OriginError::NotAUrl)
}

impl FromStr for Origin {
    type Err = OriginError;

    /// Reads an origin as an operator writes it. One slash after the host name is let pass.
    fn from_str(text: &str) -> Result<Self, OriginError> {
        let url = parse_url(text)?;
        let origin = Self::of_parsed(&url)?;
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(OriginError::NotOnlyOrigin);
        }
        Ok(origin)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.host)?;
        if self.port != self.scheme.default_port() {
            write!(f, ":{}", self.port)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn origins_are_normalised() {
        for (written, normal) in [
            ("http://x", "http://x"),
            ("http://x:80", "http://x"),
            ("https://x:443/", "https://x"),
            ("https://x:80", "https://x:80"),
            ("HTTPS://App.Example.ORG:8443", "https://app.example.org:8443"),
            ("https://bücher.example", "https://xn--bcher-kva.example"),
            ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
            ("http://0x7f.1", "http://127.0.0.1"),
            ("http://[::1]:80", "http://[::1]"),
            ("http://[0:0:0:0:0:0:0:1]:81", "http://[::1]:81"),
        ] {
            let origin: Origin = written.parse().expect(written);
            assert_eq!(origin.to_string(), normal, "{written}");
            assert_eq!(origin.to_string().parse::<Origin>(), Ok(origin), "{written}: the normal form reads back");
        }
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for (written, expected) in [
            ("ftp://x", OriginError::Scheme),
            ("file:///x", OriginError::Scheme),
            ("http://user:pw@x", OriginError::UserInfo),
            ("http://x:0", OriginError::PortZero),
            ("http://x/contacts", OriginError::NotOnlyOrigin),
            ("http://x?a", OriginError::NotOnlyOrigin),
            ("http://x#a", OriginError::NotOnlyOrigin),
            (" http://x", OriginError::Space),
            ("http://x\n", OriginError::Space),
            ("app.example.org", OriginError::NotAUrl(url::ParseError::RelativeUrlWithoutBase)),
            ("http://", OriginError::NotAUrl(url::ParseError::EmptyHost)),
        ] {
            assert_eq!(written.parse::<Origin>(), Err(expected), "{written}");
        }
    }

    #[test]
    fn a_url_has_the_origin_of_its_host() {
        for (url, origin) in [
            ("http://app.example.org/contacts/%s", "http://app.example.org"),
            ("https://app.example.org:8443/c?user=%s&x=%2F#f", "https://app.example.org:8443"),
        ] {
            assert_eq!(Origin::of_url(url).expect(url).to_string(), origin);
        }
        assert!(Origin::of_url("http://%s.example.org/").is_err(), "the user cannot choose the host");
    }

    #[test]
    fn a_uri_and_the_written_origin_agree() {
        for (uri, origin) in [
            ("http://app.example.org/contacts/john", Some("http://app.example.org")),
            ("http://APP.example.org:80/", Some("http://app.example.org")),
            ("https://app.example.org:8443", Some("https://app.example.org:8443")),
            ("http://[::1]:8000/x", Some("http://[::1]:8000")),
            ("http://2130706433/", Some("http://127.0.0.1")),
            ("/contacts/john", None),
            ("ws://app.example.org/", None),
            ("http://app.example.org@evil.example/", None),
            ("http://app.example.org:99999/", None),
            ("http://app.example.org:/", None),
            ("http://app.example.org:0/", None),
        ] {
            // Some of these `http` refuses itself, which is as good.
            let found = uri.parse::<http::Uri>().ok().and_then(|uri| Origin::of_uri(&uri));
            assert_eq!(found.map(|origin| origin.to_string()).as_deref(), origin, "{uri}");
        }
    }

    #[test]
    fn loopback_is_recognised() {
        for (origin, expected) in [
            ("http://localhost:8000", true),
            ("http://app.localhost", true),
            ("http://127.0.0.2", true),
            ("http://[::1]", true),
            ("http://[::ffff:127.0.0.1]", true),
            ("http://localhost.example.org", false),
            ("http://10.0.0.1", false),
        ] {
            assert_eq!(origin.parse::<Origin>().unwrap().is_loopback(), expected, "{origin}");
        }
    }
}
