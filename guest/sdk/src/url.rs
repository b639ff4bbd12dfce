//! URLs: one with `%s` where the username goes, as operators write it in a setting ([`UrlTemplate`]), and what of a text can
//! stand in one ([`encode`]).
//!
//! A template is parsed once, so that a mistake shows when the host starts and not when the first user connects.
//!
//! - Every `%s` in the path or the query becomes the percent-encoded username.
//! - `%%` becomes one `%`. Every other `%` stays as it is: `%20` is an escape of the URL, and what a lone `%` means
//!   is between the operator and the application.
//! - All but RFC 3986's unreserved characters (letters, digits and `-._~`) of a username are encoded, so no username
//!   can add a path segment, a query or a fragment: the user `a#b` is `a%23b`.
//! - A username that would make a path segment `.` or `..` is refused ([`UserError`]): `..` itself, and `e` where the template
//!   has `%2` before it. There is no spelling of it that servers leave alone: `%2E%2E` is a dot segment too once decoded
//!   (RFC 3986 section 6.2.2.2). Dot segments that the template has by itself are the operator's.
//! - A fragment is an error: it is never sent (RFC 9110 section 4.2.5), so whoever writes one expects something that
//!   will not happen. So are credentials before the host: they belong to the host's configuration.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};

/// All but RFC 3986's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Why a URL cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// There is nothing.
    #[error("is empty; expected a URL such as http://localhost:8000/contacts/%s")]
    Empty,
    /// Not `http://` or `https://`.
    #[error("does not begin with http:// or https://")]
    Scheme,
    /// Nothing to put the username into.
    #[error("has no %s to put the username into")]
    NoPlaceholder,
    /// The username would choose the server.
    #[error("has a %s in the host; only the path and the query may depend on the user")]
    PlaceholderInAuthority,
    /// No host.
    #[error("has no host")]
    NoHost,
    /// The host is not a name or an address.
    #[error("has a host that is not a name or an IP address")]
    Host,
    /// The port is not a number from 1 to 65535.
    #[error("has a port that is not a number from 1 to 65535")]
    Port,
    /// `user:password@host`
    #[error("has credentials in it; give them to the host, which adds them to the request")]
    Credentials,
    /// A `%s` where there is no user.
    #[error("has a %s in it; this URL is asked for many users at once")]
    Placeholder,
    /// `#…`
    #[error("has a fragment (#), which is never sent")]
    Fragment,
    /// A space, a control character, a character beyond ASCII or one of `"<>\^`{}`.
    #[error("has the character {0:?} in it; percent-encode it")]
    Character(char),
}

/// Why there is no URL for a user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    /// No username.
    #[error("a username is missing")]
    Empty,
    /// A path segment would be `.` or `..`.
    #[error("the username {0:?} would make a dot segment of the URL's path, which servers resolve")]
    DotSegment(String),
}

/// `http` or `https`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Plain.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// As in a URL.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// A URL with `%s` for the username. See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlTemplate {
    source: String,
    scheme: Scheme,
    authority: String,
    /// The path and the query, cut at every `%s`: a username goes between each two.
    pieces: Vec<String>,
    /// Dot segments of the path that are there whoever the user is.
    dot_segments: usize,
}

/// The longest username that can make a dot segment of what the template has around it: `2e.` behind a `%`.
const LONGEST_DOTS: usize = 3;
/// Nobody's name, which makes no dot segment.
const HARMLESS: &str = "user";

