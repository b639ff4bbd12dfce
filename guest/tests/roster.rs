//! How the application's answer is read: every row about a contact, and every body that is not a roster.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use http_roster_admin::contact::Subscription;
use http_roster_admin::roster::{Owner, Roster, decode};

const OWNER: Owner<'_> = Owner { user: "john", domain: "example.com" };

fn roster(body: &str) -> Roster<'_> {
    decode(body.as_bytes(), OWNER).unwrap_or_else(|error| panic!("{body}: {error}"))
}

/// The value of the one contact `a@b`.
fn contact(value: &str) -> String {
    let body = format!("{{\"a@b\": {value}}}");
    let roster = roster(&body);
    let [contact] = &roster.contacts[..] else { panic!("{value}: {:?}", roster.warnings) };
    let mut text = format!("{:?} {:?} {:?}", contact.name, contact.subscription, &contact.groups[..]);
    if contact.ask {
        text.push_str(" ask");
    }
    for warning in roster.warnings.into_lines() {
        text.push_str("; ");
        text.push_str(&warning);
    }
    text
}

#[test]
fn the_readmes_example() {
    let roster = roster(r#"{"marie@example.com": {"name": "Marie"}, "michael@example.com": {"name": "Michael"}}"#);
    let contacts: Vec<_> = roster.contacts.iter().map(|contact| (&*contact.jid, contact.name.as_deref())).collect();
    assert_eq!(contacts, [("marie@example.com", Some("Marie")), ("michael@example.com", Some("Michael"))]);
    assert!(roster.contacts.iter().all(|contact| contact.subscription == Subscription::Both && !contact.ask));
    assert!(roster.warnings.is_empty());
}

#[test]
fn what_a_contact_may_say_about_itself() {
    for (value, expected) in [
        ("{}", "None Both []"),
        (r#"{"name": "Marie"}"#, r#"Some("Marie") Both []"#),
        (r#"{"name": ""}"#, r#"Some("") Both []"#),
        (r#"{"name": null}"#, "None Both []"),
        (r#"{"name": "Zo\u00eb \"Z\" \ud83d\ude00"}"#, r#"Some("Zoë \"Z\" 😀") Both []"#),
        (r#"{"name": "a", "name": "b"}"#, r#"Some("b") Both []"#),
        (r#"{"name": 5, "name": "b"}"#, r#"Some("b") Both []"#),
        (r#"{"groups": {"Work": true, "Friends": {"any": ["thing"]}}}"#, r#"None Both ["Work", "Friends"]"#),
        (r#"{"groups": ["Work", "Fr\u0069ends"]}"#, r#"None Both ["Work", "Friends"]"#),
        (r#"{"groups": ["Work", "Work", "W\u006frk"]}"#, r#"None Both ["Work"]"#),
        (r#"{"groups": []}"#, "None Both []"),
        (r#"{"groups": {}}"#, "None Both []"),
        (r#"{"groups": ["", "a"]}"#, r#"None Both ["a"]; contact "a@b" has a group without a name, which is left out"#),
        (r#"{"groups": {"": 1}}"#, r#"None Both []; contact "a@b" has a group without a name, which is left out"#),
        (r#"{"subscription": "none"}"#, "None None []"),
        (r#"{"subscription": "to"}"#, "None To []"),
        (r#"{"subscription": "from"}"#, "None From []"),
        (r#"{"subscription": "both"}"#, "None Both []"),
        (
            r#"{"subscription": "remove"}"#,
            r#"None Both []; contact "a@b" has an unknown subscription; it counts as both"#,
        ),
        (r#"{"subscription": 5}"#, r#"None Both []; contact "a@b" has an unknown subscription; it counts as both"#),
        (r#"{"subscription": null}"#, r#"None Both []; contact "a@b" has an unknown subscription; it counts as both"#),
        (r#"{"subscription": "none", "ask": "subscribe"}"#, "None None [] ask"),
        (r#"{"ask": "unsubscribe"}"#, "None Both []"),
        (r#"{"ask": null}"#, "None Both []"),
        (r#"{"id": 17, "avatar": {"url": [null, 1.5e3]}, "name": "Marie", "x": "y"}"#, r#"Some("Marie") Both []"#),
    ] {
        assert_eq!(contact(value), expected, "{value}");
    }
}

#[test]
fn one_bad_contact_is_left_out_and_the_rest_stands() {
    for (entry, reason) in [
        (r#""x@y": null"#, r#""x@y": it is null; expected an object"#),
        (r#""x@y": 5"#, r#""x@y": it is a number; expected an object"#),
        (r#""x@y": -5"#, r#""x@y": it is a number; expected an object"#),
        (r#""x@y": 0.5"#, r#""x@y": it is a number; expected an object"#),
        (r#""x@y": true"#, r#""x@y": it is true; expected an object"#),
        (r#""x@y": false"#, r#""x@y": it is false; expected an object"#),
        (r#""x@y": "Marie""#, r#""x@y": it is a string; expected an object"#),
        (r#""x@y": "Mari\u0065""#, r#""x@y": it is a string; expected an object"#),
        (r#""x@y": []"#, r#""x@y": it is an array; expected an object"#),
        (r#""x@y": {"name": 5}"#, r#""x@y": its name is a number; expected a string"#),
        (r#""x@y": {"name": true}"#, r#""x@y": its name is true; expected a string"#),
        (r#""x@y": {"name": {"a": 1}}"#, r#""x@y": its name is an object; expected a string"#),
        (r#""x@y": {"name": ["a"]}"#, r#""x@y": its name is an array; expected a string"#),
        (r#""x@y": {"name": "a\u0000b"}"#, r#""x@y": its name has a control character"#),
        (r#""x@y": {"name": "a\nb"}"#, r#""x@y": its name has a control character"#),
        ("\"x@y\": {\"name\": \"a\u{7f}b\"}", r#""x@y": its name has a control character"#),
        (r#""x@y": {"name": "a\ufffeb"}"#, r#""x@y": its name has a control character"#),
        (r#""x@y": {"groups": null}"#, r#""x@y": its groups are null; expected an object or an array of strings"#),
        (r#""x@y": {"groups": 5}"#, r#""x@y": its groups are a number; expected an object or an array of strings"#),
        (r#""x@y": {"groups": "a"}"#, r#""x@y": its groups are a string; expected an object or an array of strings"#),
        (r#""x@y": {"groups": ["a", 5]}"#, r#""x@y": one of its groups is a number; expected a string"#),
        (r#""x@y": {"groups": [["a"]]}"#, r#""x@y": one of its groups is an array; expected a string"#),
        (r#""x@y": {"groups": {"a\tb": 1}}"#, r#""x@y": one of its groups has a control character"#),
        (r#""@@bad": {}"#, r#""@@bad": its localpart (before the @) is not valid"#),
        (r#""": {}"#, r#""": its domain is not valid"#),
        (r#""x@y/": {"name": "x"}"#, r#""x@y/": its resource (after the /) is not valid"#),
        (r#""a b@y": {}"#, r#""a b@y": its localpart (before the @) is not valid"#),
        (r#""a\nb@y": [[[]]]"#, r#""a\nb@y": its localpart (before the @) is not valid"#),
        (r#""john@example.com": {"name": "Me"}"#, r#""john@example.com": it is the user"#),
        (r#""John@Example.com/phone": {}"#, r#""john@example.com": it is the user"#),
    ] {
        let body = format!(r#"{{"first@b": {{"name": "A"}}, {entry}, "last@b": {{}}}}"#);
        let roster = roster(&body);
        let jids: Vec<_> = roster.contacts.iter().map(|contact| &*contact.jid).collect();
        assert_eq!(jids, ["first@b", "last@b"], "{entry}");
        assert_eq!(roster.warnings.into_lines(), [format!("left out the contact {reason}")]);
    }
}

#[test]
fn jids_are_normalised_to_bare() {
    let body = r#"{"Marie@Example.COM/phone": {}, "Straße@b": {}, "gateway.example": {}, "johnny@example.com": {}}"#;
    let jids: Vec<_> = roster(body).contacts.into_iter().map(|contact| contact.jid).collect();
    assert_eq!(jids, ["marie@example.com", "strasse@b", "gateway.example", "johnny@example.com"]);
}

#[test]
fn of_contacts_with_one_jid_the_last_counts() {
    let body = r#"{"a@b": {"name": "1"}, "c@d": {}, "A@b": {"name": "2"}, "a@b/x": {"name": "3"}}"#;
    let mut roster = roster(body);
    roster.dedup();
    let contacts: Vec<_> = roster.contacts.iter().map(|contact| (&*contact.jid, contact.name.as_deref())).collect();
    assert_eq!(contacts, [("a@b", Some("3")), ("c@d", None)]);
    let warning = r#"contact "a@b" is there twice; the last counts"#;
    assert_eq!(roster.warnings.into_lines(), [warning, warning]);
}

#[test]
fn warnings_are_bounded() {
    let entries: Vec<_> = (0..1000).map(|at| format!("\"bad {at}@b\": {{}}")).collect();
    let lines = roster(&format!("{{{}}}", entries.join(","))).warnings.into_lines();
    assert_eq!((lines.len(), lines[20].as_str()), (21, "and 980 more"));
    let long = roster(&format!("{{\"{} @b\": {{}}}}", "x".repeat(10_000))).warnings.into_lines();
    assert!(long[0].len() < 200, "{}", long[0]);
}

#[test]
fn many_groups_are_read_without_comparing_each_with_each() {
    let groups: Vec<_> = (0..100_000).map(|at| format!("\"g{}\"", at % 50_000)).collect();
    let body = format!("{{\"a@b\": {{\"groups\": [{}]}}}}", groups.join(","));
    assert_eq!(roster(&body).contacts[0].groups.len(), 50_000);
}

#[test]
fn an_empty_object_and_an_empty_array_are_an_empty_roster() {
    for body in ["{}", "[]", " { } ", "[\n]\r\n", "\u{FEFF}{}"] {
        assert!(roster(body).contacts.is_empty(), "{body:?}");
    }
}

#[test]
fn what_is_no_roster_is_malformed_and_says_what_was_found() {
    for (body, found) in [
        (&b""[..], "the body is empty"),
        (b" \n ", "the body is empty"),
        (b"null", "found null"),
        (b"\"a@b\"", "found a string"),
        (b"17", "found a number"),
        (b"true", "found a boolean"),
        (b"[1]", "found an array that is not empty"),
        (b"[{\"jid\": \"a@b\"}]", "found an array that is not empty"),
        (b"<!doctype html>", "found what looks like HTML"),
        (b"Not found", "found something that is not JSON"),
        (b"{\"a@b\": {}", "the body is not JSON: EOF while parsing an object at line 1 column 10"),
        (b"{\"a@b\": {},}", "the body is not JSON: trailing comma at line 1 column 12"),
        (b"{\"a@b\": {}} x", "the body is not JSON: trailing characters at line 1 column 13"),
        (b"{\"a@b\": {}}{}", "the body is not JSON: trailing characters at line 1 column 12"),
        (b"{\n\"a@b\" {}}", "the body is not JSON: expected `:` at line 2 column 7"),
        (b"{a@b: {}}", "the body is not JSON: key must be a string at line 1 column 2"),
        (
            b"{\"a@b\": {\"name\": \"\\ud800\"}}",
            "the body is not JSON: unexpected end of hex escape at line 1 column 25",
        ),
        (b"{\"a@b\": {\"name\": \"\xFF\"}}", "the body is not UTF-8 from byte 18 on"),
    ] {
        let error = decode(body, OWNER).unwrap_err().to_string();
        assert_eq!(error, format!("{found}; expected a JSON object whose keys are JIDs"), "{}", body.escape_ascii());
    }
}

#[test]
fn deep_nesting_never_overflows_the_stack() {
    const DEEP: usize = 300_000;
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let nested = format!("{}1{}", open.repeat(DEEP), close.repeat(DEEP));
        assert!(decode(open.repeat(DEEP).as_bytes(), OWNER).is_err());
        for place in ["{\"a@b\": ?}", "{\"a b@c\": ?}", "{\"a@b\": {\"name\": ?}}", "{\"a@b\": {\"groups\": [?]}}"] {
            let body = place.replace('?', &nested);
            // An object is a contact whose fields nobody knows; anything else is left out.
            let roster = decode(body.as_bytes(), OWNER).unwrap();
            assert_eq!(roster.contacts.len() + roster.warnings.into_lines().len(), 1, "{place}");
        }
    }
}
