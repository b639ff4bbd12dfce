//! Page after page, against a list of answers.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use paged_roster::list::{Asked, FetchError, Get, List, MOST_PAGES, Response, ask};
use paged_roster::settings::Settings;

/// Path and `If-None-Match`.
type Asking = (String, Option<String>);

/// Answers in order, and remembers what it was asked.
#[derive(Default)]
struct Played {
    answers: Vec<Response>,
    asked: Vec<Asking>,
}

impl Get for Played {
    fn get(&mut self, path: &str, etag: Option<&[u8]>) -> Result<Response, FetchError> {
        self.asked.push((path.to_owned(), etag.map(|etag| String::from_utf8_lossy(etag).into_owned())));
        if self.answers.is_empty() { Err(FetchError::TimedOut) } else { Ok(self.answers.remove(0)) }
    }
}

fn page(etag: &str, addresses: &[&str], next: Option<&str>) -> Response {
    let items: Vec<_> = addresses.iter().map(|address| serde_json::json!({ "address": address })).collect();
    let body = serde_json::json!({ "items": items, "next": next }).to_string().into_bytes();
    Response { status: 200, etag: (!etag.is_empty()).then(|| etag.as_bytes().to_vec()), body }
}

fn settings() -> Settings {
    Settings::new(Some("http://app/v1"), Some("example.com")).unwrap()
}

fn asked(answers: Vec<Response>, tag: Option<&[u8]>) -> (Result<Asked, FetchError>, Vec<Asking>) {
    let mut http = Played { answers, asked: Vec::new() };
    let result = ask(&mut http, &settings(), "john", tag);
    (result, http.asked)
}

fn list(answers: Vec<Response>) -> List {
    match asked(answers, None).0.unwrap() {
        Asked::List(list) => list,
        Asked::Unchanged => panic!("there is a list"),
    }
}

fn jids(list: &List) -> Vec<&str> {
    list.contacts.iter().map(|contact| contact.jid.as_str()).collect()
}

#[test]
fn pages_are_read_to_the_last_and_keep_their_order() {
    let pages =
        vec![page("\"1\"", &["a@x"], Some("p 2")), page("\"1\"", &["b@x"], Some("3")), page("\"1\"", &[], None)];
    let (result, asked) = asked(pages, None);
    let Asked::List(list) = result.unwrap() else { panic!("there is a list") };
    assert_eq!(jids(&list), ["a@x", "b@x"]);
    let paths: Vec<_> = asked.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(
        paths,
        ["/v1/users/john/contacts", "/v1/users/john/contacts?cursor=p%202", "/v1/users/john/contacts?cursor=3"]
    );
}

#[test]
fn a_tag_makes_the_next_request_conditional() {
    let tag = list(vec![page("\"1\"", &["a@x"], None)]).tag.unwrap();
    let (result, asked_with) = asked(vec![Response { status: 304, ..Response::default() }], Some(&tag));
    assert_eq!((result.unwrap(), asked_with[0].1.as_deref()), (Asked::Unchanged, Some("\"1\"")));
    for foreign in [&b"\"1\""[..], b"/v2/users/john/contacts\n\"1\"", b"/v1/users/john/contacts\n*", b""] {
        let (_, asked_with) = asked(vec![page("", &[], None)], Some(foreign));
        assert_eq!(asked_with[0].1, None, "{}", foreign.escape_ascii());
    }
    assert_eq!(list(vec![page("", &[], None)]).tag, None);
}

#[test]
fn a_list_that_changes_while_it_is_read_is_read_again() {
    let torn = || vec![page("\"1\"", &["a@x"], Some("2")), page("\"2\"", &["c@x"], None)];
    let whole = vec![page("\"2\"", &["b@x"], Some("2")), page("\"2\"", &["c@x"], None)];
    assert_eq!(jids(&list([torn(), whole].concat())), ["b@x", "c@x"]);
    let (result, asked) = asked([torn(), torn(), torn(), torn()].concat(), None);
    assert!(matches!(result, Err(FetchError::Malformed(_))), "{result:?}");
    assert_eq!(asked.len(), 6, "three times and no more");
}

#[test]
fn a_bad_item_is_left_out_and_the_last_of_two_counts() {
    let body = br#"{"items": [{"address": "a@x", "display_name": "1"}, {"address": "@@bad"}, {"display_name": "x"}, null,
        {"address": "b@x", "labels": "no list"}, {"address": "john@example.com"}, {"address": "A@x", "display_name": "2"}]}"#;
    let list = list(vec![Response { status: 200, etag: None, body: body.to_vec() }]);
    assert_eq!((jids(&list), list.contacts[0].name.as_deref()), (vec!["a@x", "b@x"], Some("2")));
    assert_eq!(list.warnings.len(), 6, "{:?}", list.warnings);
    assert!(list.warnings[0].contains("@@bad"));
    let many: Vec<String> = (0..1000).map(|n| format!("bad {n}@x")).collect();
    let many = self::list(vec![page("", &many.iter().map(String::as_str).collect::<Vec<_>>(), None)]);
    assert_eq!((many.warnings.len(), many.warnings[20].as_str()), (21, "and 980 more"));
}

#[test]
fn what_is_no_list_is_an_error_of_its_kind() {
    let status = |status| Response { status, ..Response::default() };
    let body = |text: &str| Response { status: 200, etag: None, body: text.as_bytes().to_vec() };
    for (answers, expected) in [
        (vec![status(404)], FetchError::Status(404)),
        (vec![status(304)], FetchError::Status(304)),
        (vec![page("", &[], Some("2")), status(500)], FetchError::Status(500)),
        (vec![page("", &[], Some("2"))], FetchError::TimedOut),
        (vec![], FetchError::TimedOut),
    ] {
        assert_eq!(asked(answers, None).0.unwrap_err(), expected);
    }
    for text in ["", "[]", "null", "{}", "{\"items\": {}}", "{\"items\": [], \"next\": 7}", "<html>"] {
        let error = asked(vec![body(text)], None).0.unwrap_err();
        assert!(matches!(error, FetchError::Malformed(_)), "{text}: {error:?}");
    }
    let circle = vec![page("", &[], Some("2")), page("", &[], Some("2"))];
    assert!(matches!(asked(circle, None).0, Err(FetchError::Malformed(_))));
    let endless = (0..=MOST_PAGES).map(|n| page("", &[], Some(&n.to_string()))).collect();
    assert_eq!(asked(endless, None).0.unwrap_err(), FetchError::TooLarge);
}
