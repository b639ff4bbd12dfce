//! Any template and any user, with a zero byte between them: the URL is the template with the user percent-encoded, and to
//! whoever reads URLs by the rules no user changes the server, the number of segments, or what is path and what is query.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;
use xmpp_roster_plugin::url::{UrlTemplate, UserError};

use crate::halves;

/// RFC 3986's unreserved characters stay.
const RESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

pub(crate) fn target(data: &[u8]) {
    let (template, user) = halves(data);
    let (Ok(text), Ok(user)) = (str::from_utf8(template), str::from_utf8(user)) else { return };
    let Ok(template) = UrlTemplate::parse(text) else { return };
    assert_eq!((template.source(), template.to_string().as_str()), (text, text));
    assert_eq!(UrlTemplate::parse(&template.to_string()).as_ref(), Ok(&template));
    // In no template: it has a character that ends it.
    const MARK: &str = "Q7mark";
    if text.contains(MARK) {
        return;
    }
    let marked = template.path_with_query(MARK).expect("a good user");
    let read = |target: &str| Url::parse(&format!("{}://{}{target}", template.scheme().as_str(), template.authority()));
    match template.path_with_query(user) {
        Err(UserError::Empty) => assert!(user.is_empty()),
        Err(UserError::DotSegment(named)) => assert_eq!(named, user),
        Ok(target) => {
            assert_eq!(target, marked.replace(MARK, &utf8_percent_encode(user, &RESERVED).to_string()));
            assert!(target.starts_with('/') && target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'));
            let (Ok(url), Ok(plain)) = (read(&target), read(&marked)) else { return };
            assert_eq!((url.scheme(), url.host(), url.port()), (plain.scheme(), plain.host(), plain.port()));
            assert_eq!(url.query().is_some(), plain.query().is_some(), "{target}");
            let path = |target: &str| target.split('?').next().unwrap_or_default().to_owned();
            // A template may lead up by itself; no user may.
            if plain.path() == path(&marked) {
                assert_eq!(url.path(), path(&target));
            }
            let segments = |url: &Url| url.path_segments().map(Iterator::count);
            assert_eq!(segments(&url), segments(&plain), "{target}");
        }
    }
}
