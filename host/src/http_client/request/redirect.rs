//! Where a redirect leads.

use http::header::LOCATION;
use http::{Response, StatusCode, Uri};
use url::Url;

/// What a response says about going elsewhere.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::http_client) enum Redirect {
    /// Nothing: this is the answer.
    None,
    /// There.
    To(Uri),
    /// To something that is no web page: its scheme.
    Elsewhere(String),
    /// `Location` makes no sense.
    Unreadable,
}

/// Reads the redirect in `response` to a request for `uri` (RFC 9110 section 15.4).
///
/// 300 and 304 are answers and not redirects. A user name in `Location` is left out: credentials come from the
/// operator.
pub(in crate::http_client) fn of<B>(response: &Response<B>, uri: &Uri) -> Redirect {
    if !matches!(
        response.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    ) {
        return Redirect::None;
    }
    match response.headers().get(LOCATION) {
        Some(location) => std::str::from_utf8(location.as_bytes()).map_or(Redirect::Unreadable, |to| follow(uri, to)),
        None => Redirect::None,
    }
}

fn follow(from: &Uri, to: &str) -> Redirect {
    let Ok(mut url) = Url::parse(&from.to_string()).and_then(|base| base.join(to)) else {
        return Redirect::Unreadable;
    };
    if !matches!(url.scheme(), "http" | "https") {
        return Redirect::Elsewhere(url.scheme().to_owned());
    }
    url.set_fragment(None);
    if url.set_username("").is_err() || url.set_password(None).is_err() {
        return Redirect::Unreadable;
    }
    url.as_str().parse().map_or(Redirect::Unreadable, Redirect::To)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn redirects_are_read_as_browsers_read_them() {
        let to = |text: &str| Redirect::To(text.parse().unwrap());
        for (status, location, expected) in [
            (301, "/other", to("http://a:81/other")),
            (302, "other?x=%20y", to("http://a:81/p/other?x=%20y")),
            (303, "//b/x", to("http://b/x")),
            (307, "https://b:444/#there", to("https://b:444/")),
            (308, "http://me:pw@b/", to("http://b/")),
            (302, "http://0x7f.1/", to("http://127.0.0.1/")),
            (302, "javascript:alert(1)", Redirect::Elsewhere("javascript".to_owned())),
            (302, "http://", Redirect::Unreadable),
            (200, "/other", Redirect::None),
            (300, "/other", Redirect::None),
            (304, "/other", Redirect::None),
        ] {
            let response = Response::builder().status(status).header(LOCATION, location).body(()).unwrap();
            assert_eq!(of(&response, &"http://a:81/p/q".parse().unwrap()), expected, "{status} {location}");
        }
    }

    #[test]
    fn a_redirect_without_location_is_the_answer() {
        let response = Response::builder().status(302).body(()).unwrap();
        assert_eq!(of(&response, &"http://a/".parse().unwrap()), Redirect::None);
    }
}
