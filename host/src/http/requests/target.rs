//! The path of a request in its normal form, so that one route has one spelling (RFC 3986 section 6.2.2).
//!
//! Applications put together a base URL and a path, and libraries escape more than they have to. So slashes in a row
//! are one, an escaped character that needs no escape is that character, and `.` is nowhere. An escaped slash stays
//! escaped: it is part of a name. `..` is refused and not followed: what is before us (a proxy that lets some paths
//! through) may have read it otherwise.

use http::Uri;
use http::uri::PathAndQuery;

use super::fault::Fault;

/// `uri` with its path in the normal form; `None` if it is already.
pub(super) fn normal(uri: &Uri) -> Result<Option<Uri>, Fault> {
    let path = uri.path();
    // `*`, and what CONNECT asks for, are no paths.
    if !path.starts_with('/') || !(path.contains('%') || path.contains("//") || path.contains("/.")) {
        return Ok(None);
    }
    let mut target = without_detours(&unescaped(path)?)?;
    if let Some(query) = uri.query() {
        target.push('?');
        target.push_str(query);
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(target.parse::<PathAndQuery>().map_err(|_| Fault::Escape)?);
    Uri::from_parts(parts).map(Some).map_err(|_| Fault::Escape)
}

/// `path` without the escapes that it does not need.
fn unescaped(path: &str) -> Result<String, Fault> {
    let mut text = String::with_capacity(path.len());
    let mut pieces = path.split('%');
    text.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2).ok_or(Fault::Escape)?;
        // `from_str_radix` would take a sign, too.
        let byte = digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| u8::from_str_radix(digits, 16));
        let byte = byte.and_then(Result::ok).ok_or(Fault::Escape)?;
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push('%');
            text.push_str(digits);
        }
        text.push_str(rest);
    }
    Ok(text)
}

fn without_detours(path: &str) -> Result<String, Fault> {
    let mut normal = String::with_capacity(path.len());
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => return Err(Fault::Parent),
            segment => {
                normal.push('/');
                normal.push_str(segment);
            }
        }
    }
    if normal.is_empty() || path.ends_with('/') || path.ends_with("/.") {
        normal.push('/');
    }
    Ok(normal)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_path_has_one_spelling() {
        for (given, expected) in [
            ("/roster_admin/refresh", "/roster_admin/refresh"),
            ("//roster_admin/refresh", "/roster_admin/refresh"),
            ("/roster_admin///refresh?a=%72//b", "/roster_admin/refresh?a=%72//b"),
            ("/roster_admin/%72efresh", "/roster_admin/refresh"),
            ("/%72%6f%73%74%65%72%5Fadmin/refresh", "/roster_admin/refresh"),
            ("/roster_admin/./refresh", "/roster_admin/refresh"),
            ("/roster_admin/%2E/refresh", "/roster_admin/refresh"),
            ("/roster_admin/refresh/", "/roster_admin/refresh/"),
            ("/roster_admin/refresh/.", "/roster_admin/refresh/"),
            ("/roster_admin/refresh/a.b..c", "/roster_admin/refresh/a.b..c"),
            ("/roster_admin/refresh/...", "/roster_admin/refresh/..."),
            ("/roster_admin%2Frefresh", "/roster_admin%2Frefresh"),
            ("/roster_admin/refresh/a%2fb%23", "/roster_admin/refresh/a%2fb%23"),
            ("/roster_admin/refresh/%2541", "/roster_admin/refresh/%2541"),
            ("/roster_admin/refresh/%C3%BC", "/roster_admin/refresh/%C3%BC"),
            ("//", "/"),
            ("*", "*"),
            ("http://a.example//x/%7e?y", "http://a.example/x/~?y"),
        ] {
            let uri: Uri = given.parse().unwrap();
            let normal = normal(&uri).unwrap().unwrap_or(uri);
            assert_eq!(normal, expected.parse::<Uri>().unwrap(), "{given}");
            let again = super::normal(&normal).unwrap().unwrap_or_else(|| normal.clone());
            assert_eq!(again, normal, "{given}: a normal form stays as it is");
        }
    }

    #[test]
    fn a_path_that_leads_elsewhere_or_cannot_be_read_is_refused() {
        for (given, expected) in [
            ("/healthz/../metrics", Fault::Parent),
            ("/..", Fault::Parent),
            ("/healthz/%2e%2E/metrics", Fault::Parent),
            ("/healthz/.%2e", Fault::Parent),
            ("/a%", Fault::Escape),
            ("/a%4", Fault::Escape),
            ("/%%37%32", Fault::Escape),
            ("/%zz/..", Fault::Escape),
            ("/%+1", Fault::Escape),
        ] {
            assert_eq!(normal(&given.parse().unwrap()), Err(expected), "{given}");
        }
    }
}
