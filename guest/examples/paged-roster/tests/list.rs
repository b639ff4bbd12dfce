//! Page after page, against a list of answers.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use paged_roster::list::{self, MOST_PAGES};
use paged_roster::settings::Settings;
use xmpp_roster_plugin::{Call, FetchError, Response, Roster, Step};

/// URL and `If-None-Match`.
type Asking = (String, Option<String>);

fn page(etag: &str, addresses: &[&str], next: Option<&str>) -> Response {
    let items: Vec<_> = addresses.iter().map(|address| serde_json::json!({ "address": address })).collect();
    let response = Response::ok(serde_json::json!({ "items": items, "next": next }).to_string());
    if etag.is_empty() { response } else { response.with_header("etag", etag) }
}

fn settings() -> Settings {
    Settings::read(&xmpp_roster_plugin::Settings::of([("api_url", "http://app/v1")])).unwrap()
}

/// What came of these answers, and what was asked. The state goes from one call to the next as the host hands it on.
fn asked(answers: Vec<Response>, tag: Option<&[u8]>) -> (Result<Step, FetchError>, Vec<Asking>) {
    let settings = settings();
    let (mut request, mut state) = (list::first(&settings, "john", tag).unwrap(), Vec::new());
    let mut asked = Vec::new();
    for answer in answers {
        let condition = request.headers.iter().find(|header| header.name == "if-none-match");
        asked.push((request.url, condition.map(|header| header.value.clone())));
        match list::read(&settings, &Call { tag, state: &state, ..Call::first("john") }, &answer) {
            Ok(Step::Next(next)) => (request, state) = (next.request, next.state),
            done => return (done, asked),
        }
    }
    panic!("it asks for more than there is: {request:?}")
}

fn list(answers: Vec<Response>) -> Roster {
    match asked(answers, None).0.unwrap() {
        Step::Roster(list) => list,
        other => panic!("there is a list: {other:?}"),
    }
}

fn jids(list: &Roster) -> Vec<&str> {
    list.contacts.iter().map(|contact| contact.jid.as_str()).collect()
}

#[test]
fn pages_are_read_to_the_last_and_keep_their_order() {
    let pages =
        vec![page("\"1\"", &["a@x"], Some("p 2")), page("\"1\"", &["b@x"], Some("3")), page("\"1\"", &[], None)];
    let (result, asked) = asked(pages, None);
    let Step::Roster(list) = result.unwrap() else { panic!("there is a list") };
    assert_eq!(jids(&list), ["a@x", "b@x"]);
    let paths: Vec<_> = asked.iter().map(|(url, _)| url.as_str()).collect();
    assert_eq!(
        paths,
        ["", "?cursor=p%202", "?cursor=3"].map(|query| format!("http://app/v1/users/john/contacts{query}"))
    );
}

#[test]
fn a_tag_makes_the_next_request_conditional() {
    let tag = list(vec![page("\"1\"", &["a@x"], None)]).tag.unwrap();
    let (result, asked_with) = asked(vec![Response::status(304)], Some(&tag));
    assert_eq!((result.unwrap(), asked_with[0].1.as_deref()), (Step::Unchanged, Some("\"1\"")));
    for foreign in [&b"1"[..], b"*", b"\xff", b""] {
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
    let list = list(vec![Response::ok(body.to_vec())]);
    assert_eq!((jids(&list), list.contacts[0].name.as_deref()), (vec!["a@x", "b@x"], Some("2")));
    assert_eq!(list.warnings.len(), 6, "{:?}", list.warnings);
    assert!(list.warnings[0].contains("@@bad"));
    let many: Vec<String> = (0..1000).map(|n| format!("bad {n}@x")).collect();
    let many = self::list(vec![page("", &many.iter().map(String::as_str).collect::<Vec<_>>(), None)]);
    assert_eq!((many.warnings.len(), many.warnings[20].as_str()), (21, "and 980 more"));
}

#[test]
fn what_is_no_list_is_an_error_of_its_kind() {
    for (answers, expected) in [
        (vec![Response::status(404)], FetchError::Status(404)),
        (vec![Response::status(304)], FetchError::Status(304)),
        (vec![page("", &[], Some("2")), Response::status(500)], FetchError::Status(500)),
    ] {
        assert_eq!(asked(answers, None).0.unwrap_err(), expected);
    }
    for text in ["", "[]", "null", "{}", "{\"items\": {}}", "{\"items\": [], \"next\": 7}", "<html>"] {
        let error = asked(vec![Response::ok(text)], None).0.unwrap_err();
        assert!(matches!(error, FetchError::Malformed(_)), "{text}: {error:?}");
    }
    let circle = vec![page("", &[], Some("2")), page("", &[], Some("2"))];
    assert!(matches!(asked(circle, None).0, Err(FetchError::Malformed(_))));
    let endless = (0..=MOST_PAGES).map(|n| page("", &[], Some(&n.to_string()))).collect();
    assert_eq!(asked(endless, None).0.unwrap_err(), FetchError::TooLarge);
}
