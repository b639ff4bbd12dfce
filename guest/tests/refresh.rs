//! What one exchange with the application means: status, `ETag`, digest, and the changes that come of it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use http_roster_admin::diff::Change;
use http_roster_admin::packed::{Packed, PackedBuf};
use http_roster_admin::protocol::{Answer, Exchange, FetchError, MAX_BODY, Refreshed, Response};
use http_roster_admin::settings::Settings;

const BODY: &str = r#"{"marie@example.com": {"name": "Marie"}, "aaron@example.com": {"groups": ["A", "B"]}}"#;

fn settings() -> Settings {
    Settings::new(Some("http://app/contacts/%s"), Some("example.com")).unwrap()
}

fn ok<'b>(body: &'b str, etag: Option<&'b str>) -> Response<'b> {
    Response { status: 200, etag: etag.map(str::as_bytes), body: body.as_bytes() }
}

/// What the host holds after a first fetch.
struct Known {
    packed: PackedBuf,
    tag: Vec<u8>,
}

fn fetched(body: &str, etag: Option<&str>) -> Known {
    let settings = settings();
    let roster = Exchange::first(&settings, "john").unwrap().roster(&ok(body, etag)).unwrap();
    Known { packed: PackedBuf::pack(&roster.contacts).unwrap(), tag: roster.tag }
}

fn not_read<'k>() -> Packed<'k> {
    panic!("the host's roster was read without need")
}

/// The changes in short: `+jid`, `-jid`.
fn changes(refreshed: Refreshed<'_>) -> Vec<String> {
    let Refreshed::Changed { changes, .. } = refreshed else { panic!("unchanged") };
    let short = |change| match change {
        Change::Put(contact) => format!("+{}", contact.jid),
        Change::Remove(jid) => format!("-{jid}"),
    };
    changes.into_iter().map(short).collect()
}

#[test]
fn a_request_has_the_references_headers() {
    let settings = settings();
    let header = |exchange: &Exchange<'_>| -> Vec<_> {
        exchange.headers().map(|(name, value)| format!("{name}: {}", value.escape_ascii())).collect()
    };
    let plain = [
        "accept: application/json, text/plain, */*",
        concat!("user-agent: http-roster-admin/", env!("CARGO_PKG_VERSION")),
    ];
    assert_eq!(header(&Exchange::first(&settings, "john").unwrap()), plain);
    let tag = fetched(BODY, Some("W/\"1\"")).tag;
    let again = header(&Exchange::again(&settings, "john", Some(&tag)).unwrap());
    assert_eq!(again, [plain[0], plain[1], "if-none-match: W/\\\"1\\\""]);
}

#[test]
fn a_tag_that_means_nothing_is_left_aside() {
    let (settings, tag) = (settings(), fetched(BODY, Some("\"1\"")).tag);
    let other = Settings::new(Some("http://other/%s"), Some("example.com")).unwrap();
    for (settings, user, tag) in [
        (&settings, "marie", &tag[..]),
        (&other, "john", &tag),
        (&settings, "john", b"rubbish"),
        (&settings, "john", b""),
    ] {
        let exchange = Exchange::again(settings, user, Some(tag)).unwrap();
        assert_eq!(exchange.if_none_match(), None);
        assert_eq!(
            exchange.refreshed(&Response { status: 304, etag: None, body: b"" }, not_read),
            Err(FetchError::Status(304))
        );
    }
}

#[test]
fn only_200_is_a_success() {
    let settings = settings();
    for status in [100, 201, 204, 206, 301, 302, 304, 400, 401, 404, 500, 503] {
        let response = Response { status, etag: None, body: BODY.as_bytes() };
        let known = fetched(BODY, None);
        let first = Exchange::first(&settings, "john").unwrap().roster(&response);
        assert_eq!(first.unwrap_err(), FetchError::Status(status));
        let again = Exchange::again(&settings, "john", Some(&known.tag)).unwrap();
        assert_eq!(again.refreshed(&response, not_read), Err(FetchError::Status(status)));
    }
}