impl UrlTemplate {
    /// Parses a URL template.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let url = Self::parse_any(text)?;
        if url.pieces.len() < 2 { Err(UrlError::NoPlaceholder) } else { Ok(url) }
    }

    fn parse_any(text: &str) -> Result<Self, UrlError> {
        if text.is_empty() {
            return Err(UrlError::Empty);
        }
        if let Some(c) = text.chars().find(|c| !c.is_ascii_graphic() || "\"<>\\^`{}".contains(*c)) {
            return Err(UrlError::Character(c));
        }
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        let scheme = if scheme.eq_ignore_ascii_case("http") {
            Scheme::Http
        } else if scheme.eq_ignore_ascii_case("https") {
            Scheme::Https
        } else {
            return Err(UrlError::Scheme);
        };
        let (authority, target) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        check_authority(authority)?;
        if target.contains('#') {
            return Err(UrlError::Fragment);
        }
        let pieces = pieces(target);
        let dot_segments = dot_segments(&pieces.join(HARMLESS));
        Ok(Self { source: text.to_owned(), scheme, authority: authority.to_owned(), pieces, dot_segments })
    }

    /// The text this was parsed from.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// `http` or `https`.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Host and port, the port only if it was written.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The URL for this user.
    ///
    /// # Errors
    /// See [`UserError`].
    pub fn url(&self, user: &str) -> Result<String, UserError> {
        let mut url = String::with_capacity(self.source.len() + self.pieces.len() * user.len() * 3);
        url.extend([self.scheme.as_str(), "://", &self.authority]);
        self.write_target(user, &mut url)?;
        Ok(url)
    }

    /// What stands behind the authority: the path and the query for this user.
    ///
    /// # Errors
    /// See [`UserError`].
    pub fn path_with_query(&self, user: &str) -> Result<String, UserError> {
        let mut target = String::with_capacity(self.source.len() + self.pieces.len() * user.len() * 3);
        self.write_target(user, &mut target)?;
        Ok(target)
    }

    fn write_target(&self, user: &str, target: &mut String) -> Result<(), UserError> {
        if user.is_empty() {
            return Err(UserError::Empty);
        }
        let start = target.len();
        for (at, piece) in self.pieces.iter().enumerate() {
            if at > 0 {
                target.extend(encode(user));
            }
            target.push_str(piece);
        }
        let is_short = user.len() <= LONGEST_DOTS;
        if is_short && target.get(start..).is_some_and(|target| dot_segments(target) > self.dot_segments) {
            return Err(UserError::DotSegment(user.to_owned()));
        }
        Ok(())
    }
}

/// The URL that `text` is, which depends on no user: as [`UrlTemplate::parse`] reads it, and without `%s`.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn fixed(text: &str) -> Result<String, UrlError> {
    let url = UrlTemplate::parse_any(text)?;
    match &url.pieces[..] {
        [target] => Ok([url.scheme.as_str(), "://", &url.authority, target].concat()),
        _ => Err(UrlError::Placeholder),
    }
}

impl fmt::Display for UrlTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

/// Cuts at `%s` and turns `%%` into `%`. The first piece begins with the slash that every request has.
fn pieces(target: &str) -> Vec<String> {
    let mut piece = String::from(if target.starts_with('/') { "" } else { "/" });
    let mut pieces = Vec::new();
    let mut rest = target;
    while let Some((before, after)) = rest.split_once('%') {
        piece.push_str(before);
        if let Some(after) = after.strip_prefix('s') {
            pieces.push(std::mem::take(&mut piece));
            rest = after;
        } else {
            piece.push('%');
            rest = after.strip_prefix('%').unwrap_or(after);
        }
    }
    piece.push_str(rest);
    pieces.push(piece);
    pieces
}

fn check_authority(authority: &str) -> Result<(), UrlError> {
    if authority.contains("%s") {
        return Err(UrlError::PlaceholderInAuthority);
    }
    if authority.contains('@') {
        return Err(UrlError::Credentials);
    }
    let (host, port) = if authority.starts_with('[') {
        let end = authority.find(']').ok_or(UrlError::Host)?;
        authority.split_at(end + 1)
    } else {
        authority.split_at(authority.find(':').unwrap_or(authority.len()))
    };
    if host.is_empty() {
        return Err(UrlError::NoHost);
    }
    let fine = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')),
    };
    if !fine {
        return Err(UrlError::Host);
    }
    match port.strip_prefix(':') {
        None if port.is_empty() => Ok(()),
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => match digits.parse::<u16>() {
            Ok(1..) => Ok(()),
            _ => Err(UrlError::Port),
        },
        _ => Err(UrlError::Port),
    }
}

/// The text as it can stand in a path segment or in a value of a query: all but RFC 3986's unreserved characters are
/// percent-encoded. A segment of dots alone stays one.
#[must_use]
pub fn encode(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, RESERVED)
}

