//! Pages for people: files that are part of the program. A browser is told to load nothing else, from nowhere else.

use axum::body::Body;
use axum::response::Response;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};

/// One file of a page.
pub(crate) struct PageFile {
    /// Its name, without a folder.
    pub(crate) name: &'static str,
    /// What is in it.
    pub(crate) content: &'static [u8],
}

/// What the pages have in common.
const SHARED: [PageFile; 3] = [
    PageFile { name: "look.css", content: include_bytes!("page/look.css") },
    PageFile { name: "el.js", content: include_bytes!("page/el.js") },
    PageFile { name: "icon.svg", content: include_bytes!("page/icon.svg") },
];

/// What may be done with a page, beside what `connect` allows it to connect to.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'; connect-src 'self'";

const OPENER: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// The file `name`, if it is one of `files` or of those that all pages have. `connect`: where the page may connect to beside where it comes from, such as
/// ` ws://127.0.0.1:5280`.
pub(crate) fn answer(files: &[PageFile], name: &str, connect: &str) -> Option<Response> {
    let file = files.iter().chain(&SHARED).find(|file| file.name == name)?;
    let mut response = Response::new(Body::from(file.content));
    let policy = HeaderValue::try_from(format!("{POLICY}{connect}")).ok()?;
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind(file.name)));
    for (name, value) in [
        // Another version of the program has other files under the same names.
        (CACHE_CONTROL, "no-cache"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (OPENER, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Some(response)
}

fn kind(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    }
}