#[test]
fn an_answer_over_the_limit_is_refused() {
    let settings = settings();
    let exchange = Exchange::first(&settings, "john").unwrap();
    let mut body = format!("{{}}{}", " ".repeat(MAX_BODY - 2));
    assert!(exchange.roster(&ok(&body, None)).unwrap().contacts.is_empty());
    body.push(' ');
    assert_eq!(exchange.roster(&ok(&body, None)), Err(FetchError::TooLarge));
}

#[test]
fn a_malformed_answer_is_an_error_and_not_an_empty_roster() {
    let settings = settings();
    let known = fetched(BODY, None);
    let exchange = Exchange::again(&settings, "john", Some(&known.tag)).unwrap();
    for body in ["", "null", "\"a\"", "17", "[1]", "<html></html>", "{\"a@b\": {}"] {
        let error = exchange.refreshed(&ok(body, None), || known.packed.as_packed()).unwrap_err();
        assert!(matches!(&error, FetchError::Malformed(_)), "{body}: {error}");
    }
}

#[test]
fn an_unchanged_answer_is_recognised_without_reading_it() {
    let settings = settings();
    for (etag, response) in [
        (Some("\"1\""), Response { status: 304, etag: Some(b"\"1\""), body: b"" }),
        (Some("\"1\""), ok(BODY, Some("\"1\""))),
        (None, ok(BODY, None)),
        (Some("not an etag"), ok(BODY, Some("nor this"))),
    ] {
        let known = fetched(BODY, etag);
        let exchange = Exchange::again(&settings, "john", Some(&known.tag)).unwrap();
        assert_eq!(exchange.refreshed(&response, not_read).unwrap(), Refreshed::Unchanged);
    }
}

#[test]
fn a_new_etag_on_the_same_body_only_makes_a_new_tag() {
    let settings = settings();
    let known = fetched(BODY, Some("\"1\""));
    for etag in [Some("\"2\""), None] {
        let exchange = Exchange::again(&settings, "john", Some(&known.tag)).unwrap();
        let refreshed = exchange.refreshed(&ok(BODY, etag), not_read).unwrap();
        let Refreshed::Changed { changes, tag, warnings } = refreshed else { panic!("the tag was not renewed") };
        assert!(changes.is_empty() && warnings.is_empty());
        let next = Exchange::again(&settings, "john", Some(&tag)).unwrap();
        assert_eq!(next.if_none_match(), etag.map(str::as_bytes));
        assert_eq!(next.refreshed(&ok(BODY, etag), not_read).unwrap(), Refreshed::Unchanged);
    }
}

#[test]
fn another_spelling_of_the_same_roster_makes_no_changes() {
    let settings = settings();
    let known = fetched(BODY, None);
    let other =
        r#"{ "aaron@example.com/x": {"groups": {"B": 1, "A": 1}, "id": 5}, "Marie@example.com":{"name":"M\u0061rie"}}"#;
    let exchange = Exchange::again(&settings, "john", Some(&known.tag)).unwrap();
    assert!(changes(exchange.refreshed(&ok(other, None), || known.packed.as_packed()).unwrap()).is_empty());
}

