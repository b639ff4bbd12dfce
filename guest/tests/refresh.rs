//! What a response of the application means: status, `ETag`, and the changes that come of it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use http_roster_admin::changes::diff::Change;
use http_roster_admin::protocol::{Fetch, FetchError, MAX_BODY, Refreshed, Response};
use http_roster_admin::roster::packed::{Packed, pack};
use http_roster_admin::settings::Settings;
use xmpp_roster_plugin::{self as plugin, PackedContacts};

const BODY: &str = r#"{"marie@example.com": {"name": "Marie"}, "aaron@example.com": {"groups": ["A", "B"]}}"#;

fn settings() -> Settings {
    Settings::read(&plugin::Settings::of([("http_roster_url", "http://app/contacts/%s")])).unwrap()
}

fn ok<'b>(body: &'b str, etag: Option<&'b str>) -> Response<'b> {
    Response { status: 200, etag, body: body.as_bytes() }
}

/// What the host holds after a first fetch.
struct Known {
    packed: PackedContacts,
    tag: Vec<u8>,
}

fn fetched(body: &str, etag: Option<&str>) -> Known {
    let settings = settings();
    let roster = Fetch::new(&settings, "john", None).roster(&ok(body, etag)).unwrap();
    Known { packed: pack(&roster.contacts).unwrap(), tag: roster.tag }
}

fn not_read<'k>() -> Packed<'k> {
    panic!("the host's roster was read without need")
}

/// The changes in short: `+jid`, `-jid`.
fn changes(refreshed: Refreshed<'_>) -> Vec<String> {
    let Refreshed::Changed { changes, .. } = refreshed else { return Vec::new() };
    let short = |change| match change {
        Change::Put(contact) => format!("+{}", contact.jid),
        Change::Remove(jid) => format!("-{jid}"),
    };
    changes.into_iter().map(short).collect()
}

#[test]
fn a_request_has_the_references_headers() {
    let settings = settings();
    let header =
        |fetch: Fetch<'_>| -> Vec<_> { fetch.headers().map(|(name, value)| format!("{name}: {value}")).collect() };
    let plain = [
        "accept: application/json, text/plain, */*",
        concat!("user-agent: http-roster-admin/", env!("CARGO_PKG_VERSION")),
    ];
    assert_eq!(header(Fetch::new(&settings, "john", None)), plain);
    let tag = fetched(BODY, Some("W/\"1\"")).tag;
    let again = header(Fetch::new(&settings, "john", Some(&tag)));
    assert_eq!(again, [plain[0], plain[1], "if-none-match: W/\"1\""]);
}

#[test]
fn without_a_validator_nothing_is_conditional() {
    let settings = settings();
    for tag in [None, Some(&b""[..]), Some(b"rubbish"), Some(b"\xff")] {
        let fetch = Fetch::new(&settings, "john", tag);
        assert_eq!(fetch.if_none_match(), None);
        let response = Response { status: 304, etag: None, body: b"" };
        assert_eq!(fetch.refreshed(&response, not_read), Err(FetchError::Status(304)));
    }
}

#[test]
fn only_200_is_a_success() {
    let settings = settings();
    for status in [100, 201, 204, 206, 301, 302, 304, 400, 401, 404, 500, 503] {
        let response = Response { status, etag: None, body: BODY.as_bytes() };
        let known = fetched(BODY, None);
        let first = Fetch::new(&settings, "john", None).roster(&response);
        assert_eq!(first.unwrap_err(), FetchError::Status(status));
        let again = Fetch::new(&settings, "john", Some(&known.tag));
        assert_eq!(again.refreshed(&response, not_read), Err(FetchError::Status(status)));
    }
}

#[test]
fn an_answer_over_the_limit_is_refused() {
    let settings = settings();
    let fetch = Fetch::new(&settings, "john", None);
    let mut body = format!("{{}}{}", " ".repeat(MAX_BODY - 2));
    assert!(fetch.roster(&ok(&body, None)).unwrap().contacts.is_empty());
    body.push(' ');
    assert_eq!(fetch.roster(&ok(&body, None)), Err(FetchError::TooLarge));
}

#[test]
fn a_malformed_answer_is_an_error_and_not_an_empty_roster() {
    let settings = settings();
    let known = fetched(BODY, None);
    let fetch = Fetch::new(&settings, "john", Some(&known.tag));
    for body in ["", "null", "\"a\"", "17", "[1]", "<html></html>", "{\"a@b\": {}"] {
        let error = fetch.refreshed(&ok(body, None), || Packed::from(&known.packed)).unwrap_err();
        assert!(matches!(&error, FetchError::Malformed(_)), "{body}: {error}");
    }
}

#[test]
fn an_answer_of_304_is_not_compared() {
    let (settings, known) = (settings(), fetched(BODY, Some("\"1\"")));
    let fetch = Fetch::new(&settings, "john", Some(&known.tag));
    let response = Response { status: 304, etag: Some("\"1\""), body: b"" };
    assert_eq!(fetch.refreshed(&response, not_read).unwrap(), Refreshed::Unchanged);
}

#[test]
fn a_new_etag_on_the_same_roster_only_makes_a_new_tag() {
    let settings = settings();
    let known = fetched(BODY, Some("\"1\""));
    for etag in [Some("\"2\""), Some("not an etag"), None] {
        let fetch = Fetch::new(&settings, "john", Some(&known.tag));
        let refreshed = fetch.refreshed(&ok(BODY, etag), || Packed::from(&known.packed)).unwrap();
        let Refreshed::Changed { changes, tag, warnings } = refreshed else { panic!("the tag was not renewed") };
        assert!(changes.is_empty() && warnings.is_empty());
        let next = Fetch::new(&settings, "john", Some(&tag));
        assert_eq!(next.if_none_match(), etag.filter(|etag| etag.starts_with('"')));
        let again = next.refreshed(&ok(BODY, etag), || Packed::from(&known.packed));
        assert_eq!(again.unwrap(), Refreshed::Unchanged);
    }
}

#[test]
fn another_spelling_of_the_same_roster_makes_no_changes() {
    let settings = settings();
    let known = fetched(BODY, None);
    let other =
        r#"{ "aaron@example.com/x": {"groups": {"B": 1, "A": 1}, "id": 5}, "Marie@example.com":{"name":"M\u0061rie"}}"#;
    let fetch = Fetch::new(&settings, "john", Some(&known.tag));
    let refreshed = fetch.refreshed(&ok(other, None), || Packed::from(&known.packed));
    assert_eq!(refreshed.unwrap(), Refreshed::Unchanged);
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
        let fetch = Fetch::new(&settings, "john", Some(&known.tag));
        let body = format!("{{{contacts}}}");
        let refreshed = fetch.refreshed(&ok(&body, None), || Packed::from(&known.packed)).unwrap();
        assert_eq!(changes(refreshed), expected, "{contacts}");
    }
}

#[test]
fn a_user_without_an_address_is_an_error_that_names_the_setting() {
    let settings = settings();
    let error = Fetch::new(&settings, "..", None).url().unwrap_err();
    assert!(matches!(&error, FetchError::Misconfigured(text) if text.contains("http_roster_url")), "{error}");
}

#[test]
fn an_unreadable_roster_of_the_host_is_an_error() {
    let settings = settings();
    let fetch = Fetch::new(&settings, "john", None);
    let error = fetch.refreshed(&ok(BODY, None), || Packed::new("", &[1])).unwrap_err();
    assert!(error.to_string().contains("unreadable"), "{error}");
}