/// How many segments of the path are `.` or `..`, in any spelling.
fn dot_segments(target: &str) -> usize {
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    let is_dots = |segment: &&str| {
        let segment = segment.replace("%2e", ".").replace("%2E", ".");
        segment == "." || segment == ".."
    };
    path.split('/').filter(is_dots).count()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn target(template: &str, user: &str) -> String {
        UrlTemplate::parse(template).unwrap().path_with_query(user).unwrap()
    }

    #[test]
    fn the_username_goes_where_the_percent_s_is() {
        for (template, user, expected) in [
            ("http://app.example.org/contacts/%s", "john", "/contacts/john"),
            ("http://app/%s/of/%s?u=%s", "john", "/john/of/john?u=john"),
            ("http://app?user=%s", "john", "/?user=john"),
            ("http://app/%%/%s", "john", "/%/john"),
            ("http://app/%%s/%s", "john", "/%s/john"),
            ("http://app/%%%s", "john", "/%john"),
            ("http://app/a%20b/%S/%s", "john", "/a%20b/%S/john"),
            ("http://app/%s/100%", "john", "/john/100%"),
            ("http://app/%s", "a#b", "/a%23b"),
            ("http://app/%s", "a/b?c=d&e%f", "/a%2Fb%3Fc%3Dd%26e%25f"),
            ("http://app/%s", "%s", "/%25s"),
            ("http://app/%s", "é", "/%C3%A9"),
            ("http://app/%s", "-._~aZ09", "/-._~aZ09"),
            ("http://app/%s", "...", "/..."),
            ("http://app/u-%s", "..", "/u-.."),
            ("http://app/x?u=%s", "..", "/x?u=.."),
            ("http://app/../%s/.", "bob", "/../bob/."),
            ("http://app/%2%s", "f", "/%2f"),
            ("http://app/x?u=%2%s", "e", "/x?u=%2e"),
        ] {
            assert_eq!(target(template, user), expected, "{template} {user}");
        }
    }

    #[test]
    fn the_url_of_a_user_is_absolute() {
        for (template, user, expected) in [
            ("HTTPS://app:8443/a?u=%s", "é", "https://app:8443/a?u=%C3%A9"),
            ("http://[::1]?%s", "john", "http://[::1]/?john"),
        ] {
            assert_eq!(UrlTemplate::parse(template).unwrap().url(user).unwrap(), expected);
        }
        assert_eq!(UrlTemplate::parse("http://app/%s").unwrap().url(".."), Err(UserError::DotSegment("..".to_owned())));
    }

    #[test]
    fn a_username_cannot_climb_in_the_path() {
        for (template, user) in [
            ("http://app/contacts/%s", ".."),
            ("http://app/%s/contacts", "."),
            ("http://app/.%s", "."),
            ("http://app/%2E%s/x", "."),
            ("http://app/../%s", ".."),
            ("http://app/c/%2%s", "e"),
            ("http://app/c/.%2%s", "E"),
            ("http://app/c/%%%s", "2e"),
            ("http://app/c/%%%s/x", "2e."),
        ] {
            let template = UrlTemplate::parse(template).unwrap();
            assert_eq!(template.path_with_query(user), Err(UserError::DotSegment(user.to_owned())));
        }
        assert_eq!(UrlTemplate::parse("http://app/%s").unwrap().path_with_query(""), Err(UserError::Empty));
    }

    #[test]
    fn scheme_and_authority_are_kept() {
        for (template, scheme, authority) in [
            ("http://app.example.org/%s", Scheme::Http, "app.example.org"),
            ("HTTPS://app:8443/%s", Scheme::Https, "app:8443"),
            ("http://[::1]:8000/%s", Scheme::Http, "[::1]:8000"),
            ("http://my_app/%s", Scheme::Http, "my_app"),
        ] {
            let template = UrlTemplate::parse(template).unwrap();
            assert_eq!((template.scheme(), template.authority()), (scheme, authority));
        }
    }

    #[test]
    fn a_url_that_cannot_work_says_why() {
        for (template, error) in [
            ("", UrlError::Empty),
            ("app/%s", UrlError::Scheme),
            ("ftp://app/%s", UrlError::Scheme),
            ("file:///%s", UrlError::Scheme),
            ("http://app/contacts", UrlError::NoPlaceholder),
            ("http://app/%%s", UrlError::NoPlaceholder),
            ("http://%s.app/%s", UrlError::PlaceholderInAuthority),
            ("http:///%s", UrlError::NoHost),
            ("http://:80/%s", UrlError::NoHost),
            ("http://?%s", UrlError::NoHost),
            ("http://a,b/%s", UrlError::Host),
            ("http://[::1/%s", UrlError::Host),
            ("http://[::x]/%s", UrlError::Host),
            ("http://[::1]x/%s", UrlError::Port),
            ("http://app:/%s", UrlError::Port),
            ("http://app:0/%s", UrlError::Port),
            ("http://app:65536/%s", UrlError::Port),
            ("http://app:+80/%s", UrlError::Port),
            ("http://me:secret@app/%s", UrlError::Credentials),
            ("http://app/%s#top", UrlError::Fragment),
            ("http://app#%s", UrlError::Fragment),
            ("http://app/ %s", UrlError::Character(' ')),
            ("http://app/%s\n", UrlError::Character('\n')),
            ("http://app/é/%s", UrlError::Character('é')),
            ("http://app\\x/%s", UrlError::Character('\\')),
        ] {
            assert_eq!(UrlTemplate::parse(template), Err(error), "{template}");
        }
    }
}