#[test]
fn every_difference_is_one_change() {
    let settings = settings();
    let marie = r#""marie@example.com": {"name": "Marie"}"#;
    let aaron = r#""aaron@example.com": {"groups": ["A", "B"]}"#;
    for (contacts, expected) in [
        (format!("{marie}, {aaron}, \"new@b\": {{}}"), &["+new@b"][..]),
        (format!("\"new@b\": {{}}, {marie}, {aaron}"), &["+new@b"]),
        (format!("{marie}, \"new@b\": {{}}, {aaron}"), &["+new@b"]),
        (marie.to_owned(), &["-aaron@example.com"]),
        (aaron.to_owned(), &["-marie@example.com"]),
        (String::new(), &["-marie@example.com", "-aaron@example.com"]),
        (format!("{aaron}, {marie}"), &[]),
        (format!("{aaron}, \"marie@example.com\": {{\"name\": \"M\"}}"), &["+marie@example.com"]),
        (format!("{aaron}, \"marie@example.com\": {{}}"), &["+marie@example.com"]),
        (format!("{aaron}, \"marie@example.com\": {{\"name\": \"\"}}"), &["+marie@example.com"]),
        (format!("{marie}, \"aaron@example.com\": {{\"groups\": [\"A\"]}}"), &["+aaron@example.com"]),
        (format!("{marie}, \"aaron@example.com\": {{\"groups\": [\"A\", \"C\"]}}"), &["+aaron@example.com"]),
        (format!("{marie}, \"aaron@example.com\": {{\"groups\": [\"AB\"]}}"), &["+aaron@example.com"]),
        (
            format!("{aaron}, \"marie@example.com\": {{\"name\": \"Marie\", \"subscription\": \"to\"}}"),
            &["+marie@example.com"],
        ),
        (
            format!("{aaron}, \"marie@example.com\": {{\"name\": \"Marie\", \"ask\": \"subscribe\"}}"),
            &["+marie@example.com"],
        ),
        (
            "\"new@b\": {}, \"newer@b\": {}".to_owned(),
            &["+new@b", "+newer@b", "-marie@example.com", "-aaron@example.com"],
        ),
        (format!("{marie}, {aaron}, \"Marie@example.com\": {{}}"), &["+marie@example.com"]),
        (format!("{marie}, {aaron}, {marie}"), &[]),
        (format!("{marie}, {aaron}, \"n@b\": {{}}, \"N@b\": {{}}"), &["+n@b"]),
        // Left out is gone: the roster is what the application says, less what cannot be.
        (format!("{marie}, \"aaron@example.com\": 7"), &["-aaron@example.com"]),
    ] {
        let known = fetched(BODY, None);
        let exchange = Exchange::again(&settings, "john", Some(&known.tag)).unwrap();
        let body = format!("{{{contacts}}}");
        let refreshed = exchange.refreshed(&ok(&body, None), || known.packed.as_packed()).unwrap();
        assert_eq!(changes(refreshed), expected, "{contacts}");
    }
}

#[test]
fn a_user_without_an_address_is_an_error_that_names_the_setting() {
    let settings = settings();
    let error = Exchange::first(&settings, "..").unwrap_err();
    assert!(matches!(&error, FetchError::Misconfigured(text) if text.contains("http_roster_url")), "{error}");
}

#[test]
fn an_unreadable_roster_of_the_host_is_an_error() {
    let settings = settings();
    let exchange = Exchange::first(&settings, "john").unwrap();
    let error = exchange.refreshed(&ok(BODY, None), || Packed::new("", &[1])).unwrap_err();
    assert!(error.to_string().contains("unreadable"), "{error}");
}

/// An answer whose headers nobody may look at.
struct WithoutHeaders;

impl<'b> Answer<'b> for WithoutHeaders {
    fn status(&self) -> u16 {
        200
    }

    fn body(&self) -> &'b [u8] {
        BODY.as_bytes()
    }

    fn etag(&self) -> Option<&'b [u8]> {
        panic!("the ETag was asked for")
    }
}

#[test]
fn where_no_etag_was_sent_before_the_same_body_is_enough() {
    let (settings, known) = (settings(), fetched(BODY, None));
    let exchange = Exchange::again(&settings, "john", Some(&known.tag)).unwrap();
    assert_eq!(exchange.refreshed(&WithoutHeaders, not_read).unwrap(), Refreshed::Unchanged);
    // One that is sent from now on is noticed with the next change.
    let refreshed = exchange.refreshed(&ok("{}", Some("\"1\"")), || known.packed.as_packed()).unwrap();
    let Refreshed::Changed { tag, .. } = refreshed else { panic!("{refreshed:?}") };
    let next = Exchange::again(&settings, "john", Some(&tag)).unwrap();
    assert_eq!(next.if_none_match(), Some(&b"\"1\""[..]));
}
