//! How the application's answer is read: every row about a contact, and every body that is not a roster.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use http_roster_admin::roster::contact::Subscription;
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
    let subscription = format!("{:?}", contact.subscription).replace("Subscription::", "");
    let mut text = format!("{:?} {subscription} {:?}", contact.name, &contact.groups[..]);
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
        (r#"{"subscription": "none"}"#, "None None []"),
        (r#"{"subscription": "to"}"#, "None To []"),
        (r#"{"subscription": "from"}"#, "None From []"),
        (r#"{"subscription": "both"}"#, "None Both []"),
        (r#"{"subscription": null, "ask": null, "name": null}"#, "None Both []"),
        (r#"{"subscription": "odd", "subscription": "to"}"#, "None To []"),
        (r#"{"subscription": "none", "ask": "subscribe"}"#, "None None [] ask"),
        (r#"{"ask": "unsubscribe"}"#, "None Both []"),
        ("[]", "None Both []"),
        ("[ ]", "None Both []"),
        (r#"{"groups": ["1", "2024"]}"#, r#"None Both ["1", "2024"]"#),
        (r#"{"id": 17, "avatar": {"url": [null, 1.5e3]}, "name": "Marie", "x": "y"}"#, r#"Some("Marie") Both []"#),
    ] {
        assert_eq!(contact(value), expected, "{value}");
    }
}

/// Characters that no name can have.
const TEXT: &str =
    "has characters that no name can have (control characters, halves of surrogate pairs); they are replaced";

#[test]
fn a_field_of_the_wrong_kind_costs_that_field_with_one_warning_and_never_the_friendship() {
    let number = "is a number; expected";
    for (value, kept, warning) in [
        ("null", "None Both []", "it is null; expected an object"),
        (r#"["Marie"]"#, "None None []", "it is an array that is not empty; expected an object"),
        (r#"[[{"name": 1e999}], null]"#, "None None []", "it is an array that is not empty; expected an object"),
        (r#"{"name": 7, "groups": ["A"]}"#, r#"None Both ["A"]"#, &format!("its name {number} a string")),
        (r#"{"name": -1e999}"#, "None Both []", &format!("its name {number} a string")),
        (r#"{"name": true}"#, "None Both []", "its name is true; expected a string"),
        (r#"{"name": false}"#, "None Both []", "its name is false; expected a string"),
        (r#"{"name": {"a": 1}}"#, "None Both []", "its name is an object; expected a string"),
        (r#"{"name": ["a"]}"#, "None Both []", "its name is an array; expected a string"),
        (r#"{"name": "a", "name": 5}"#, "None Both []", &format!("its name {number} a string")),
        (r#"{"name": "A\tB"}"#, r#"Some("A B") Both []"#, &format!("its name {TEXT}")),
        (r#"{"name": "A\r\n\u0000\u001bB"}"#, r#"Some("A    B") Both []"#, &format!("its name {TEXT}")),
        ("{\"name\": \"A\u{7f}\u{85}B\"}", r#"Some("A  B") Both []"#, &format!("its name {TEXT}")),
        ("{\"name\": \"A\u{2028}B\"}", r#"Some("A B") Both []"#, &format!("its name {TEXT}")),
        (r#"{"name": "a\ufffeb\uffff"}"#, "Some(\"a\u{fffd}b\u{fffd}\") Both []", &format!("its name {TEXT}")),
        (r#"{"groups": null, "name": "A"}"#, r#"Some("A") Both []"#, "its groups are null; expected an array"),
        (r#"{"groups": "Friends"}"#, "None Both []", "its groups are a string; expected an array"),
        (r#"{"groups": 5}"#, "None Both []", "its groups are a number; expected an array"),
        (r#"{"groups": false}"#, "None Both []", "its groups are false; expected an array"),
        (r#"{"groups": ["a", 5, null, "b"]}"#, r#"None Both ["a", "b"]"#, &format!("one of its groups {number}")),
        (r#"{"groups": [["a"], "b"]}"#, r#"None Both ["b"]"#, "one of its groups is an array; expected a string"),
        (r#"{"groups": ["", "a"]}"#, r#"None Both ["a"]"#, "one of its groups has no name"),
        (r#"{"groups": {"": 1}}"#, "None Both []", "one of its groups has no name"),
        (
            r#"{"groups": {"a\tb": 1, "a b": 2, "a\nb": 3}}"#,
            r#"None Both ["a b"]"#,
            &format!("one of its groups {TEXT}"),
        ),
        (r#"{"groups": {"1": "Friends"}}"#, r#"None Both ["1"]"#, "one of its groups has a number for a name"),
        (r#"{"groups": {"0": "A", "2": "B"}}"#, r#"None Both ["0", "2"]"#, "one of its groups has a number for a name"),
        (
            r#"{"subscription": "blocked"}"#,
            "None None []",
            "its subscription is another word; expected none, to, from or both",
        ),
        (r#"{"subscription": "NONE"}"#, "None None []", "its subscription is another word"),
        (r#"{"subscription": "Both"}"#, "None None []", "its subscription is another word"),
        (r#"{"subscription": "remove"}"#, "None None []", "its subscription is another word"),
        (r#"{"subscription": " both"}"#, "None None []", "its subscription is another word"),
        (r#"{"subscription": ""}"#, "None None []", "its subscription is another word"),
        (r#"{"subscription": 3}"#, "None None []", "its subscription is a number"),
        (r#"{"subscription": true}"#, "None None []", "its subscription is true"),
        (r#"{"subscription": ["both"]}"#, "None None []", "its subscription is an array"),
        (r#"{"subscription": {"both": 1}}"#, "None None []", "its subscription is an object"),
        (r#"{"subscription": "both", "subscription": 1}"#, "None None []", "its subscription is a number"),
        (r#"{"ask": true}"#, "None Both []", "its ask is true; expected \"subscribe\""),
        (r#"{"ask": ["subscribe"], "subscription": "to"}"#, "None To []", "its ask is an array"),
    ] {
        let (contact, warnings) = contact(value).split_once("; ").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        assert_eq!(contact, kept, "{value}");
        assert!(warnings.starts_with(&format!("contact \"a@b\": {warning}")), "{value}: {warnings}");
        assert_eq!(warnings.matches("a@b").count(), 1, "{value}: {warnings}");
    }
}

#[test]
fn each_field_has_a_warning_of_its_own() {
    let value = r#"{"name": 1, "groups": [1, "\t"], "subscription": 1, "ask": 1, "name": 2}"#;
    let body = format!("{{\"a@b\": {value}}}");
    let lines = roster(&body).warnings.into_lines();
    let fields: Vec<_> = lines
        .iter()
        .map(|line| {
            line.split_whitespace()
                .find_map(|word| ["name", "groups", "subscription", "ask"].into_iter().find(|field| *field == word))
        })
        .collect();
    assert_eq!(fields, [Some("groups"), Some("subscription"), Some("ask"), Some("name")], "{lines:?}");
}

#[test]
fn half_of_a_surrogate_pair_costs_nothing_but_itself() {
    for (entry, kept, warning) in [
        (r#""x@y": {"name": "a\ud83d", "groups": ["A"]}"#, "x@y Some(\"a\u{fffd}\") [\"A\"]", Some("its name")),
        (r#""x@y": {"name": "\uDE00b"}"#, "x@y Some(\"\u{fffd}b\") []", Some("its name")),
        (r#""x@y": {"name": "\ude00\ud83d"}"#, "x@y Some(\"\u{fffd}\u{fffd}\") []", Some("its name")),
        (r#""x@y": {"name": "\ud83d\ud83d\ude00\ude00"}"#, "x@y Some(\"\u{fffd}😀\u{fffd}\") []", Some("its name")),
        (r#""x@y": {"name": "\ud83d\t"}"#, "x@y Some(\"\u{fffd} \") []", Some("its name")),
        (r#""x@y": {"groups": ["a\ud83d", "b"]}"#, "x@y None [\"a\u{fffd}\", \"b\"]", Some("one of its groups")),
        (r#""x@y": {"groups": {"\udc00": "\ud800"}}"#, "x@y None [\"\u{fffd}\"]", Some("one of its groups")),
        (r#""x@y": {"nick\ud83d": "a", "name": "A"}"#, "x@y Some(\"A\") []", None),
        (r#""x@y": {"bio": "a\ud83d", "z": [{"\udc00": ["\ud83dx"]}], "name": "A"}"#, "x@y Some(\"A\") []", None),
        (r#""x@y/phone": {"name": "A", "z": [1e999, {"a": -1E400}]}"#, "x@y Some(\"A\") []", None),
        (r#""x@y": {"name": "A", "ask": "\ud83d"}"#, "x@y Some(\"A\") []", None),
    ] {
        let body = format!(r#"{{"first@b": {{"name": "\ud83d\ude00"}}, {entry}, "last@b": {{}}}}"#);
        let roster = roster(&body);
        let [first, contact, last] = &roster.contacts[..] else { panic!("{entry}: {:?}", roster.contacts) };
        assert_eq!((first.name.as_deref(), &*last.jid), (Some("😀"), "last@b"));
        assert_eq!(format!("{} {:?} {:?}", contact.jid, contact.name, &contact.groups[..]), kept, "{entry}");
        let lines = roster.warnings.into_lines();
        assert_eq!(lines.len(), usize::from(warning.is_some()), "{lines:?}");
        assert!(
            lines.iter().all(|line| line.starts_with(&format!("contact \"x@y\": {} has", warning.unwrap()))),
            "{lines:?}"
        );
    }
    let body = r#"{"first@b": {}, "a\ud83d@b": {}, "last@b": {"subscription": "\ud83d"}}"#;
    let roster = roster(body);
    let contacts: Vec<_> = roster.contacts.iter().map(|contact| (&*contact.jid, contact.subscription)).collect();
    assert_eq!(contacts, [("first@b", Subscription::Both), ("last@b", Subscription::None)]);
    let lines = roster.warnings.into_lines();
    assert!(lines[0].starts_with("left out the contact \"a\u{fffd}@b\": its localpart"), "{lines:?}");
}

#[test]
fn one_bad_contact_is_left_out_and_the_rest_stands() {
    for (entry, reason) in [
        (r#""x@y": 5"#, r#""x@y": it is a number; expected an object"#),
        (r#""x@y": -5"#, r#""x@y": it is a number; expected an object"#),
        (r#""x@y": 0.5"#, r#""x@y": it is a number; expected an object"#),
        (r#""x@y": 1e999"#, r#""x@y": it is a number; expected an object"#),
        (r#""x@y": true"#, r#""x@y": it is true; expected an object"#),
        (r#""x@y": false"#, r#""x@y": it is false; expected an object"#),
        (r#""x@y": "Marie""#, r#""x@y": it is a string; expected an object"#),
        (r#""x@y": "Mari\u0065""#, r#""x@y": it is a string; expected an object"#),
        (r#""x@y": "\udc00""#, r#""x@y": it is a string; expected an object"#),
        (r#""@@bad": {}"#, r#""@@bad": its localpart (before the @) is empty"#),
        (r#""": {}"#, r#""": its domain is empty"#),
        (r#""x@y/": {"name": "x"}"#, r#""x@y/": its resource (after the /) is empty"#),
        (
            r#""a b@y": {}"#,
            r#""a b@y": its localpart (before the @) has the character U+0020, which is not allowed there"#,
        ),
        (
            r#""a\nb@y": [[[]]]"#,
            r#""a\nb@y": its localpart (before the @) has the character U+000A, which is not allowed there"#,
        ),
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
    for (key, jid) in [
        ("Marie@Example.COM/phone", "marie@example.com"),
        ("Straße@b", "straße@b"),
        ("gateway.example", "gateway.example"),
        ("johnny@example.com", "johnny@example.com"),
        ("m@xn--bcher-kva.example", "m@bücher.example"),
        ("ⴰⵎⴰⵣⵉⵖ@b./😀 phone", "ⴰⵎⴰⵣⵉⵖ@b"),
    ] {
        let body = format!(r#"{{"{key}": {{}}}}"#);
        let jids: Vec<_> = roster(&body).contacts.into_iter().map(|contact| contact.jid).collect();
        assert_eq!(jids, [jid], "{key}");
    }
}

#[test]
fn two_spellings_of_a_domain_are_one_contact() {
    let body = r#"{"m@xn--bcher-kva.example": {"name": "1"}, "m@bücher.example": {"name": "2"}}"#;
    let mut roster = roster(body);
    roster.dedup();
    assert_eq!(roster.contacts.len(), 1);
    assert_eq!(roster.contacts[0].jid, "m@bücher.example");
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
        (b"{\"a@b\": {\"name\": \"\\ud80\"}}", "the body is not JSON: invalid escape at line 1 column 24"),
        (b"{\"a@b\": {\"name\": \"\\ud800\", }}", "the body is not JSON: trailing comma at line 1 column 28"),
        (b"{\"a@b\": {\"name\": 01e999}}", "the body is not JSON: invalid number at line 1 column 19"),
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
            let roster = decode(body.as_bytes(), OWNER).unwrap();
            assert_eq!(roster.contacts.len(), usize::from(!place.contains("a b@c")), "{place}");
            // An object is a contact whose fields nobody knows.
            let is_odd = !(place == "{\"a@b\": ?}" && open == "{\"a\":");
            assert_eq!(roster.warnings.into_lines().len(), usize::from(is_odd), "{place}");
        }
    }
}
